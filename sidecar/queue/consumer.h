// Consumer: whoever takes messages out of a queue: an AMQP consumer, an HTTP receive, a link.
//
// Owned by its session, which takes it off the queue before it goes. Loop thread. Calls come from
// within the queue's delivery loop: deliver(), has_credit() and note_ready() must not call
// back into the queue, but may ask for its status.
#pragma once

#include <cstdint>
#include <string>

#include "sidecar/queue/message.h"

namespace pannier::queue {

class Queue;

// One delivery of one message: what ack and nack are about. A message that is delivered again has
// another, so that a late ack never settles what is somebody else's by then. Unique across
// restarts.
struct Receipt {
  Sequence sequence = 0;
  std::uint64_t delivery = 0;
  bool operator==(const Receipt&) const = default;
};

struct Delivery {
  Sequence sequence = 0;
  Receipt receipt;
  MessagePtr message;
  std::uint16_t delivery_count = 0;  // how often it came back before
  bool redelivered = false;
  Milliseconds due = 0;     // in the future for a hand-over only; 0: it never had to wait
  Milliseconds expiry = 0;  // 0: never
  // Nobody has to settle it. Not so, even without acks, while a body in parts is still to be read:
  // whoever got it acks it then.
  bool settled = false;
};

class Consumer {
 public:
  virtual ~Consumer() = default;

  // May it be given one more message now? Its credit and its unsent output decide.
  virtual bool has_credit() const = 0;
  // How many more it may be given: what is asked of other agents for it.
  static constexpr std::uint32_t kCreditMax = 256;
  virtual std::uint32_t credit() const { return has_credit() ? kCreditMax : 0; }
  virtual void deliver(Queue& queue, Delivery delivery) = 0;
  // A hand-over, as its agent ends: a pause, or a time that has not come yet, holds messages back
  // from people, and would lose them with their agent.
  virtual bool takes_held_back() const { return false; }
  // Of links only: Queue::deliverable() is another one than it was.
  virtual void note_ready(Queue&) {}
  // The queue is gone; the consumer is off it already.
  virtual void queue_gone(Queue& queue) = 0;

  bool no_ack = false;  // settled by being delivered, see Delivery::settled
  bool exclusive = false;
  bool is_link = false;  // local consumers come first
  // Those of a higher one get all that they have credit for first (x-priority). Set before
  // Queue::add_consumer, and not changed.
  std::int32_t priority = 0;
};

}  // namespace pannier::queue
