#include "sidecar/http/api_stream.h"

#include <algorithm>
#include <utility>

#include "sidecar/http/json_text.h"
#include "sidecar/http/message_json.h"
#include "sidecar/http/receipt_text.h"

namespace pannier::http {
namespace {

// A lease that has run out, and that the queue has not looked at yet.
constexpr std::chrono::milliseconds kLateQueue{100};

}  // namespace

ApiStream::ApiStream(std::shared_ptr<StreamContext> context, ExchangePtr exchange,
                     queue::QueuePtr queue, const StreamOptions& options)
    : context_(std::move(context)),
      exchange_(std::move(exchange)),
      queue_(std::move(queue)),
      options_(options),
      charge_(context_->held),
      last_put_(context_->clock.now()) {}

ApiStream::~ApiStream() { leave(false); }

void ApiStream::begin(Response head) {
  exchange_->open(std::move(head), shared_from_this());
  put(first_words());
  arm();
  is_consuming_ = true;
  queue_->add_consumer(*this);
}

bool ApiStream::has_credit() const {
  return !is_over_ && held() < options_.credit &&
         pending_bytes_ + unsent() < context_->limits.stream_unsent_bytes && charge_.may_grow();
}

std::uint32_t ApiStream::credit() const {
  if (!has_credit()) return 0;
  return static_cast<std::uint32_t>(std::min<std::size_t>(kCreditMax, options_.credit - held()));
}

void ApiStream::deliver(queue::Queue&, queue::Delivery delivery) {
  pending_bytes_ += delivery.message->bytes();
  pending_.push_back({std::move(delivery), 0, {}});
  recharge();
  note();
}

void ApiStream::queue_gone(queue::Queue&) {
  is_consuming_ = false;
  note();
}

// Called from within the queue's delivery loop: looked at later.
void ApiStream::note() {
  if (std::exchange(is_noted_, true)) return;
  context_->registry.context().loop.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->is_noted_ = false;
    if (!self->is_over_) self->on_turn();
  });
}

void ApiStream::on_turn() {
  if (queue_->is_gone())
    return end({Errc::not_found, "queue '" + queue_->name() + "' has been deleted"});
  put_pending();
  regain();
}

// One after the other; a body in parts is put together first.
void ApiStream::put_pending() {
  while (!pending_.empty() && !is_reading_ && !is_over_) {
    Pending& first = pending_.front();
    if (first.next_part < first.delivery.message->parts) return read_part();
    const bool is_in_parts = first.delivery.message->parts > 0;
    put_message(first.delivery,
                is_in_parts ? as_text(first.body) : first.delivery.message->body.text());
    drop_first();
  }
}

void ApiStream::drop_first() {
  pending_bytes_ -= pending_.front().delivery.message->bytes();
  pending_.pop_front();
  recharge();
}

void ApiStream::read_part() {
  is_reading_ = true;
  const Pending& first = pending_.front();
  context_->registry.spool().read_part(
      first.delivery.message->body_id, first.next_part,
      [weak = weak_from_this(), &loop = context_->registry.context().loop](Result<Slice> part) {
        loop.post([weak, part = std::move(part)] {
          const auto self = weak.lock();
          if (!self || self->is_over_) return;
          self->is_reading_ = false;
          self->on_part(part);
        });
      });
}

// One that cannot be read is not sent.
void ApiStream::on_part(const Result<Slice>& part) {
  Pending& first = pending_.front();
  if (!part) {
    static_cast<void>(queue_->give_back(first.delivery.receipt, {}));
    drop_first();
  } else {
    const ByteView bytes = part->view();
    first.body.insert(first.body.end(), bytes.begin(), bytes.end());
    ++first.next_part;
    queue_->restart_timeout(first.delivery.receipt);
  }
  put_pending();
  regain();
}

// The lease is from now on. It may have run out already: then it is somebody else's.
void ApiStream::put_message(const queue::Delivery& delivery, std::string_view body) {
  const queue::Receipt receipt = delivery.receipt;
  const bool stands = options_.settles_itself
                          ? queue_->is_unacked(receipt)
                          : queue_->extend(receipt, options_.lease, queue::Queue::Expiry::counts);
  if (!stands) return;
  const std::string name = receipt_text(queue_->id(), receipt);
  std::string json;
  append_message(json, {&delivery, options_.settles_itself ? std::string() : name, body});
  put(framed(name, std::move(json)));
  held_[receipt.delivery] = {receipt, {}};
  context_->holders[receipt.delivery] = this;
  if (options_.settles_itself)
    unwritten_.emplace_back(put_bytes_, receipt.delivery);
  else
    prolong(receipt.delivery, context_->clock.now() + options_.lease);
}

void ApiStream::put(std::string bytes) {
  if (bytes.empty()) return;
  put_bytes_ += bytes.size();
  last_put_ = context_->clock.now();
  recharge();
  exchange_->put(slice_of(std::move(bytes)));
}

// Bodies grow as they are written as JSON, so that credit may end here as well.
void ApiStream::recharge() {
  charge_.set(pending_bytes_ + unsent());
  lacks_credit_ = lacks_credit_ || !has_credit();
}

void ApiStream::on_written(std::uint64_t bytes) {
  written_bytes_ = bytes;
  while (!unwritten_.empty() && unwritten_.front().first <= bytes) {
    const std::uint64_t delivery = unwritten_.front().second;
    unwritten_.pop_front();
    const auto held = held_.find(delivery);
    if (held == held_.end()) continue;
    static_cast<void>(queue_->ack(held->second.receipt));
    release(delivery);
  }
  recharge();
  regain();
}

bool ApiStream::holds(const queue::Queue& queue, const queue::Receipt& receipt) const {
  const auto held = held_.find(receipt.delivery);
  return held != held_.end() && held->second.receipt == receipt && &queue == queue_.get();
}

void ApiStream::release(std::uint64_t delivery) {
  context_->holders.erase(delivery);
  const auto held = held_.find(delivery);
  if (held == held_.end()) return;
  leases_.erase({held->second.until, delivery});
  held_.erase(held);
}

void ApiStream::prolong(std::uint64_t delivery, Clock::time_point until) {
  const auto held = held_.find(delivery);
  if (held == held_.end()) return;
  leases_.erase({held->second.until, delivery});
  held->second.until = until;
  leases_.emplace(until, delivery);
  arm();
}

void ApiStream::set_credit(std::size_t credit) {
  options_.credit = credit;
  lacks_credit_ = true;
  regain();
}

void ApiStream::regain() {
  if (is_over_ || !lacks_credit_ || !has_credit()) return;
  lacks_credit_ = false;
  queue_->pump();
}

// At the next lease's end, or when nothing has been said for a while.
void ApiStream::arm() {
  if (is_over_ && !next_time()) return;
  Clock::time_point next = last_put_ + context_->limits.stream_beat;
  if (!leases_.empty()) next = std::min(next, leases_.begin()->first);
  if (const auto own = next_time()) next = std::min(next, *own);
  if (armed_ && *armed_ <= next) return;  // it looks again then
  armed_ = next;
  exchange_->wake_at(next, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_wake();
  });
}

void ApiStream::on_wake() {
  armed_.reset();
  const auto now = context_->clock.now();
  on_time(now);
  if (!is_over_) {
    reap(now);
    // Who does not read needs no sign of life.
    if (now >= last_put_ + context_->limits.stream_beat) {
      last_put_ = now;
      if (unsent() == 0) put(beat());
    }
    regain();
  }
  arm();
}

// What ran out is the queue's again.
void ApiStream::reap(Clock::time_point now) {
  while (!leases_.empty() && leases_.begin()->first <= now) {
    const std::uint64_t delivery = leases_.begin()->second;
    if (queue_->is_unacked(held_.at(delivery).receipt))
      prolong(delivery, now + kLateQueue);
    else
      release(delivery);
  }
}

void ApiStream::end(const Error& why) {
  if (is_over_) return;
  leave(false);
  say_goodbye(why);
}

void ApiStream::leave(bool counts) {
  if (std::exchange(is_over_, true)) return;
  const bool was_consuming = std::exchange(is_consuming_, false);
  if (was_consuming) queue_->remove_consumer(*this);
  for (const Pending& pending : pending_)  // which nobody has seen
    static_cast<void>(queue_->give_back(pending.delivery.receipt, {false}));
  for (const auto& [delivery, held] : held_) {
    context_->holders.erase(delivery);
    static_cast<void>(queue_->give_back(held.receipt, {counts}));
  }
  pending_.clear();
  held_.clear();
  leases_.clear();
  unwritten_.clear();
  pending_bytes_ = 0;
  recharge();
  if (was_consuming) context_->registry.consumer_left(queue_);
}

void ApiStream::on_end() {
  const auto self = shared_from_this();
  leave(true);
  written_bytes_ = put_bytes_;
  recharge();
  if (context_->on_over) context_->on_over(self);
}

}  // namespace pannier::http
