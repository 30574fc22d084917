#include "sidecar/spool/format.h"

#include <cstring>

#include "common/crc32c.h"

namespace pannier::spool {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x314C4F4F50534E50;  // "PNSPOOL1"
constexpr std::uint32_t kBatchMagic = 0x48435442;            // "BTCH"

// The crc of the bytes behind a header's own crc field, and of the place that it stands at.
std::uint32_t crc_at(ByteView bytes, std::uint32_t seed, Offset at) {
  std::array<std::byte, 4> place;
  store_le(place.data(), at);
  return crc32c(bytes, crc32c(place, seed));
}

bool adds_up(const SegmentTrailer& trailer) {
  const std::uint64_t core_end = std::uint64_t{trailer.core_offset} + trailer.core_bytes;
  return trailer.data_end >= kPageSize && trailer.data_end % kPageSize == 0 &&
         trailer.core_offset >= trailer.data_end && trailer.core_bytes >= RecordHeader::kSize &&
         core_end + kPageSize <= trailer.header.segment_bytes &&
         trailer.header.segment_bytes <= kSegmentBytesMax &&
         trailer.entries <= kEntriesPerSegmentMax;
}

}  // namespace

std::uint32_t checksum_seed(SegmentNumber number, const Salt& salt) {
  std::array<std::byte, 8> bytes;
  store_le(bytes.data(), number);
  return crc32c(bytes, crc32c(salt));
}

void SegmentHeader::encode(std::byte* to) const {
  store_le(to, kSegmentMagic);
  store_le(to + 12, version);
  store_le(to + 14, needs);
  store_le(to + 16, number);
  std::memcpy(to + 24, spool_id.data(), spool_id.size());
  std::memcpy(to + 40, salt.data(), salt.size());
  store_le(to + 56, segment_bytes);
  store_le(to + 60, key_id);
  store_le(to + 64, static_cast<std::uint64_t>(created_ms));
  store_le(to + 8, crc32c({to + 12, kSize - 12}));
}

std::optional<SegmentHeader> SegmentHeader::decode(ByteView from) {
  if (from.size() < kSize || load_le<std::uint64_t>(from.data()) != kSegmentMagic) return {};
  if (load_le<std::uint32_t>(from.data() + 8) != crc32c(from.subspan(12, kSize - 12))) return {};
  SegmentHeader header;
  header.version = load_le<std::uint16_t>(from.data() + 12);
  header.needs = load_le<std::uint16_t>(from.data() + 14);
  header.number = load_le<std::uint64_t>(from.data() + 16);
  std::memcpy(header.spool_id.data(), from.data() + 24, header.spool_id.size());
  std::memcpy(header.salt.data(), from.data() + 40, header.salt.size());
  header.segment_bytes = load_le<std::uint32_t>(from.data() + 56);
  header.key_id = load_le<std::uint32_t>(from.data() + 60);
  header.created_ms = static_cast<std::int64_t>(load_le<std::uint64_t>(from.data() + 64));
  return header;
}

void SegmentTrailer::encode(std::byte* to) const {
  header.encode(to);
  std::byte* rest = to + SegmentHeader::kSize;
  store_le(rest, data_end);
  store_le(rest + 4, core_offset);
  store_le(rest + 8, core_bytes);
  store_le(rest + 12, entries);
  store_le(rest + 16, crc32c({rest, 16}, checksum_seed(header.number, header.salt)));
}

std::optional<SegmentTrailer> SegmentTrailer::decode(ByteView from) {
  if (from.size() < kSize) return {};
  const auto header = SegmentHeader::decode(from);
  if (!header) return {};
  const std::byte* rest = from.data() + SegmentHeader::kSize;
  const std::uint32_t seed = checksum_seed(header->number, header->salt);
  if (load_le<std::uint32_t>(rest + 16) != crc32c({rest, 16}, seed)) return {};
  const SegmentTrailer trailer{*header, load_le<std::uint32_t>(rest),
                               load_le<std::uint32_t>(rest + 4), load_le<std::uint32_t>(rest + 8),
                               load_le<std::uint32_t>(rest + 12)};
  if (!adds_up(trailer)) return {};
  return trailer;
}

void BatchHeader::encode(std::byte* to, Offset at) const {
  store_le(to, kBatchMagic);
  store_le(to + 8, number);
  std::memcpy(to + 16, salt.data(), salt.size());
  store_le(to + 32, size);
  store_le(to + 36, records);
  store_le(to + 40, synced.segment);
  store_le(to + 48, synced.offset);
  store_le(to + 52, first_ordinal);
  store_le(to + 56, static_cast<std::uint64_t>(written_ms));
  store_le(to + 4, crc_at({to + 8, kSize - 8}, checksum_seed(number, salt), at));
}

std::optional<BatchHeader> BatchHeader::decode(ByteView from, Offset at) {
  if (from.size() < kSize || load_le<std::uint32_t>(from.data()) != kBatchMagic) return {};
  BatchHeader header;
  header.number = load_le<std::uint64_t>(from.data() + 8);
  std::memcpy(header.salt.data(), from.data() + 16, header.salt.size());
  header.size = load_le<std::uint32_t>(from.data() + 32);
  header.records = load_le<std::uint32_t>(from.data() + 36);
  header.synced = {load_le<std::uint64_t>(from.data() + 40),
                   load_le<std::uint32_t>(from.data() + 48)};
  header.first_ordinal = load_le<std::uint32_t>(from.data() + 52);
  header.written_ms = static_cast<std::int64_t>(load_le<std::uint64_t>(from.data() + 56));
  const std::uint32_t seed = checksum_seed(header.number, header.salt);
  if (load_le<std::uint32_t>(from.data() + 4) != crc_at(from.subspan(8, kSize - 8), seed, at))
    return {};
  if (header.size < kSize || header.size > kSegmentBytesMax) return {};
  return header;
}

void RecordHeader::encode(std::byte* to, std::uint32_t seed, Offset at) const {
  store_le(to + 4, payload_crc);
  store_le(to + 8, stored);
  store_le(to + 12, meta);
  store_le(to + 16, content);
  store_le(to + 20, key_id);
  store_le(to + 24, first_ordinal);
  store_le(to + 28, static_cast<std::uint8_t>(type));
  store_le(to + 29, flags);
  store_le(to + 30, static_cast<std::uint8_t>(codec));
  store_le(to + 31, std::uint8_t{0});
  store_le(to, crc_at({to + 4, kSize - 4}, seed, at));
}

std::optional<RecordHeader> RecordHeader::decode(ByteView from, std::uint32_t seed, Offset at) {
  if (from.size() < kSize) return {};
  if (load_le<std::uint32_t>(from.data()) != crc_at(from.subspan(4, kSize - 4), seed, at))
    return {};
  RecordHeader header;
  header.payload_crc = load_le<std::uint32_t>(from.data() + 4);
  header.stored = load_le<std::uint32_t>(from.data() + 8);
  header.meta = load_le<std::uint32_t>(from.data() + 12);
  header.content = load_le<std::uint32_t>(from.data() + 16);
  header.key_id = load_le<std::uint32_t>(from.data() + 20);
  header.first_ordinal = load_le<std::uint32_t>(from.data() + 24);
  header.type = static_cast<RecordType>(from[28]);
  header.flags = static_cast<std::uint8_t>(from[29]);
  header.codec = static_cast<Codec>(from[30]);
  if (header.meta > header.stored || header.stored > kSegmentBytesMax) return {};
  return header;
}

}  // namespace pannier::spool
