// Groups: of messages with the same key one is out at a time, in their order; other keys go on
// meanwhile.
#include "sidecar/queue/queue.h"

namespace pannier::queue {

// The lane's head belongs to a group of which one is out, or that has others before it: it is put
// aside. False: there are too many aside already; whoever wants more waits.
bool Queue::pass_over_group(ReadyLane& lane) {
  if (parked_count_ >= context_.window_share()) return false;
  Item item = lane.take_head();
  if (is_in_spool(item.entry)) drop_copy(item);
  item.loading = false;
  parked_[item.entry.group].emplace(item.entry.sequence, std::move(item));
  ++parked_count_;
  return true;
}

void Queue::lock_group(const spool::Entry& entry) {
  if (entry.group != 0) locked_[entry.group] = entry.sequence;
}

// The next of its group may go, behind the one itself if that has come back.
void Queue::unlock_group(const spool::Entry& entry) {
  const auto locked = locked_.find(entry.group);
  if (locked == locked_.end() || locked->second != entry.sequence) return;
  locked_.erase(locked);
  const auto parked = parked_.find(entry.group);
  if (parked == parked_.end()) return;
  auto first = parked->second.extract(parked->second.begin());
  if (parked->second.empty()) parked_.erase(parked);
  --parked_count_;
  const spool::Priority priority = first.mapped().entry.priority;
  lane_for(priority).returned.insert(std::move(first));
  wake_at_turn_end();
}

// Groups do not matter any more: what was put aside takes its place.
void Queue::forget_groups() {
  for (auto& [group, items] : parked_)
    for (auto& [sequence, item] : items) {
      const spool::Priority priority = item.entry.priority;
      lane_for(priority).returned.emplace(sequence, std::move(item));
    }
  parked_.clear();
  parked_count_ = 0;
  locked_.clear();
}

}  // namespace pannier::queue
