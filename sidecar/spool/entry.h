// Entry: one message in one queue, as the index knows it; enough to deliver, read and settle it.
//
// A value that queues keep while a message is in their hands. It stays good when compaction moves
// the record: the spool finds the new place from the old one for as long as entries of the old
// segment are outstanding. Loop thread.
#pragma once

#include <cstdint>

#include "sidecar/spool/payload.h"

namespace pannier::spool {

struct Entry {
  SegmentNumber segment = 0;
  Sequence sequence = 0;
  Milliseconds published = 0;
  Milliseconds due = 0;
  Milliseconds expiry = 0;
  std::uint64_t group = 0;
  QueueId queue = 0;
  Offset offset = 0;
  std::uint32_t record_bytes = 0;  // the record on disk, header and padding included
  std::uint32_t share_bytes = 0;  // this entry's part of them: a fan-out's entries share one record
  std::uint32_t message_bytes = 0;  // head and body before compression: what a queue's limit counts
  Ordinal ordinal = 0;
  std::uint16_t delivery_count = 0;
  std::uint16_t acquired_count = 0;
  std::uint8_t reason = 0;
  Priority priority = 0;
  bool redelivered = false;
  bool transient = false;

  Position position() const { return {segment, offset}; }
};

// The messages of one queue and one priority: what is first in, first out.
struct Lane {
  QueueId queue = 0;
  Priority priority = 0;
  auto operator<=>(const Lane&) const = default;
};

// The entry of one target of a message that stands at `offset` in `segment`.
inline Entry entry_of(const Target& target, const MessageMeta& message, SegmentNumber segment,
                      Offset offset, std::uint32_t record_bytes, Ordinal ordinal) {
  const auto targets = static_cast<std::uint32_t>(message.targets.size());
  Entry entry;
  entry.segment = segment;
  entry.sequence = target.sequence;
  entry.published = message.published;
  entry.due = target.due;
  entry.expiry = target.expiry;
  entry.group = target.group;
  entry.queue = target.queue;
  entry.offset = offset;
  entry.record_bytes = record_bytes;
  entry.share_bytes = (record_bytes + targets - 1) / targets;
  entry.message_bytes = static_cast<std::uint32_t>(message.head_size + message.body_size);
  entry.ordinal = ordinal;
  entry.delivery_count = target.delivery_count;
  entry.acquired_count = target.acquired_count;
  entry.reason = target.reason;
  entry.priority = target.priority;
  entry.redelivered = target.redelivered;
  entry.transient = target.transient;
  return entry;
}

// How the entry stands, for a settle record, and the other way round.
inline Change change_of(const Entry& entry) {
  return {entry.ordinal,     entry.delivery_count, entry.acquired_count,
          entry.redelivered, entry.reason,         entry.due};
}
inline void apply_change(const Change& change, Entry& entry) {
  entry.delivery_count = change.delivery_count;
  entry.acquired_count = change.acquired_count;
  entry.redelivered = change.redelivered;
  entry.reason = change.reason;
  entry.due = change.due;
}

inline Lane lane_of(const Entry& entry) { return {entry.queue, entry.priority}; }

}  // namespace pannier::spool
