#include "operator/kube/work_queue.h"

#include <algorithm>
#include <vector>

namespace pannier::kube {

WorkQueue::WorkQueue(const Clock& clock, WorkQueueLimits limits) : clock_(clock), limits_(limits) {}

void WorkQueue::add(const Key& key) {
  const std::lock_guard lock(mutex_);
  add_locked(key);
}

// Who waits already waits once; who is being worked on waits until that is done.
void WorkQueue::add_locked(const Key& key) {
  if (is_stopped_ || !dirty_.insert(key).second || working_.contains(key)) return;
  waiting_.push_back(key);
  changed_.notify_one();
}

// A run before that time does not count for it: whoever asked knows why it must be looked at then.
void WorkQueue::add_after(const Key& key, std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  if (is_stopped_) return;
  if (delay <= std::chrono::milliseconds::zero()) return add_locked(key);
  const auto due = clock_.now() + delay;
  const auto [held, is_new] = later_.emplace(key, due);
  if (!is_new) held->second = std::min(held->second, due);
  changed_.notify_one();  // somebody may be waiting for a later one
}

void WorkQueue::add_after_failure(const Key& key) {
  std::chrono::milliseconds delay = limits_.backoff_min;
  {
    const std::lock_guard lock(mutex_);
    const unsigned before = failures_[key]++;
    for (unsigned i = 0; i < before && delay < limits_.backoff_max; ++i) delay *= 2;
  }
  add_after(key, std::min(delay, limits_.backoff_max));
}

void WorkQueue::forget(const Key& key) {
  const std::lock_guard lock(mutex_);
  failures_.erase(key);
}

std::optional<Key> WorkQueue::take_locked() {
  if (is_stopped_) return std::nullopt;
  std::vector<std::pair<Clock::time_point, Key>> due;
  const auto now = clock_.now();
  for (const auto& [key, at] : later_)
    if (at <= now) due.emplace_back(at, key);
  std::sort(due.begin(), due.end());
  for (const auto& [at, key] : due) {
    later_.erase(key);
    add_locked(key);
  }
  if (waiting_.empty()) return std::nullopt;
  Key key = std::move(waiting_.front());
  waiting_.pop_front();
  dirty_.erase(key);
  working_.insert(key);
  return key;
}

std::optional<Key> WorkQueue::try_take() {
  const std::lock_guard lock(mutex_);
  return take_locked();
}

std::optional<Key> WorkQueue::take() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    if (auto key = take_locked()) return key;
    if (later_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first =
        std::min_element(later_.begin(), later_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    changed_.wait_for(lock, first->second - clock_.now());
  }
  return std::nullopt;
}

void WorkQueue::done(const Key& key) {
  const std::lock_guard lock(mutex_);
  working_.erase(key);
  if (is_stopped_ || !dirty_.contains(key)) return;
  waiting_.push_back(key);
  changed_.notify_one();
}

void WorkQueue::stop() {
  const std::lock_guard lock(mutex_);
  is_stopped_ = true;
  changed_.notify_all();
}

std::size_t WorkQueue::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace pannier::kube
