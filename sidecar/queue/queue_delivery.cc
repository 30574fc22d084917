#include <algorithm>
#include <cassert>
#include <limits>

#include "sidecar/queue/queue.h"

namespace pannier::queue {

void Queue::add_consumer(Consumer& consumer) {
  if (gone_) return;
  consumers_.push_back(&consumer);
  pump();
}

void Queue::remove_consumer(Consumer& consumer) {
  const auto found = std::find(consumers_.begin(), consumers_.end(), &consumer);
  if (found == consumers_.end()) return;
  if (static_cast<std::size_t>(found - consumers_.begin()) < turn_) --turn_;  // nobody is skipped
  consumers_.erase(found);
  note_demand();
}

bool Queue::has_exclusive_consumer() const {
  return std::any_of(consumers_.begin(), consumers_.end(),
                     [](const Consumer* consumer) { return consumer->exclusive; });
}

Queue::Item* Queue::head() {
  const bool old = !returned_.empty() &&
                   (window_.empty() || returned_.begin()->first < window_.front().entry.sequence);
  if (old) return &returned_.begin()->second;
  return window_.empty() ? nullptr : &window_.front();
}

Queue::Item Queue::take_head() {
  Item* at = head();
  Item item = std::move(*at);
  if (!returned_.empty() && at == &returned_.begin()->second)
    returned_.erase(returned_.begin());
  else
    window_.pop_front();
  --ready_;
  ready_bytes_ -= item.entry.message_bytes;
  return item;
}

// Local consumers come before links; among equals they take turns.
Consumer* Queue::next_consumer() {
  Consumer* link = nullptr;
  std::size_t link_at = 0;
  for (std::size_t i = 0; i < consumers_.size(); ++i) {
    const std::size_t at = (turn_ + i) % consumers_.size();
    Consumer* consumer = consumers_[at];
    if (settings_.paused && !consumer->takes_paused()) continue;
    if ((consumer->is_link && link != nullptr) || !consumer->has_credit()) continue;
    if (consumer->is_link) {
      link = consumer;
      link_at = at;
      continue;
    }
    turn_ = at + 1;
    return consumer;
  }
  if (link != nullptr) turn_ = link_at + 1;
  return link;
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
    while (!gone_ && deliver_one()) {}
  }
  if (gone_) return;
  drop_unaffordable();
  fetch_more();
  note_demand();
  note_ready();
}

bool Queue::deliver_one() {
  if (settings_.paused)
    answer_getters_empty();
  else if (ready_ == 0)
    answer_local_getters();
  const bool may_go = !settings_.paused || std::ranges::any_of(consumers_, &Consumer::takes_paused);
  if (ready_ == 0 || !may_go) return false;
  Item* item = head();
  if (item == nullptr) return false;  // being paged in
  const bool for_getter = !getters_.empty();
  if (!for_getter && consumers_.empty()) return false;
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

void Queue::note_unacked(Item& item, std::uint64_t delivery) {
  const Sequence sequence = item.entry.sequence;
  Unacked unacked{item.entry, {}, delivery, {}, false, {}, 0, false};
  if (is_in_spool(item.entry))
    drop_copy(item);
  else
    unacked.message = std::move(item.message);  // still counted
  unacked_bytes_ += item.entry.message_bytes;
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
  delivery.redelivered = item.entry.redelivered || item.entry.sequence <= suspect_;
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
}

// From here on: what was handed out, and how it ends.

Queue::UnackedMap::iterator Queue::find_unacked(const Receipt& receipt) {
  const auto found = unacked_.find(receipt.sequence);
  if (found != unacked_.end() && found->second.delivery != receipt.delivery) return unacked_.end();
  return found;
}

bool Queue::is_unacked(const Receipt& receipt) const {
  const auto found = unacked_.find(receipt.sequence);
  return found != unacked_.end() && found->second.delivery == receipt.delivery;
}

Queue::Unacked Queue::take_unacked(UnackedMap::iterator at) {
  assert(at != unacked_.end());
  set_deadline(at->first, at->second, {});
  Unacked unacked = std::move(at->second);
  unacked_bytes_ -= unacked.entry.message_bytes;
  if (unacked.origin) {
    --remote_unacked_;
    remote_unacked_bytes_ -= unacked.entry.message_bytes;
  }
  unacked_.erase(at);
  return unacked;
}

bool Queue::discard(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  finish(take_unacked(found), RemoteOrigin::Settle::discard);
  return true;
}

void Queue::finish(Unacked unacked, RemoteOrigin::Settle how) {
  if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
  if (unacked.origin)
    unacked.origin->settle(unacked.remote_tag, how);
  else
    settle(unacked.entry);
}

// Another agent's message is counted where it is settled. The clocks are those of the wall, which
// may jump: what comes before its publish took no time.
void Queue::observe_ack(const Unacked& unacked) {
  if (context_.publish_to_ack == nullptr || unacked.origin) return;
  const Milliseconds published =
      unacked.message ? unacked.message->published : unacked.entry.published;
  const auto took = std::max<std::int64_t>(0, context_.clock.now_ms() - published);
  context_.publish_to_ack->observe(static_cast<double>(took) / 1000);
}

bool Queue::ack(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  observe_ack(found->second);
  finish(take_unacked(found), RemoteOrigin::Settle::ack);
  ++counters_.acked;
  return true;
}

bool Queue::give_back(const Receipt& receipt, Return how) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  give_back(take_unacked(found), how);
  return true;
}

// To its old place. That it came back is journaled with the turn's other changes. It is delivered
// again at the turn's end, when its neighbours are back too: so they stay in order.
void Queue::give_back(Unacked unacked, Return how) {
  if (unacked.origin) {
    ++counters_.returned;
    finish(std::move(unacked),
           how.counts ? RemoteOrigin::Settle::failed : RemoteOrigin::Settle::give_back);
    return;
  }
  spool::Entry& entry = unacked.entry;
  entry.redelivered = true;
  if (how.counts && entry.delivery_count < std::numeric_limits<std::uint16_t>::max())
    ++entry.delivery_count;
  if (is_in_spool(entry)) context_.note_change(entry);
  ++ready_;
  ready_bytes_ += entry.message_bytes;
  ++counters_.returned;
  returned_[entry.sequence] = Item{entry, std::move(unacked.message), false};
  if (!std::exchange(is_returned_, true)) context_.returned.push_back(weak_from_this());
}

void Queue::on_turn_end() {
  is_returned_ = false;
  pump();
  enforce_limits();
}

bool Queue::extend(const Receipt& receipt, std::chrono::milliseconds timeout, Expiry expiry) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  found->second.is_lease = true;
  found->second.lease_counts = expiry == Expiry::counts;
  set_deadline(receipt.sequence, found->second,
               context_.clock.now() + std::clamp<std::chrono::milliseconds>(
                                          timeout, std::chrono::milliseconds(0), kTimeoutMax));
  return true;
}

bool Queue::end_lease(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  found->second.is_lease = false;
  set_deadline(receipt.sequence, found->second, ack_deadline());
  return true;
}

void Queue::restart_timeout(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end() || found->second.is_lease || found->second.origin) return;
  set_deadline(receipt.sequence, found->second, ack_deadline());
}

void Queue::set_deadline(Sequence sequence, Unacked& unacked,
                         std::optional<Clock::time_point> deadline) {
  if (unacked.deadline == deadline) return;
  if (unacked.deadline) deadlines_.erase({*unacked.deadline, sequence});
  unacked.deadline = deadline;
  if (deadline) deadlines_.emplace(*deadline, sequence);
  show_deadline();
}

// Keeps the context's index right.
void Queue::show_deadline() {
  std::optional<Clock::time_point> next = retry_at_;
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next))
    next = deadlines_.begin()->first;
  if (get_until_ && (!next || *get_until_ < *next)) next = get_until_;
  if (next == shown_) return;
  if (shown_) context_.deadlines.erase({*shown_, this});
  shown_ = next;
  if (next) context_.deadlines.emplace(*next, this);
}

}  // namespace pannier::queue
