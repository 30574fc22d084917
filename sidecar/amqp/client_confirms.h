// ClientConfirms: which publishes of one channel the server has confirmed, each told of once
// whatever the order and grouping in which the confirms come (RabbitMQ's publisher confirms).
//
// Owned by ClientChannel; loop thread. Keeps the ranges that were confirmed ahead of their turn, at
// most one for two outstanding publishes. Errors: unexpected, for a tag that is not outstanding.
#pragma once

#include <algorithm>
#include <map>

#include "common/result.h"
#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

class ClientConfirms {
 public:
  void select() { is_on_ = true; }
  bool is_on() const { return is_on_; }
  // The number of a publish that begins; 0 without confirms.
  DeliveryTag next() { return is_on_ ? ++published_ : 0; }
  DeliveryTag published() const { return published_; }
  // From the first unconfirmed publish to the last one, holes included.
  std::size_t outstanding() const { return static_cast<std::size_t>(published_ + 1 - low_); }

  // A confirm of one tag, or of all up to it (0: of all up to `sent`), none beyond `sent`, the last
  // one that has left whole. Calls told(first, last) for each run; it may publish.
  template <typename Told>
  Result<void> settle(DeliveryTag tag, bool multiple, DeliveryTag sent, Told&& told) {
    if (multiple && tag == 0) tag = sent;
    if (!is_on_ || (tag == 0 && !multiple) || tag > sent) return not_outstanding(tag);
    if (!multiple) {
      if (!take(tag)) return not_outstanding(tag);
      told(tag, tag);
      return {};
    }
    while (low_ <= tag) {
      const DeliveryTag first = low_;
      const DeliveryTag last = ahead_.empty() ? tag : std::min(tag, ahead_.begin()->first - 1);
      low_ = last + 1;
      absorb();
      told(first, last);
    }
    return {};
  }

 private:
  static Error not_outstanding(DeliveryTag tag);
  bool take(DeliveryTag tag);
  void absorb();

  bool is_on_ = false;
  DeliveryTag published_ = 0;
  DeliveryTag low_ = 1;                       // all before it are confirmed
  std::map<DeliveryTag, DeliveryTag> ahead_;  // confirmed runs beyond it, first to last
};

}  // namespace pannier::amqp
