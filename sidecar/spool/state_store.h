// StateStore: the small durable facts of a spool, by kind and key, each with the segment that holds
// its latest record, so that a segment is given up only after what it alone says was written again.
//
// An erased item leaves a tombstone for as long as a segment may hold the item, or, of a queue,
// messages of it.
//
// Owned by Spool; loop thread. In memory whole: its users bound what they put in.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/spool/payload.h"

namespace pannier::spool {

class StateStore {
 public:
  struct Held {
    Bytes value;
    SegmentNumber segment = 0;
    SegmentNumber first = 0;  // no older segment says anything of it
    bool erased = false;
  };
  // Is a segment left from the first one up to, and without, the second?
  using AnyIn = std::function<bool(SegmentNumber, SegmentNumber)>;

  // The item's record is in `segment`, later than any other of its key.
  void note(const StateItem& item, SegmentNumber segment);
  // After recovery: what is kept about queues that are gone is forgotten, and nobody knows any more
  // how far back the messages of a queue reach.
  void end_recovery();
  // A queue was dropped: what is kept beside its tombstone means nothing any more, and neither does
  // that if the queue has come and gone, without a message, in the one segment.
  void forget_queue(ByteView key, bool had_messages);

  const Bytes* find(StateKind kind, ByteView key) const;
  void for_each(StateKind kind, const std::function<void(ByteView key, ByteView value)>&) const;

  std::optional<SegmentNumber> segment_of(StateKind kind, ByteView key) const;
  // The segments whose latest snapshot lies in `segment`.
  std::vector<SegmentNumber> snapshots_in(SegmentNumber segment) const;
  // Without a tombstone: for items that mean nothing any more.
  void erase_item(StateKind kind, ByteView key);

  // What must be written again before `segment` goes.
  std::vector<StateItem> held_by(SegmentNumber segment, const AnyIn& any_in) const;
  // The segment is gone, and with it the tombstones that were not written again.
  void forget_erased(SegmentNumber segment);

  std::size_t size() const { return items_.size(); }
  // Of records, in all segments and in one.
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t bytes_in(SegmentNumber segment) const;

 private:
  using Items = std::map<std::pair<StateKind, std::string>, Held>;
  Items::iterator erase(Items::iterator at);
  void count(const Items::value_type& item, bool comes);

  Items items_;
  std::uint64_t bytes_ = 0;
  std::map<SegmentNumber, std::uint64_t> bytes_in_;
};

}  // namespace pannier::spool
