// ConfirmTimes: how long publishes wait for their confirms, turn by turn: what a turn has published
// is synced together, so that one note a turn is enough.
//
// Owned by Agent; loop thread. As many notes as turns wait for the disk, which the spool limits.
#pragma once

#include <deque>

#include "common/clock.h"
#include "common/metric_values.h"
#include "sidecar/spool/committer.h"

namespace pannier {

class ConfirmTimes {
 public:
  explicit ConfirmTimes(Histogram& times) : times_(times) {}

  // So many publishes have been journaled in this run until now; all are synced with `commit`.
  void on_turn_end(spool::Commit commit, std::uint64_t journaled, Clock::time_point now) {
    if (journaled == journaled_) return;
    waiting_.push_back({commit, journaled - journaled_, now});
    journaled_ = journaled;
  }
  void on_synced(spool::Commit commit, Clock::time_point now) {
    for (; !waiting_.empty() && waiting_.front().commit <= commit; waiting_.pop_front()) {
      times_.observe(now - waiting_.front().since, waiting_.front().publishes);
      confirmed_ += waiting_.front().publishes;
    }
  }
  std::uint64_t confirmed() const { return confirmed_; }

 private:
  struct Waiting {
    spool::Commit commit;
    std::uint64_t publishes;
    Clock::time_point since;
  };

  Histogram& times_;
  std::deque<Waiting> waiting_;
  std::uint64_t journaled_ = 0;
  std::uint64_t confirmed_ = 0;
};

}  // namespace pannier
