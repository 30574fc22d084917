// The footer of a sealed segment: one run record per queue and priority, and a core record.
//
// A run lists its entries in the order of their sequences; queues page them in one run at a time. The
// core is all that recovery reads: the directory of the runs, the segment's settles and changes by the
// segment they are about, its state items, its parts and its bodies in parts. Encoders write payloads;
// record headers are the caller's. Decoders answer corrupt and never throw. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sidecar/spool/entry.h"

namespace pannier::spool {

// queue u32 | priority u8 | columns u8 | zero u16 | count u32 | zero u32 | entry... | column...
// entry := sequence u64 | offset u32 | record bytes u32 | share u32 | message bytes u32 | ordinal u16
//          | delivery count u16 | flags u8 | zero 3
// column := due i64..., expiry i64..., group u64... with one value per entry; present as `columns` says
inline constexpr std::size_t kRunFixedSize = 16;
inline constexpr std::size_t kRunEntrySize = 32;
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
  Milliseconds first_due = 0;     // 0: no entry has one
  Milliseconds first_expiry = 0;  // 0: no entry has one
  bool transient = false;         // entries of a Memory queue
};

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

// sections: kind u16 | flags u16 | size u32 | bytes. An unknown section is skipped unless its flag 1
// (needed) is set: then the segment is of a version that this release cannot read.
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
