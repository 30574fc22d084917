// Moves: where compaction has put the entries that queues still hold by their old place.
//
// A segment's moves are kept for as long as entries of it are in the hands of queues. A place that
// is moved again is changed where it is named, so that one step always leads to the end. Owned by
// Spool; loop thread.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "sidecar/spool/entry.h"

namespace pannier::spool {

class Moves {
 public:
  struct Place {
    SegmentNumber segment = 0;
    Offset offset = 0;
    std::uint32_t record_bytes = 0;
    std::uint32_t share_bytes = 0;
    Ordinal ordinal = 0;
  };

  // `is_held`: entries of that segment are in somebody's hands, by this place perhaps.
  void note(SegmentNumber from, Ordinal ordinal, const Place& to, bool is_held);
  // The entry with its place of now.
  Entry resolved(Entry entry) const;

  // The segment is gone; that many of its entries are still held.
  void segment_left(SegmentNumber segment, std::uint32_t outstanding);
  // One held entry of a segment that is gone was given back.
  void given_back(SegmentNumber segment);

  std::size_t size() const { return by_segment_.size(); }

 private:
  using Source = std::pair<SegmentNumber, Ordinal>;
  void forget(SegmentNumber segment);

  std::unordered_map<SegmentNumber, std::unordered_map<Ordinal, Place>> by_segment_;
  std::map<Source, std::vector<Source>> sources_;                 // of a place that was moved to
  std::unordered_map<SegmentNumber, std::uint32_t> outstanding_;  // of segments that are gone
};

}  // namespace pannier::spool
