// The payloads of the journal's four kinds of records: message, part, settle and state.
//
// Encoders append to a buffer of the caller's; decoders look at bytes that the caller keeps and
// answer corrupt for whatever does not add up: they neither throw nor read past the end. Layouts
// are drawn beside each type and in docs/spool_format.md. Value types; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "sidecar/spool/format.h"

namespace pannier::spool {

using Milliseconds = std::int64_t;  // since the epoch, by the wall clock; 0: none
using BodyId = std::uint64_t;       // names a body that is journaled in parts; 0: none

// Whether and how a message stands in one queue. One of these per queue that the message goes to.
struct Target {
  QueueId queue = 0;
  Sequence sequence = 0;
  Priority priority = 0;
  std::uint16_t delivery_count = 0;
  bool redelivered = false;
  bool transient = false;  // belongs to a Memory queue: recovery drops it
  Milliseconds due = 0;    // not to be delivered before
  Milliseconds expiry = 0;
  std::uint64_t group = 0;           // hash of the group key
  std::uint16_t acquired_count = 0;  // times handed out, also those that delivery_count leaves out
  std::uint8_t reason = 0;  // why it came back last, a code of the queue room; 0: it never did
};

// published i64 | body size u64 | body id u64 | parts u32 | head size u32 | entries u16 | zero u16
// | attributes u32 | entries | attributes                    = the record's meta
// entry := queue u32 | sequence u64 | priority u8 | flags u8 | delivery count u16
//          [due i64] [expiry i64] [group u64] [acquired count u16 | reason u8 | zero u8]
//                                                              as the flags say
// published is when this spool's queues took the message; it stays when compaction copies it. The
// record's content is the head (opaque to the spool) and, unless it has parts, the body.
struct MessageMeta {
  static constexpr std::size_t kFixedSize = 40;
  static constexpr std::size_t kEntrySizeMax = 44;

  Milliseconds published = 0;
  std::uint64_t body_size = 0;
  BodyId body_id = 0;
  std::uint32_t parts = 0;
  std::uint32_t head_size = 0;
  std::vector<Target> targets;
  Bytes attributes;  // tag u8 | size u16 | bytes, repeated; see AttributeTag

  void encode(Bytes& out) const;
  static Result<MessageMeta> decode(ByteView meta);
};

// What travels with a message besides its head; unknown tags are kept. The origin names its queue
// by number: a queue that is made anew under the same name counts its sequences from 1 again.
enum class AttributeTag : std::uint8_t {
  deduplication_id = 1,
  origin = 2,         // spool id 16 | queue u32 | sequence u64
  trace_context = 3,  // W3C traceparent, a zero byte, tracestate
  hops = 4,           // u8
  group_key = 5,
  producer = 6,  // sequence u64 | producer's name
};

// body id u64 | index u32 | zero u32    = the meta; the content is the part's bytes
struct PartMeta {
  static constexpr std::size_t kSize = 16;
  BodyId body_id = 0;
  std::uint32_t index = 0;

  void encode(Bytes& out) const;
  static Result<PartMeta> decode(ByteView meta);
};

// A delivery that came back: what the entry's record no longer says.
struct Change {
  Ordinal ordinal = 0;
  std::uint16_t delivery_count = 0;
  std::uint16_t acquired_count = 0;
  bool redelivered = false;
  std::uint8_t reason = 0;
  Milliseconds due = 0;
  bool operator==(const Change&) const = default;
};

struct OrdinalRange {
  Ordinal first = 0;
  Ordinal last = 0;
  bool operator==(const OrdinalRange&) const = default;
};

// segment u64 | ranges u32 | changes u32 | (first u16 | last u16)... | change...   once per segment
// change := ordinal u16 | delivery count u16 | flags u8 | reason u8 | acquired count u16 | due i64
struct SettleTarget {
  SegmentNumber segment = 0;
  std::vector<OrdinalRange> settled;
  std::vector<Change> changed;
};
void encode_settles(std::span<const SettleTarget> targets, Bytes& out);
Result<std::vector<SettleTarget>> decode_settles(ByteView payload);

// Ordinals in any order to the fewest ranges.
std::vector<OrdinalRange> ranges_of(std::vector<Ordinal> ordinals);

// What a state record's key belongs to. The spool keeps kinds below 64 for itself; the queue room
// defines the rest (sidecar/queue/registry.h). A kind is never given another meaning.
enum class StateKind : std::uint8_t {
  segments = 1,      // the numbers of all live segments; key empty
  snapshot = 2,      // what is settled and changed in one segment; key: number u64
  counters = 3,      // next queue id; key empty
  horizon = 4,       // delivery horizon; key: queue u32 | priority u8
  purge = 5,         // key: queue u32
  run_state = 6,     // running or stopped cleanly; key empty
  queue = 7,         // a queue exists; value: what the queue room keeps about it; key: queue u32
  sequence = 8,      // the last sequence of a queue whose messages are gone; key: queue u32
  first_above = 64,  // the queue room's
};

// kind u8 | flags u8 | key size u16 | value size u32 | key | value
struct StateItem {
  static constexpr std::uint8_t kErased = 1;
  StateKind kind{};
  bool erased = false;
  Bytes key;
  Bytes value;

  void encode(Bytes& out) const;
  std::size_t encoded_size() const { return 8 + key.size() + value.size(); }
  // Takes one item off the reader; several may follow each other.
  static Result<StateItem> decode(ByteReader& in);
};

}  // namespace pannier::spool
