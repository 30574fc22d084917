#include "sidecar/amqp/client_confirms.h"

namespace pannier::amqp {

Error ClientConfirms::not_outstanding(DeliveryTag tag) {
  return {Errc::unexpected,
          "the server confirms publish " + std::to_string(tag) + ", which is not outstanding"};
}

// False: it is confirmed already.
bool ClientConfirms::take(DeliveryTag tag) {
  if (tag < low_) return false;
  if (tag == low_) {
    ++low_;
    absorb();
    return true;
  }
  const auto after = ahead_.upper_bound(tag);
  const auto before = after == ahead_.begin() ? ahead_.end() : std::prev(after);
  if (before != ahead_.end() && before->second >= tag) return false;
  const bool joins_before = before != ahead_.end() && before->second + 1 == tag;
  const bool joins_after = after != ahead_.end() && tag + 1 == after->first;
  const DeliveryTag last = joins_after ? after->second : tag;
  if (joins_after) ahead_.erase(after);
  if (joins_before)
    before->second = last;
  else
    ahead_.emplace(tag, last);
  return true;
}

void ClientConfirms::absorb() {
  if (ahead_.empty() || ahead_.begin()->first != low_) return;
  low_ = ahead_.begin()->second + 1;
  ahead_.erase(ahead_.begin());
}

}  // namespace pannier::amqp
