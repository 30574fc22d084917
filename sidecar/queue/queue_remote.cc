#include <algorithm>

#include "sidecar/queue/queue.h"

namespace pannier::queue {

void Queue::set_remote_source(RemoteSource* source) {
  remote_source_ = source;
  if (source == nullptr)
    no_remote_answer();
  else
    note_demand();
}

std::shared_ptr<RemoteOrigin> Queue::origin_of(const Receipt& receipt) const {
  return is_unacked(receipt) ? unacked_.find(receipt.sequence)->second.origin : nullptr;
}

void Queue::note_demand() {
  if (remote_source_ != nullptr) remote_source_->note_demand(*this);
}

void Queue::note_ready() {
  if (std::exchange(noted_ready_, deliverable()) == deliverable()) return;
  consumers_.for_each([this](Consumer& consumer) {
    if (consumer.is_link) consumer.note_ready(*this);
  });
}

// What is ready here comes first: as long as there is more of it than anybody can take, nothing is
// asked of others.
std::uint64_t Queue::demand() const {
  if (gone_ || settings_.paused) return 0;
  std::uint64_t wanted = getters_.size();
  consumers_.for_each([&](const Consumer& consumer) {
    const bool waits = settings_.single_active_consumer && consumers_.active() != nullptr &&
                       consumers_.active() != &consumer;
    if (!consumer.is_link && !waits) wanted += consumer.credit();
  });
  return wanted - std::min(wanted, ready_);
}

bool Queue::wait_for_remote(bool no_ack, OnGot& done) {
  if (gone_ || settings_.paused || remote_source_ == nullptr) return false;
  if (!remote_source_->asks_for_get(*this)) return false;
  const auto until = context_.clock.now() + kRemoteGetMax;
  getters_.push_back({no_ack, std::move(done), until});
  get_until_ = std::min(get_until_.value_or(until), until);
  show_deadline();
  note_demand();
  return true;
}

std::size_t Queue::waiting_gets() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      getters_, [](const Getter& getter) { return getter.until.has_value(); }));
}

void Queue::no_remote_answer() {
  answer_getters_until(Clock::time_point::max());
  if (!gone_) show_deadline();
}

void Queue::answer_getters_until(Clock::time_point now) {
  if (!get_until_ || *get_until_ > now) return;
  std::vector<Getter> answered;
  std::deque<Getter> left;
  get_until_.reset();
  for (Getter& getter : getters_) {
    const bool is_over = getter.until && *getter.until <= now;
    if (!is_over && getter.until)
      get_until_ = std::min(get_until_.value_or(*getter.until), *getter.until);
    if (is_over)
      answered.push_back(std::move(getter));
    else
      left.push_back(std::move(getter));
  }
  getters_ = std::move(left);
  for (Getter& getter : answered) getter.done({});
}

bool Queue::offer(const RemoteMessage& remote) {
  if (gone_ || settings_.paused || ready_ > 0 || pumping_) return false;
  const bool for_getter = !getters_.empty();
  Consumer* consumer = for_getter ? nullptr : next_consumer();
  if (!for_getter && (consumer == nullptr || consumer->is_link)) return false;
  const bool no_ack = for_getter ? getters_.front().no_ack : consumer->no_ack;

  Delivery delivery;
  delivery.sequence = context_.spool.take_sequence(id_);
  delivery.receipt = {delivery.sequence, context_.next_delivery()};
  delivery.message = remote.message;
  delivery.delivery_count = remote.delivery_count;
  delivery.redelivered = remote.redelivered;
  delivery.settled = no_ack && remote.message->parts == 0;
  ++counters_.delivered;
  if (delivery.redelivered) ++counters_.redelivered;
  if (delivery.settled) {
    remote.origin->settle(remote.tag, RemoteOrigin::Settle::ack);
  } else {
    Unacked unacked;
    unacked.entry.queue = id_;
    unacked.entry.sequence = delivery.sequence;
    unacked.entry.message_bytes = static_cast<std::uint32_t>(remote.message->bytes());
    unacked.entry.delivery_count = remote.delivery_count;
    unacked.delivery = delivery.receipt.delivery;
    unacked.origin = remote.origin;
    unacked.remote_tag = remote.tag;
    unacked_bytes_ += unacked.entry.message_bytes;
    remote_unacked_bytes_ += unacked.entry.message_bytes;
    ++remote_unacked_;
    unacked_.emplace(delivery.sequence, std::move(unacked));
  }
  if (for_getter) {
    Getter getter = std::move(getters_.front());
    getters_.pop_front();
    getter.done(std::move(delivery));
  } else {
    consumer->deliver(*this, std::move(delivery));
  }
  return true;
}

}  // namespace pannier::queue
