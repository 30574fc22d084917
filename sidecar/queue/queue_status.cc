#include "sidecar/queue/queue.h"

namespace pannier::queue {

// A dead letter that is not buried yet still counts as ready.
QueueStatus Queue::status() const {
  QueueStatus status;
  status.ready = ready_ + dying_.size();
  status.unacked = unacked_.size() - remote_unacked_;
  status.delayed = delayed_count_;
  status.bytes = ready_bytes_ + unacked_bytes_ - remote_unacked_bytes_;
  for (const auto& [sequence, dying] : dying_) status.bytes += dying.item.entry.message_bytes;
  status.consumers = consumers_.size();
  status.counters = counters_;
  for (const ReadyLane& lane : lanes_) {
    const Item* head = const_cast<ReadyLane&>(lane).head();
    if (head == nullptr) continue;
    const Milliseconds of = head->message ? head->message->published : head->entry.published;
    status.oldest = std::min(status.oldest.value_or(of), of);
  }
  return status;
}

namespace {

std::string check_lane(const ReadyLane& lane) {
  Sequence last = 0;
  for (const Item& item : lane.window) {
    if (item.entry.sequence <= last) return "a window is out of order";
    if (lane.returned.contains(item.entry.sequence)) return "a message is in a window twice";
    if (item.entry.priority != lane.priority()) return "a message is in another priority's window";
    last = item.entry.sequence;
  }
  return last > lane.window_end ? "a window's end is within it" : "";
}

}  // namespace

std::string Queue::check() const {
  std::uint64_t held = parked_count_;
  std::uint64_t bytes = 0;
  for (const ReadyLane& lane : lanes_) {
    if (std::string wrong = check_lane(lane); !wrong.empty()) return wrong;
    held += lane.held();
  }
  std::string twice;
  const_cast<Queue*>(this)->for_each_item([&](const Item& item) {
    if (unacked_.contains(item.entry.sequence)) twice = "a message is unacked and elsewhere too";
    if (!dying_.contains(item.entry.sequence)) bytes += item.entry.message_bytes;
  });
  if (!twice.empty()) return twice;
  std::uint64_t unacked_bytes = 0;
  std::uint64_t remote = 0, remote_bytes = 0;
  std::size_t timed = 0;
  for (const auto& [sequence, unacked] : unacked_) {
    unacked_bytes += unacked.entry.message_bytes;
    remote += unacked.origin ? 1 : 0;
    remote_bytes += unacked.origin ? unacked.entry.message_bytes : 0;
    timed += unacked.deadline ? 1 : 0;
  }
  const bool more = has_more_on_disk();
  if (more ? ready_ < held : ready_ != held) return "ready does not add up";
  const bool is_all = !more && !delayed_.is_partial();
  if (is_all ? ready_bytes_ != bytes : ready_bytes_ < bytes) return "bytes do not add up";
  if (!delayed_.is_partial() && delayed_.size() != delayed_count_)
    return "what waits for its time does not add up";
  if (remote != remote_unacked_ || remote_bytes != remote_unacked_bytes_)
    return "messages of others do not add up";
  if (unacked_bytes != unacked_bytes_) return "unacked bytes do not add up";
  if (timed != deadlines_.size()) return "deadlines do not add up";
  return {};
}

}  // namespace pannier::queue
