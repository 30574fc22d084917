#include "sidecar/spool/record_io.h"

#include <algorithm>
#include <array>

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
  if (header.codec > Codec::zstd) return "compressed by a later codec";
  return nullptr;
}

// Compressed content is smaller than it was, and not nothing.
bool adds_up(const RecordHeader& header, std::uint32_t payload) {
  if (header.meta > payload) return false;
  const std::uint32_t content = payload - header.meta;
  if (header.codec == Codec::none) return content == header.content;
  return content > 0 && content < header.content && header.content <= kContentMax;
}

// offset u32 | bytes 8 to 31 of the record header
using Aad = std::array<std::byte, 4 + RecordHeader::kSize - 8>;
Aad aad_of(const RecordHeader& header, Offset at) {
  std::array<std::byte, RecordHeader::kSize> bytes;
  header.encode(bytes.data(), 0, at);
  Aad aad;
  store_le(aad.data(), at);
  std::ranges::copy(ByteView(bytes).subspan(8), aad.begin() + 4);
  return aad;
}

}  // namespace

Result<Slice> StoredRecord::unfolded() const {
  if (header.codec == Codec::none) return content();
  return decompress(header.codec, content().view(), header.content);
}

void set_stored(RecordHeader& header, std::uint32_t size, const RecordKeys& keys) {
  header.stored = size + (keys.key ? RecordHeader::kSealSize : 0);
  header.key_id = keys.key ? keys.key->id() : 0;
}

void write_record(RecordHeader& header, std::span<const ByteView> payload, const RecordKeys& keys,
                  Offset at, std::byte* to) {
  std::byte* const stored = to + RecordHeader::kSize;
  if (keys.key) {
    keys.key->seal(aad_of(header, at), payload, stored);
  } else {
    std::byte* end = stored;
    for (const ByteView piece : payload) end = std::ranges::copy(piece, end).out;
  }
  header.payload_crc = crc32c({stored, header.stored}, keys.seed);
  header.encode(to, keys.seed, at);
}

Result<RecordHeader> check_record(const Slice& bytes, std::uint32_t seed, Offset at) {
  const auto header = RecordHeader::decode(bytes.view(), seed, at);
  if (!header) return corrupt(at, "a record's header does not match its checksum");
  if (bytes.size() < RecordHeader::kSize + header->stored)
    return corrupt(at, "a record is longer than its place");
  const ByteView payload = bytes.view().subspan(RecordHeader::kSize, header->stored);
  if (crc32c(payload, seed) != header->payload_crc)
    return corrupt(at, "a record's payload does not match its checksum");
  if (const char* why = not_readable(*header))
    return Error{Errc::wrong_version, "a record at offset " + std::to_string(at) + " is " + why +
                                          ", which this release cannot read: use the release that "
                                          "wrote it"};
  const std::uint32_t seal = header->key_id == 0 ? 0 : RecordHeader::kSealSize;
  if (header->stored < seal || !adds_up(*header, header->stored - seal))
    return corrupt(at, "a record's sizes do not add up");
  return *header;
}

Result<StoredRecord> parse_record(Slice bytes, const RecordKeys& keys, Offset at) {
  auto header = check_record(bytes, keys.seed, at);
  if (!header) return header.error();
  Slice payload = bytes.part(RecordHeader::kSize, header->stored);
  if (header->key_id == 0 && !keys.key) return StoredRecord{*header, std::move(payload)};
  // The segment's header names no key, or is not the one that was written.
  if (!keys.key)
    return Error{Errc::wrong_version,
                 "a record at offset " + std::to_string(at) + " is encrypted with key " +
                     std::to_string(header->key_id) + ", and its segment does not say so"};
  if (header->key_id != keys.key->id())
    return corrupt(at, "a record is not encrypted as its segment says");
  const std::size_t size = payload.size() - RecordHeader::kSealSize;
  auto owner = std::make_shared_for_overwrite<std::byte[]>(size);
  if (!keys.key->open(aad_of(*header, at), payload.view(), owner.get()))
    return corrupt(at, "a record does not open with its segment's key");
  return StoredRecord{*header, Slice(std::move(owner), 0, size)};
}

Result<StoredRecord> read_record(const File& file, const RecordKeys& keys, Offset at,
                                 std::uint32_t bytes, RecordType type) {
  if (bytes < RecordHeader::kSize || bytes > kSegmentBytesMax)
    return corrupt(at, "an index names a record of an impossible size");
  auto owner = std::make_shared_for_overwrite<std::byte[]>(bytes);
  auto got = file.read(at, {owner.get(), bytes});
  if (!got) return got.error();
  if (*got < bytes) return corrupt(at, "the file ends within a record");
  auto record = parse_record(Slice(std::move(owner), 0, bytes), keys, at);
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
