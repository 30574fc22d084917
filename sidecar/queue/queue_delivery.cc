#include <algorithm>
#include <cassert>

#include "sidecar/queue/queue.h"

namespace pannier::queue {

void Queue::add_consumer(Consumer& consumer) {
  if (gone_) return;
  consumers_.add(consumer);
  pump();
}

void Queue::remove_consumer(Consumer& consumer) {
  if (!consumers_.remove(consumer)) return;
  if (settings_.single_active_consumer) wake_at_turn_end();  // it is another one's turn now
  note_use();
  note_demand();
}

bool Queue::has_exclusive_consumer() const {
  return consumers_.any_of([](const Consumer& consumer) { return consumer.exclusive; });
}

ReadyLane& Queue::lane_for(spool::Priority priority) {
  const auto at = std::find_if(lanes_.begin(), lanes_.end(),
                               [&](const ReadyLane& lane) { return lane.priority() <= priority; });
  if (at != lanes_.end() && at->priority() == priority) return *at;
  return *lanes_.insert(at, ReadyLane(priority));
}

// Where the next message is: of a lower priority only if there is none of a higher one, in the
// spool neither.
ReadyLane* Queue::first_lane() {
  for (ReadyLane& lane : lanes_)
    if (!lane.is_empty() || lane.more_on_disk) return &lane;
  return nullptr;
}

Item* Queue::head() {
  ReadyLane* lane = first_lane();
  return lane == nullptr ? nullptr : lane->head();
}

Item Queue::take_head() {
  Item item = first_lane()->take_head();
  note_taken(item);
  return item;
}

void Queue::note_taken(const Item& item) {
  --ready_;
  ready_bytes_ -= item.entry.message_bytes;
}

// Local consumers come before links; among equals they take turns.
Consumer* Queue::next_consumer() {
  const auto may = [paused = settings_.paused](const Consumer& consumer) {
    return (!paused || consumer.takes_held_back()) && consumer.has_credit();
  };
  return consumers_.next(may, settings_.single_active_consumer);
}

void Queue::pump() {
  if (pumping_ || gone_) return;
  struct Pumping {
    explicit Pumping(bool& with_flag) : flag(with_flag) { flag = true; }
    ~Pumping() { flag = false; }
    bool& flag;
  };
  const auto self = shared_from_this();
  {
    const Pumping pumping(pumping_);
    if (!delayed_.empty()) promote(context_.clock.now_ms());
    while (!gone_ && deliver_one()) {}
  }
  if (gone_) return;
  drop_unaffordable();
  fetch_more();
  fetch_times();
  if (settings_.message_ttl || !delayed_.empty() || !expiring_.empty()) show_deadline();
  note_demand();
  note_ready();
}

bool Queue::deliver_one() {
  if (settings_.paused)
    answer_getters_empty();
  else if (ready_ == parked_count_)  // all of them wait for others of their groups
    answer_local_getters();
  const bool may_go = !settings_.paused || consumers_.any_of([](const Consumer& consumer) {
    return consumer.takes_held_back();
  });
  if (ready_ == 0 || !may_go) return false;
  Item* item = head();
  if (item == nullptr) return false;  // being paged in
  const bool for_getter = !getters_.empty();
  if (!for_getter && consumers_.empty()) return false;
  const bool may_expire = settings_.message_ttl || item->entry.expiry != 0;
  if (may_expire && item->entry.sequence != fresh_ &&
      is_expired(item->entry, context_.clock.now_ms()))
    return expire_head();
  if (settings_.keeps_groups && item->entry.group != 0) {
    const auto locked = locked_.find(item->entry.group);
    const auto parked = parked_.find(item->entry.group);
    const bool is_out = locked != locked_.end() && locked->second != item->entry.sequence;
    const bool is_behind =
        parked != parked_.end() && parked->second.begin()->first < item->entry.sequence;
    if (is_out || is_behind) {
      if (pass_over_group(*first_lane())) return true;
      answer_local_getters();
      return false;
    }
  }
  if (!context_.spool.may_deliver({id_, item->entry.priority}, item->entry.sequence)) {
    stall();
    return false;
  }
  Consumer* consumer = for_getter ? nullptr : next_consumer();
  if (!for_getter && consumer == nullptr) return false;
  if (!item->message) {
    read_ahead();
    return false;
  }
  hand_out(take_head(), consumer);
  return true;
}

// What was not due before we started has never been delivered.
bool Queue::is_suspect(const spool::Entry& entry) const {
  if (entry.due > context_.started_ms) return false;
  const auto lane = std::ranges::find(lanes_, entry.priority, &ReadyLane::priority);
  return lane != lanes_.end() && entry.sequence <= lane->suspect;
}

void Queue::note_unacked(Item& item, std::uint64_t delivery) {
  const Sequence sequence = item.entry.sequence;
  Unacked unacked{item.entry, {}, delivery, {}, false, {}, 0, false};
  if (is_in_spool(item.entry))
    drop_copy(item);
  else
    unacked.message = std::move(item.message);  // still counted
  unacked_bytes_ += item.entry.message_bytes;
  if (settings_.keeps_groups) lock_group(item.entry);
  const auto [at, is_new] = unacked_.emplace(sequence, std::move(unacked));
  assert(is_new);
  set_deadline(sequence, at->second, ack_deadline());
}

std::optional<Clock::time_point> Queue::ack_deadline() const {
  if (settings_.ack_timeout.count() <= 0) return {};
  return context_.clock.now() +
         std::min<std::chrono::milliseconds>(settings_.ack_timeout, kTimeoutMax);
}

void Queue::hand_out(Item item, Consumer* consumer) {
  Delivery delivery;
  delivery.sequence = item.entry.sequence;
  delivery.receipt = {item.entry.sequence, context_.next_delivery()};
  delivery.message = item.message;
  delivery.delivery_count = item.entry.delivery_count;
  delivery.redelivered = item.entry.redelivered || is_suspect(item.entry);
  delivery.due = item.entry.due;
  delivery.expiry = item.entry.expiry;
  ++counters_.delivered;
  if (delivery.redelivered) ++counters_.redelivered;

  Getter getter;
  if (consumer == nullptr) {
    getter = std::move(getters_.front());
    getters_.pop_front();
  }
  const bool no_ack = consumer == nullptr ? getter.no_ack : consumer->no_ack;
  delivery.settled = no_ack && delivery.message->parts == 0;
  if (delivery.settled) {
    drop_copy(item);
    settle(item.entry);
  } else {
    note_unacked(item, delivery.receipt.delivery);
  }
  if (consumer != nullptr)
    consumer->deliver(*this, std::move(delivery));
  else
    getter.done(std::move(delivery));
}

void Queue::get(bool no_ack, OnGot done) {
  note_use();
  if (gone_ || settings_.paused || ready_ == 0) {
    if (!wait_for_remote(no_ack, done)) done({});
    return;
  }
  getters_.push_back({no_ack, std::move(done), {}});
  pump();
}

void Queue::answer_getters_empty() {
  get_until_.reset();
  for (Getter& getter : std::exchange(getters_, {})) getter.done({});
}

// Those that wait for what is here, not for other agents.
void Queue::answer_local_getters() {
  if (getters_.empty()) return;
  const auto local =
      std::stable_partition(getters_.begin(), getters_.end(),
                            [](const Getter& getter) { return getter.until.has_value(); });
  std::vector<Getter> answered(std::make_move_iterator(local),
                               std::make_move_iterator(getters_.end()));
  getters_.erase(local, getters_.end());
  for (Getter& getter : answered) getter.done({});
}

void Queue::stall() {
  if (std::exchange(is_stalled_, true)) return;
  context_.stalled.push_back(weak_from_this());
}

void Queue::on_room() {
  is_stalled_ = false;
  pump();
  if (is_stalled_) return;
  fresh_ = 0;
  show_deadline();
}

}  // namespace pannier::queue
