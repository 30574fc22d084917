#include "sidecar/spool/record_io.h"

#include "common/crc32c.h"
#include "sidecar/spool/compression.h"

namespace pannier::spool {
namespace {

Error corrupt(Offset at, const char* what) {
  return {Errc::corrupt, std::string(what) + " at offset " + std::to_string(at)};
}

// What a later release may write and this one does not know; null for nothing of that kind.
const char* not_readable(const RecordHeader& header) {
  if (header.type < RecordType::message || header.type > RecordType::core) return "of a later kind";
  if ((header.flags & ~RecordHeader::kFlagsKnown) != 0) return "marked for a later release";
  if (header.key_id != 0) return "encrypted";
  if (header.codec > Codec::zstd) return "compressed by a later codec";
  return nullptr;
}

// Compressed content is smaller than it was, and not nothing.
bool adds_up(const RecordHeader& header) {
  const std::uint32_t content = header.stored - header.meta;
  if (header.codec == Codec::none) return content == header.content;
  return content > 0 && content < header.content && header.content <= kContentMax;
}

}  // namespace

Result<Slice> StoredRecord::unfolded() const {
  if (header.codec == Codec::none) return content();
  return decompress(header.codec, content().view(), header.content);
}

Result<StoredRecord> parse_record(Slice bytes, std::uint32_t seed, Offset at) {
  const auto header = RecordHeader::decode(bytes.view(), seed, at);
  if (!header) return corrupt(at, "a record's header does not match its checksum");
  if (bytes.size() < RecordHeader::kSize + header->stored)
    return corrupt(at, "a record is longer than its place");
  Slice payload = bytes.part(RecordHeader::kSize, header->stored);
  if (crc32c(payload.view(), seed) != header->payload_crc)
    return corrupt(at, "a record's payload does not match its checksum");
  if (const char* why = not_readable(*header))
    return Error{Errc::wrong_version, "a record at offset " + std::to_string(at) + " is " + why +
                                          ", which this release cannot read: use the release that "
                                          "wrote it"};
  if (!adds_up(*header)) return corrupt(at, "a record's sizes do not add up");
  return StoredRecord{*header, std::move(payload)};
}

Result<StoredRecord> read_record(const File& file, std::uint32_t seed, Offset at,
                                 std::uint32_t bytes, RecordType type) {
  if (bytes < RecordHeader::kSize || bytes > kSegmentBytesMax)
    return corrupt(at, "an index names a record of an impossible size");
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
  auto unfolded = record.unfolded();
  if (!unfolded) return unfolded.error();
  const Slice& content = *unfolded;
  const bool in_parts = meta->parts > 0;
  if (content.size() < meta->head_size ||
      content.size() - meta->head_size != (in_parts ? 0 : meta->body_size))
    return Error{Errc::corrupt, "a message's sizes do not add up"};
  StoredMessage message{std::move(*meta), content.part(0, meta->head_size), {}};
  if (!in_parts) message.body = content.part(message.meta.head_size, message.meta.body_size);
  return message;
}

}  // namespace pannier::spool
