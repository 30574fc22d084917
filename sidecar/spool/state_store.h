// StateStore: the small durable facts of a spool, by kind and key, each with the segment that holds
// its latest record, so that a segment is given up only after what it alone says was written again.
//
// Owned by Spool; loop thread. In memory whole: its users bound what they put in.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "sidecar/spool/payload.h"

namespace pannier::spool {

class StateStore {
 public:
  struct Held {
    Bytes value;
    SegmentNumber segment = 0;
    bool erased = false;
  };

  // The item's record is in `segment`, later than any other of its key.
  void note(const StateItem& item, SegmentNumber segment);

  const Bytes* find(StateKind kind, ByteView key) const;
  void for_each(StateKind kind, const std::function<void(ByteView key, ByteView value)>&) const;

  std::optional<SegmentNumber> segment_of(StateKind kind, ByteView key) const;
  // The segments whose latest snapshot lies in `segment`.
  std::vector<SegmentNumber> snapshots_in(SegmentNumber segment) const;
  // Without a tombstone: for items that mean nothing any more.
  void erase_item(StateKind kind, ByteView key);

  // What must be written again before `segment` goes. Tombstones too, unless no older segment is
  // left that could hold what they erase.
  std::vector<StateItem> held_by(SegmentNumber segment, bool is_oldest) const;
  // Forgets the tombstones of a segment that went as the oldest.
  void forget_erased(SegmentNumber segment);

  std::size_t size() const { return items_.size(); }

 private:
  std::map<std::pair<StateKind, Bytes>, Held> items_;
};

}  // namespace pannier::spool
