#include "sidecar/spool/record_io.h"

#include "common/crc32c.h"

namespace pannier::spool {
namespace {

Error corrupt(Offset at, const char* what) {
  return {Errc::corrupt, std::string(what) + " at offset " + std::to_string(at)};
}

}  // namespace

Result<StoredRecord> parse_record(Slice bytes, std::uint32_t seed, Offset at) {
  const auto header = RecordHeader::decode(bytes.view(), seed, at);
  if (!header) return corrupt(at, "a record's header does not match its checksum");
  if (bytes.size() < RecordHeader::kSize + header->stored)
    return corrupt(at, "a record is longer than its place");
  Slice payload = bytes.part(RecordHeader::kSize, header->stored);
  if (crc32c(payload.view(), seed) != header->payload_crc)
    return corrupt(at, "a record's payload does not match its checksum");
  if (header->key_id != 0 || header->codec != Codec::none)
    return Error{Errc::wrong_version, "a record at offset " + std::to_string(at) +
                                          " is compressed or encrypted, which this release cannot "
                                          "read: use the release that wrote it"};
  return StoredRecord{*header, std::move(payload)};
}

Result<StoredRecord> read_record(const File& file, std::uint32_t seed, Offset at,
                                 std::uint32_t bytes, RecordType type) {
  auto owner = std::make_shared_for_overwrite<std::byte[]>(bytes);
  auto got = file.read(at, {owner.get(), bytes});
  if (!got) return got.error();
  if (*got < bytes) return corrupt(at, "the file ends within a record");
  auto record = parse_record(Slice(std::move(owner), 0, bytes), seed, at);
  if (record && record->header.type != type) return corrupt(at, "another kind of record stands");
  return record;
}

Result<StoredMessage> message_from(const StoredRecord& record) {
  auto meta = MessageMeta::decode(record.meta());
  if (!meta) return meta.error();
  const Slice content = record.content();
  const bool in_parts = meta->parts > 0;
  const std::uint64_t expected = meta->head_size + (in_parts ? 0 : meta->body_size);
  if (content.size() != expected)
    return Error{Errc::corrupt, "a message's sizes do not add up"};
  StoredMessage message{std::move(*meta), content.part(0, meta->head_size), {}};
  if (!in_parts) message.body = content.part(message.meta.head_size, message.meta.body_size);
  return message;
}

}  // namespace pannier::spool
