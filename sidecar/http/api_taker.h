// Taker: one GET or receive on its way: what it was given, until it is answered.
//
// Owned by ApiHandler, which takes it off its queue. Loop thread. Takes no more than `max`
// messages, and none once they have `bytes_max` bytes: the last may go beyond. What was not
// answered goes back.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "sidecar/http/exchange.h"
#include "sidecar/http/held_bytes.h"
#include "sidecar/queue/queue.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

class Taker final : public queue::Consumer, public std::enable_shared_from_this<Taker> {
 public:
  // `note` is called from within the queue's delivery loop.
  Taker(ExchangePtr with_exchange, queue::QueuePtr from, std::size_t max, std::uint64_t bytes_max,
        const std::shared_ptr<HeldBytes>& held, std::function<void()> note)
      : exchange(std::move(with_exchange)),
        queue(std::move(from)),
        charge(std::make_shared<HeldCharge>(held)),
        max_(max),
        bytes_max_(bytes_max),
        note_(std::move(note)) {}

  bool has_credit() const override { return !has_ended && !is_full() && charge->may_grow(); }
  std::uint32_t credit() const override {
    if (!has_credit()) return 0;
    return static_cast<std::uint32_t>(std::min<std::size_t>(kCreditMax, max_ - deliveries.size()));
  }
  void deliver(queue::Queue&, queue::Delivery delivery) override { add(std::move(delivery)); }
  void queue_gone(queue::Queue&) override {
    is_consuming = false;
    note_();
  }

  void add(queue::Delivery delivery) {
    bytes += delivery.message->bytes();
    // A body in parts is put together for a receive, and streamed to a GET.
    const bool is_in_parts = delivery.message->parts > 0;
    charge->add(is_in_parts && !lease ? 0 : delivery.message->bytes());
    deliveries.push_back(std::move(delivery));
    note_();
  }
  bool is_full() const { return deliveries.size() >= max_ || bytes >= bytes_max_; }
  bool is_over() const { return deliveries.size() > 1 && bytes > bytes_max_; }
  void give_back_last() {
    bytes -= deliveries.back().message->bytes();
    static_cast<void>(queue->give_back(deliveries.back().receipt, {false}));
    deliveries.pop_back();
  }
  void end() {
    has_ended = true;
    if (std::exchange(is_consuming, false)) queue->remove_consumer(*this);
  }
  void give_back_all(bool counts) {
    for (const queue::Delivery& delivery : deliveries)
      static_cast<void>(queue->give_back(delivery.receipt, {counts}));
    deliveries.clear();
    charge->set(0);
  }

  const ExchangePtr exchange;
  const queue::QueuePtr queue;
  const std::shared_ptr<HeldCharge> charge;  // until the answer is written
  std::vector<queue::Delivery> deliveries;
  std::uint64_t bytes = 0;
  std::optional<std::chrono::milliseconds> lease;  // of a receive
  bool is_consuming = false;
  bool is_noted = false;  // a turn is posted for it
  bool lingers = false;
  bool has_ended = false;
  // Of a receive, once it has ended: the bodies, those in parts being put together.
  std::vector<Slice> bodies;
  std::size_t next = 0;
  std::uint32_t next_part = 0;
  Bytes part_bytes;

 private:
  const std::size_t max_;
  const std::uint64_t bytes_max_;
  const std::function<void()> note_;
};
using TakerPtr = std::shared_ptr<Taker>;

}  // namespace pannier::http
