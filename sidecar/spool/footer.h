// The footer of a sealed segment: one run record per queue and priority, and a core record.
//
// A run lists its entries in the order of their sequences; queues page them in one run at a time.
// The core is all that recovery reads: the directory of the runs, the segment's settles and changes
// by the segment they are about, its state items, its parts and its bodies in parts. Encoders write
// payloads; record headers are the caller's. Decoders answer corrupt and never throw. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sidecar/spool/entry.h"

namespace pannier::spool {

// queue u32 | priority u8 | columns u8 | zero u16 | count u32 | zero u32 | entry... | column...
// entry := sequence u64 | offset u32 | record bytes u32 | share u32 | message bytes u32
//          | ordinal u16 | delivery count u16 | flags u8 | reason u8 | acquired count u16
// column := tag u8 | flags u8 | zero u16 | values u32 | [index u16 per value] | value u64 per value
// A column holds what is not zero, for the entries that `index` names in rising order, or without
// indexes for all of them. One of an unknown tag is stepped over unless its flag 1 (needed) is set.
inline constexpr std::size_t kRunFixedSize = 16;
inline constexpr std::size_t kRunEntrySize = 32;
inline constexpr std::size_t kColumnFixedSize = 8;
inline constexpr std::size_t kColumnValueSizeMax = 10;
inline constexpr std::size_t kColumns = 4;  // published, due, expiry, group
inline constexpr std::size_t kRunEntrySizeMax = kRunEntrySize + kColumns * kColumnValueSizeMax;
// The most that the entry adds to its run, whatever others are in it.
std::size_t run_bytes_max(const Entry& entry);
void encode_run(Lane lane, std::span<const Entry> entries, Bytes& out);
Result<std::vector<Entry>> decode_run(ByteView payload, SegmentNumber segment);

// What the directory says of one run. Counts are as of sealing: settled entries included.
struct RunInfo {
  static constexpr std::size_t kSize = 80;
  Lane lane;
  std::uint32_t count = 0;
  Offset offset = 0;
  std::uint32_t record_bytes = 0;
  Sequence first = 0;
  Sequence last = 0;
  std::uint64_t share_bytes = 0;
  std::uint64_t message_bytes = 0;
  Milliseconds first_due = 0;        // 0: no entry has one
  Milliseconds first_expiry = 0;     // 0: no entry has one
  Milliseconds first_published = 0;  // the oldest
  bool transient = false;            // entries of a Memory queue
};

// The most that a run costs beside its entries: its record and its line in the directory.
inline constexpr std::size_t kRunIndexSizeMax = RunInfo::kSize + RecordHeader::kSize +
                                                kRunFixedSize + kColumns * kColumnFixedSize +
                                                kRecordAlignment + RecordHeader::kSealSize;

struct PartInfo {
  BodyId body_id = 0;
  std::uint32_t index = 0;
  Offset offset = 0;
  std::uint32_t record_bytes = 0;
};

// A message of this segment whose body lies in parts, wherever those are.
struct BodyInfo {
  BodyId body_id = 0;
  std::uint32_t parts = 0;
  Ordinal first_ordinal = 0;
  std::uint16_t entries = 0;
};

// sections: kind u16 | flags u16 | size u32 | bytes; all five of them, once each. An unknown one is
// skipped unless its flag 1 (needed) is set: then this release cannot read the segment.
// run := queue u32 | priority u8 | flags u8 | zero u16 | count u32 | offset u32 | record bytes u32
//        | zero u32 | first u64 | last u64 | share bytes u64 | message bytes u64 | first due i64
//        | first expiry i64 | first published i64
// part := body id u64 | index u32 | offset u32 | record bytes u32
// body := body id u64 | parts u32 | first ordinal u16 | entries u16
// The settles and the states are as in their records.
struct Core {
  std::vector<RunInfo> runs;  // sorted by lane
  std::vector<SettleTarget> settles;
  std::vector<StateItem> states;
  std::vector<PartInfo> parts;
  std::vector<BodyInfo> bodies;

  void encode(Bytes& out) const;
  static Result<Core> decode(ByteView payload);
};

}  // namespace pannier::spool
