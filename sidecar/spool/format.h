// The spool's format on disk: sizes, kinds, and the four fixed headers, each drawn beside its code.
//
// docs/spool_format.md holds the same pictures with a worked example. All integers are
// little-endian. A segment file is: page 0 SegmentHeader | batches, each starting on a page | index
// records | last page SegmentTrailer. Every checksum is seeded with the segment's number and its
// random salt, so that the records of a recycled file's last life are never taken for this one's.
// Value types and pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/bytes.h"
#include "common/random.h"

namespace pannier::spool {

using SegmentNumber = std::uint64_t;  // counts up over the spool's life, never used twice
using Offset = std::uint32_t;         // bytes from the start of a segment file
using QueueId = std::uint32_t;        // never used twice within a spool
using Sequence = std::uint64_t;       // counts up within a queue, from 1
using Priority = std::uint8_t;
using Ordinal = std::uint16_t;  // counts a segment's entries from 0, in file order
using pannier::Uuid;
using Salt = std::array<std::byte, 16>;

inline constexpr std::uint16_t kFormatVersion = 1;
inline constexpr std::uint32_t kPageSize = 4096;
inline constexpr std::uint32_t kSegmentBytesDefault = 16u << 20;
inline constexpr std::uint32_t kSegmentBytesMin = 64u << 10;
inline constexpr std::uint32_t kSegmentBytesMax = 64u << 20;
inline constexpr std::uint32_t kEntriesPerSegmentMax = 65'536;
inline constexpr std::uint32_t kRecordAlignment = 8;

constexpr std::uint32_t aligned(std::uint32_t size, std::uint32_t to) {
  return (size + to - 1) / to * to;
}

// Each segment begins with the list of all, 8 bytes each: a spool has so few that it is an eighth
// of a segment at most.
constexpr std::uint64_t segments_max(std::uint32_t segment_bytes) { return segment_bytes / 64; }

// A place in the journal. Later in the journal is greater.
struct Position {
  SegmentNumber segment = 0;
  Offset offset = 0;
  auto operator<=>(const Position&) const = default;
};

// The seed of every checksum in one life of one segment file.
std::uint32_t checksum_seed(SegmentNumber number, const Salt& salt);

// magic 8 | crc u32 | version u16 | needs u16 | number u64 | spool id 16 | salt 16
// | segment bytes u32 | key id u32 | created ms i64          the crc covers what follows it
// needs: a bit for each feature that a reader of the segment must know; 1: records may be
// compressed, 2: they may be encrypted. key id: of its encrypted records; 0: it has none.
struct SegmentHeader {
  static constexpr std::size_t kSize = 72;
  static constexpr std::uint16_t kCompressed = 1;
  static constexpr std::uint16_t kEncrypted = 2;
  static constexpr std::uint16_t kNeedsKnown = kCompressed | kEncrypted;
  std::uint16_t version = kFormatVersion;
  std::uint16_t needs = 0;
  SegmentNumber number = 0;
  Uuid spool_id{};
  Salt salt{};
  std::uint32_t segment_bytes = 0;
  std::uint32_t key_id = 0;
  std::int64_t created_ms = 0;

  // False: a later release wrote it.
  bool is_readable() const { return version <= kFormatVersion && (needs & ~kNeedsKnown) == 0; }
  void encode(std::byte* to) const;
  // Nothing for bytes that are no header. One that is not readable decodes: the caller refuses it.
  static std::optional<SegmentHeader> decode(ByteView from);
};

// A SegmentHeader, then: data end u32 | core offset u32 | core stored u32 | entries u32 | crc u32
// It exists once everything of the segment is synced. Data end: where the last batch's pages end.
struct SegmentTrailer {
  static constexpr std::size_t kSize = SegmentHeader::kSize + 20;
  SegmentHeader header;
  Offset data_end = 0;
  Offset core_offset = 0;
  std::uint32_t core_bytes = 0;  // with its record header
  std::uint32_t entries = 0;

  void encode(std::byte* to) const;
  // Nothing unless the crcs hold and the places lie within the segment, in order.
  static std::optional<SegmentTrailer> decode(ByteView from);
};

// magic u32 | crc u32 | number u64 | salt 16 | size u32 | records u32 | synced segment u64
// | synced offset u32 | first ordinal u32 | written ms i64   the crc covers what follows it
// size counts the header and every record, without the zeros up to the next page. synced is the
// position up to which the journal was known to be synced when this batch was written.
struct BatchHeader {
  static constexpr std::size_t kSize = 64;
  SegmentNumber number = 0;
  Salt salt{};
  std::uint32_t size = 0;
  std::uint32_t records = 0;
  Position synced;
  std::uint32_t first_ordinal = 0;
  std::int64_t written_ms = 0;

  // `at`: the batch's place in the file, part of the checksum.
  void encode(std::byte* to, Offset at) const;
  static std::optional<BatchHeader> decode(ByteView from, Offset at);
};

enum class RecordType : std::uint8_t {
  message = 1,  // a message and its entries, one per queue
  part = 2,     // a part of a large body
  settle = 3,   // entries that are finished, and entries whose state changed
  state = 4,    // a keyed value; the latest of a key counts
  run = 5,      // index: the entries of one queue and priority in this segment
  core = 6,     // index: the directory of runs, and what recovery needs without reading records
};

enum class Codec : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };

// header crc u32 | payload crc u32 | stored u32 | meta u32 | content u32 | key id u32
// | first ordinal u32 | type u8 | flags u8 | codec u8 | zero u8
// The payload follows: `meta` bytes as they are, then the content, compressed by `codec`; with a
// key id a nonce of 12 bytes, both as AES-256-GCM ciphertext, and a tag of 16
// (docs/spool_format.md, Encryption). `stored` counts the payload as it lies there. The header crc
// covers the record's place too.
struct RecordHeader {
  static constexpr std::size_t kSize = 32;
  static constexpr std::uint8_t kGroupGoesOn = 1;  // the next record belongs to the same group
  static constexpr std::uint8_t kFlagsKnown = kGroupGoesOn;
  static constexpr std::uint32_t kNonceSize = 12;
  static constexpr std::uint32_t kTagSize = 16;
  static constexpr std::uint32_t kSealSize = kNonceSize + kTagSize;  // what encryption adds

  std::uint32_t payload_crc = 0;
  std::uint32_t stored = 0;
  std::uint32_t meta = 0;
  std::uint32_t content = 0;  // bytes before compression
  std::uint32_t key_id = 0;   // 0: plain
  std::uint32_t first_ordinal = 0;
  RecordType type = RecordType::message;
  std::uint8_t flags = 0;
  Codec codec = Codec::none;

  std::uint32_t bytes_on_disk() const {
    return aligned(static_cast<std::uint32_t>(kSize) + stored, kRecordAlignment);
  }
  void encode(std::byte* to, std::uint32_t seed, Offset at) const;
  // Nothing unless the header crc holds and the sizes can be; the payload is the caller's to check.
  static std::optional<RecordHeader> decode(ByteView from, std::uint32_t seed, Offset at);
};

static_assert(SegmentTrailer::kSize <= kPageSize && BatchHeader::kSize <= kPageSize);
static_assert(kEntriesPerSegmentMax - 1 <= 0xFFFF);  // an Ordinal names every entry

}  // namespace pannier::spool
