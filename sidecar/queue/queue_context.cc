#include "sidecar/queue/queue_context.h"

#include <algorithm>

#include "common/log.h"
#include "common/random.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {

QueueContext::QueueContext(spool::Spool& with_spool, const Clock& with_clock, Executor& on_loop,
                           const QueueLimits& with_limits)
    : spool(with_spool),
      clock(with_clock),
      loop(on_loop),
      limits(with_limits),
      started_ms(with_clock.now_ms()),
      alive(std::make_shared<QueueContext*>(this)),
      last_delivery_(Random().next()) {}

QueueContext::~QueueContext() { *alive = nullptr; }

std::uint64_t QueueContext::window_share() const {
  const std::uint64_t share = limits.window_entries / std::max<std::size_t>(queues, 1);
  return std::clamp(share, limits.window_entries_min, limits.window_entries_max);
}

bool QueueContext::may_read(std::uint64_t bytes, const std::weak_ptr<Queue>& queue) {
  if (reading_bytes > 0 && reading_bytes + bytes > limits.reading_bytes) {
    readers_.push_back(queue);
    return false;
  }
  reading_bytes += bytes;
  return true;
}

void QueueContext::end_read(std::uint64_t bytes) {
  reading_bytes -= bytes;
  // Whoever still finds no room goes to the end of the line: once around is enough.
  for (std::size_t left = readers_.size(); left > 0 && reading_bytes < limits.reading_bytes;
       --left) {
    const auto next = readers_.front().lock();
    readers_.pop_front();
    if (next) next->on_read_room();
  }
}

void QueueContext::note_change(const spool::Entry& entry) {
  changes_[{entry.queue, entry.sequence}] = entry;
  if (changes_.size() == kChangesPerGroup) journal_changes();
}

void QueueContext::forget_changes(QueueId queue) {
  changes_.erase(changes_.lower_bound({queue, 0}), changes_.lower_bound({queue + 1, 0}));
}

void QueueContext::journal_changes() {
  std::size_t most = kChangesPerGroup;
  while (!changes_.empty()) {
    spool::Group group;
    auto last = changes_.begin();
    for (std::size_t count = 0; last != changes_.end() && count < most; ++last, ++count) {
      const spool::Entry& entry = last->second;
      group.change(entry, entry.delivery_count, entry.redelivered, entry.due);
    }
    const auto commit = spool.append(group);
    if (!commit && commit.error().code == Errc::too_large && most > 1) {
      most /= 2;
      continue;
    }
    if (!commit && commit.error().code != Errc::too_large) return;  // there will be room again
    if (!commit)
      log::error("that a message came back cannot be journaled",
                 {{"queue_id", changes_.begin()->first.first}, {"error", commit.error().detail}});
    changes_.erase(changes_.begin(), last);
  }
}

}  // namespace pannier::queue
