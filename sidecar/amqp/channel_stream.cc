#include "sidecar/amqp/channel.h"

namespace pannier::amqp {

void Channel::put_delivery(const queue::QueuePtr& queue, bool no_ack,
                           const queue::Delivery& delivery) {
  Content content{delivery.message, queue, delivery.receipt, {}};
  if (no_ack && !delivery.settled)  // settled by being sent whole
    content.done = [queue, receipt = delivery.receipt](bool whole) {
      if (whole)
        static_cast<void>(queue->ack(receipt));
      else
        static_cast<void>(queue->give_back(receipt, {}));
    };
  streams_.put(std::move(content));
}

void Channel::on_contents_sent() {
  if (ended_) {
    session_.content_ended(id_);
    return;
  }
  // A basic.get that waited comes before further deliveries, or it might wait for ever.
  const auto alive = alive_;
  if (!waiting_.empty()) session_.go_on();
  if (*alive != nullptr && !ended_) pump_consumers();
}

void Channel::on_content_failed(const Error& why) {
  if (ended_)
    session_.content_ended(id_);
  else
    session_.close_channel(id_, reply_to(why), BasicDeliver::kId);
}

}  // namespace pannier::amqp
