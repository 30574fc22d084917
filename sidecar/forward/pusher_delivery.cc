#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/pusher.h"

namespace pannier::forward {

bool Pusher::has_credit(const Pushed& pushed) const {
  if (!pushed.current || pushed.must_choose) return false;
  const auto link = links_.find(pushed.target);
  return link != links_.end() && link->second->may_put(*pushed.current);
}

// The queue is delivering: nothing here may call it.
void Pusher::deliver(Pushed& pushed, queue::Delivery delivery) {
  new_.emplace_back(pushed.queue, delivery.receipt);
  links_.at(pushed.target)->put(*pushed.current, std::move(delivery));
}

// The receiver may have them: that they are not settled in time must not give them to others.
void Pusher::hold_new() {
  for (const auto& [queue, receipt] : std::exchange(new_, {}))
    static_cast<void>(queue->extend(receipt, queue::kTimeoutMax));
}

void Pusher::on_taken(const PushQueuePtr& push, const queue::Delivery& delivery) {
  if (push->queue->ack(delivery.receipt)) {
    push->settling.insert(delivery.sequence);
    taken_.emplace_back(push, delivery.sequence);
  } else if (!push->queue->is_gone()) {
    log::warn("a message that was pushed is no longer ours",
              {{"queue", push->name}, {"sequence", delivery.sequence}});
  }
  if (Pushed* pushed = find(*push)) {
    if (pushed->current == push) pushed->passed_over.erase(pushed->target);
    note(*pushed, false);
  }
}

void Pusher::on_refused(const PushQueuePtr& push, const queue::Delivery& delivery,
                        const std::string& why) {
  static_cast<void>(push->queue->give_back(delivery.receipt, {.counts = false}));
  Pushed* pushed = find(*push);
  if (pushed == nullptr || pushed->current != push) return;
  log::info("a queue is full for now where it is pushed to",
            {{"queue", push->name}, {"peer", pushed->target}, {"why", why}});
  pass_over(*pushed, pushed->target);
}

// As a queue does that cannot read one: what the disk may still yield is tried again, later.
void Pusher::on_unreadable(const PushQueuePtr& push, const queue::Delivery& delivery,
                           const Error& why) {
  log::error("a message cannot be read to be pushed",
             {{"queue", push->name}, {"sequence", delivery.sequence}, {"error", why.detail}});
  if (why.code == Errc::io_error)
    static_cast<void>(push->queue->give_back(delivery.receipt, {.counts = false}));
  else
    static_cast<void>(push->queue->discard(delivery.receipt));
  Pushed* pushed = find(*push);
  if (pushed != nullptr && pushed->current == push) pass_over(*pushed, pushed->target);
}

void Pusher::on_push_ended(const PushQueuePtr& push) {
  Pushed* pushed = find(*push);
  if (pushed != nullptr && pushed->current == push) pass_over(*pushed, pushed->target);
}

void Pusher::on_push_room(PushLink& link) {
  for (const auto& [name, push] : link.queues())
    if (Pushed* pushed = find(*push); pushed != nullptr && pushed->current == push)
      note(*pushed, false);
}

void Pusher::on_unreachable(PushLink& link) {
  for (const auto& [name, push] : link.queues())
    if (Pushed* pushed = find(*push); pushed != nullptr && pushed->current == push)
      pass_over(*pushed, pushed->target);
}

// Counting what is settled but not durably: after a crash it would come again. The link that it
// went over may be gone.
queue::Sequence Pusher::floor_of(const PushQueue& push) {
  queue::Sequence floor = push.queue->lowest();
  const auto count = [&](const auto& taken) {
    for (const auto& [from, sequence] : taken)
      if (from->queue == push.queue) floor = std::min(floor, sequence);
  };
  count(taken_);
  for (const Settling& each : settling_) count(each.taken);
  return floor;
}

void Pusher::flush_settles() {
  if (taken_.empty()) return;
  registry_.context().journal_changes();
  const auto commit = registry_.spool().flush_settles();
  if (!commit) return;  // no room for all of them: with a later turn
  settling_.push_back({*commit, std::exchange(taken_, {})});
}

void Pusher::on_synced(queue::Commit) {
  flush_settles();
  const queue::Commit synced = registry_.spool().synced_commit();
  while (!settling_.empty() && settling_.front().commit <= synced) {
    for (const auto& [push, sequence] : settling_.front().taken) {
      push->settling.erase(sequence);
      push->to_forget.push_back(sequence);
      for (const auto& [pod, link] : links_)
        if (link->find(push->name) == push) link->note_forgettable(*push);
    }
    settling_.pop_front();
  }
}

// Uncounted, and flagged: somebody may have it.
void Pusher::give_back(PushQueue& push) {
  for (const queue::Delivery& delivery : push.take_all())
    static_cast<void>(push.queue->give_back(delivery.receipt, {.counts = false}));
}

}  // namespace pannier::forward
