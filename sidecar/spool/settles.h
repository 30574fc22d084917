// Settles: what one settle record is to say, collected by segment.
//
// A value for as long as a group is put together; loop thread.
#pragma once

#include <map>
#include <vector>

#include "sidecar/spool/entry.h"

namespace pannier::spool {

class Settles {
 public:
  void settle(const Entry& entry) { by_segment_[entry.segment].ordinals.push_back(entry.ordinal); }
  void settle(SegmentNumber segment, std::vector<Ordinal> ordinals) {
    by_segment_[segment].ordinals = std::move(ordinals);
  }
  void change(const Entry& entry) {
    by_segment_[entry.segment].changes.push_back(change_of(entry));
  }
  bool empty() const { return by_segment_.empty(); }

  std::vector<SettleTarget> targets() {
    std::vector<SettleTarget> targets;
    for (auto& [segment, of] : by_segment_)
      targets.push_back({segment, ranges_of(std::move(of.ordinals)), std::move(of.changes)});
    return targets;
  }

 private:
  struct Of {
    std::vector<Ordinal> ordinals;
    std::vector<Change> changes;
  };
  std::map<SegmentNumber, Of> by_segment_;
};

}  // namespace pannier::spool
