// WorkQueue: keys that need work, each of them once.
//
// Four promises: in the order in which they came; never the same key on two workers; a key that is
// added while it is being worked on comes again afterwards; after stop() nobody gets any more. A
// key that fails comes back after a delay that doubles (5 ms to `backoff_max`), until forget().
// Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "common/clock.h"
#include "operator/kube/object.h"

namespace pannier::kube {

struct WorkQueueLimits {
  std::chrono::milliseconds backoff_min{5};
  std::chrono::milliseconds backoff_max = std::chrono::seconds{1'000};
};

class WorkQueue {
 public:
  explicit WorkQueue(const Clock& clock = system_clock(), WorkQueueLimits limits = {});

  void add(const Key& key);
  // The earliest of several times counts.
  void add_after(const Key& key, std::chrono::milliseconds delay);
  void add_after_failure(const Key& key);
  void forget(const Key& key);  // it has succeeded: its next failure is its first

  // The next key that is due, or none. Whoever got one says done() when it has worked on it.
  std::optional<Key> try_take();
  // Waits for one; none once stopped. Real time: not for a fake clock.
  std::optional<Key> take();
  void done(const Key& key);
  void stop();

  std::size_t size() const;  // waiting, those that are not due yet left out

 private:
  std::optional<Key> take_locked();
  void add_locked(const Key& key);

  const Clock& clock_;
  const WorkQueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Key> waiting_;
  std::set<Key> dirty_;  // waiting, or to wait again once it is done
  std::set<Key> working_;
  std::map<Key, Clock::time_point> later_;
  std::map<Key, unsigned> failures_;
  bool is_stopped_ = false;
};

}  // namespace pannier::kube
