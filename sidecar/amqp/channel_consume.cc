#include <algorithm>

#include "common/random.h"
#include "sidecar/amqp/channel_consumer.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

Result<void> Channel::on_basic_method(MethodId method, ByteView payload) {
  const auto with = [payload]<typename Method>(auto&& act, const Method*) -> Result<void> {
    const auto decoded = decode<Method>(payload);
    if (!decoded) return decoded.error();
    return act(*decoded);
  };
  switch (method.method_id) {
    case BasicPublish::kId.method_id:
      return with([this](const auto& m) { return on_publish(m); },
                  static_cast<const BasicPublish*>(nullptr));
    case BasicAck::kId.method_id:
      return with([this](const auto& m) { return ack(m.delivery_tag, m.multiple); },
                  static_cast<const BasicAck*>(nullptr));
    case BasicNack::kId.method_id:
      return with([this](const auto& m) { return nack(m.delivery_tag, m.multiple, m.requeue); },
                  static_cast<const BasicNack*>(nullptr));
    case BasicReject::kId.method_id:
      return with([this](const auto& m) { return nack(m.delivery_tag, false, m.requeue); },
                  static_cast<const BasicReject*>(nullptr));
    case BasicQos::kId.method_id:
      return with([this](const auto& m) { return qos(m); }, static_cast<const BasicQos*>(nullptr));
    case BasicConsume::kId.method_id:
      return with([this](const auto& m) { return consume(m); },
                  static_cast<const BasicConsume*>(nullptr));
    case BasicCancel::kId.method_id:
      return with([this](const auto& m) { return cancel(m); },
                  static_cast<const BasicCancel*>(nullptr));
    case BasicCancelOk::kId.method_id: return {};
    case BasicGet::kId.method_id:
      return with([this](const auto& m) { return get(m); }, static_cast<const BasicGet*>(nullptr));
    case BasicRecover::kId.method_id:
      return with([this](const auto& m) { return recover(m.requeue, true); },
                  static_cast<const BasicRecover*>(nullptr));
    case BasicRecoverAsync::kId.method_id:
      return with([this](const auto& m) { return recover(m.requeue, false); },
                  static_cast<const BasicRecoverAsync*>(nullptr));
    default: return Error{Errc::not_supported, "basic method " + std::to_string(method.method_id)};
  }
}

Result<void> Channel::qos(const BasicQos& method) {
  if (method.prefetch_size != 0)
    return Error{Errc::not_supported,
                 "prefetch_size!=0 (" + std::to_string(method.prefetch_size) + ")"};
  if (method.global)
    global_prefetch_ = method.prefetch_count;
  else
    prefetch_ = method.prefetch_count;
  answer(BasicQosOk{});
  pump_consumers();
  return {};
}

Result<void> Channel::consume(const BasicConsume& method) {
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  auto found = context_.registry.find_queue(*name, session_.owner());
  if (!found) return found.error();
  if (auto may = context_.access.may(session_.principal(), Verb::consume, *name); !may) return may;
  const queue::QueuePtr queue = *found;
  std::string tag = method.consumer_tag;
  if (tag.empty()) tag = "amq.ctag-" + random_hex(12);
  if (consumers_.contains(tag))
    return Error{Errc::limit_reached, "attempt to reuse consumer tag '" + tag + "'"};
  if (consumers_.size() >= context_.limits.consumers_per_channel)
    return Error{Errc::limit_reached, "too many consumers on one channel"};
  if (queue->has_exclusive_consumer() || (method.exclusive && queue->consumers() > 0))
    return Error{Errc::access_denied, "queue '" + *name + "' in vhost '/' in exclusive use"};
  auto consumer = std::make_unique<ChannelConsumer>(*this, tag, queue, prefetch_);
  consumer->no_ack = method.no_ack;
  consumer->exclusive = method.exclusive;
  consumer->is_link = session_.is_link();
  ChannelConsumer* added = consumers_.emplace(tag, std::move(consumer)).first->second.get();
  const auto begin = [this, tag, added, queue, no_wait = method.no_wait] {
    if (!no_wait) put_method(output(), id_, BasicConsumeOk{tag});
    queue->add_consumer(*added);
  };
  answer_after(0, begin);
  return {};
}

Result<void> Channel::cancel(const BasicCancel& method) {
  const auto found = consumers_.find(method.consumer_tag);
  if (found != consumers_.end()) {
    const std::unique_ptr<ChannelConsumer> consumer = std::move(found->second);
    consumers_.erase(found);
    consumer->queue()->remove_consumer(*consumer);
    for (Unacked& unacked : unacked_)
      if (unacked.consumer == consumer.get()) unacked.consumer = nullptr;
    if (!method.no_wait) answer(BasicCancelOk{method.consumer_tag});
    context_.registry.consumer_left(consumer->queue());
    return {};
  }
  if (!method.no_wait) answer(BasicCancelOk{method.consumer_tag});
  return {};
}

void Channel::queue_gone(ChannelConsumer& consumer) {
  for (Unacked& unacked : unacked_)
    if (unacked.consumer == &consumer) unacked.consumer = nullptr;
  if (session_.wants_cancel_notify()) put_method(output(), id_, BasicCancel{consumer.tag(), true});
  session_.session_rings();
  consumers_.erase(std::string(consumer.tag()));
}

Result<void> Channel::get(const BasicGet& method) {
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  auto found = context_.registry.find_queue(*name, session_.owner());
  if (!found) return found.error();
  if (auto may = context_.access.may(session_.principal(), Verb::consume, *name); !may) return may;
  const queue::QueuePtr queue = *found;
  queue->get(method.no_ack, [alive = alive_, queue,
                             no_ack = method.no_ack](std::optional<queue::Delivery> delivery) {
    Channel* channel = *alive;
    if (channel == nullptr) {
      if (delivery && !delivery->settled) queue->give_back(delivery->receipt, {});
      return;
    }
    if (delivery)
      channel->send_get_ok(queue, no_ack, *delivery);
    else
      channel->answer(BasicGetEmpty{});
    channel->session_.session_rings();
  });
  return {};
}

void Channel::send_get_ok(const queue::QueuePtr& queue, bool no_ack,
                          const queue::Delivery& delivery) {
  const DeliveryTag tag = no_ack ? next_delivery_++ : remember(queue, delivery, nullptr);
  const queue::Message& message = *delivery.message;
  put_method(output(), id_,
             BasicGetOk{tag, delivery.redelivered, std::string(message.exchange()),
                        std::string(message.routing_key()),
                        static_cast<std::uint32_t>(queue->status().ready)});
  put_delivery(queue, no_ack, delivery);
}

void Channel::put_delivery(const queue::QueuePtr& queue, bool no_ack,
                           const queue::Delivery& delivery) {
  const bool settles = no_ack && !delivery.settled;
  put_content(delivery.message, [queue, settles, receipt = delivery.receipt] {
    if (settles) static_cast<void>(queue->ack(receipt));
  });
}

void Channel::put_content(const queue::MessagePtr& message, std::function<void()> done) {
  put_content_header(output(), id_, message->body_size, message->properties());
  if (message->parts == 0) {
    put_body(output(), id_, message->body, session_.frame_max());
    done();
    return;
  }
  Stream stream;
  stream.message = message;
  stream.done = std::move(done);
  streams_.push_back(std::move(stream));
  stream_next();
}

bool Channel::may_deliver() const {
  const AmqpLimits& limits = context_.limits;
  return !flow_stopped_ && streams_.empty() && !session_.is_overfull() &&
         (global_prefetch_ == 0 || unacked_count_ < global_prefetch_) &&
         unacked_count_ < limits.unacked_per_channel &&
         unacked_bytes_ < limits.unacked_bytes_per_channel;
}

void Channel::deliver(ChannelConsumer& consumer, queue::Queue& queue, queue::Delivery delivery) {
  DeliveryTag tag = next_delivery_;
  if (consumer.no_ack) {
    ++next_delivery_;
  } else {
    tag = remember(queue.shared_from_this(), delivery, &consumer);
    ++consumer.unacked;
  }
  const queue::Message& message = *delivery.message;
  put_method(output(), id_,
             BasicDeliver{consumer.tag(), tag, delivery.redelivered,
                          std::string(message.exchange()), std::string(message.routing_key())});
  put_delivery(queue.shared_from_this(), consumer.no_ack, delivery);
  session_.session_rings();
}

DeliveryTag Channel::remember(queue::QueuePtr queue, const queue::Delivery& delivery,
                              ChannelConsumer* consumer) {
  const auto bytes = static_cast<std::uint32_t>(delivery.message->bytes());
  unacked_.push_back({next_delivery_, std::move(queue), delivery.receipt, consumer, bytes});
  ++unacked_count_;
  unacked_bytes_ += bytes;
  return next_delivery_++;
}

// Reads the next part once the last ones have left; then what was held back follows.
void Channel::stream_next() {
  Stream& stream = streams_.front();
  if (stream.reading || session_.is_overfull()) return;
  if (stream.next == stream.message->parts) {
    end_stream();
    return;
  }
  stream.reading = true;
  context_.registry.spool().read_part(stream.message->body_id, stream.next,
                                      [alive = alive_](Result<Slice> part) {
                                        if (Channel* channel = *alive; channel != nullptr)
                                          channel->on_part(std::move(part));
                                      });
}

void Channel::on_part(Result<Slice> part) {
  if (!part) {  // the frames that were promised cannot be sent
    session_.close_channel(id_, reply_to(part.error()), BasicDeliver::kId);
    return;
  }
  Stream& stream = streams_.front();
  put_body(session_.session_output(), id_, *part, session_.frame_max());
  ++stream.next;
  stream.reading = false;
  session_.session_rings();
  stream_next();
}

void Channel::end_stream() {
  Stream ended = std::move(streams_.front());
  streams_.pop_front();
  session_.session_output().put(std::move(ended.after));
  ended.done();
  session_.session_rings();
  if (!streams_.empty())
    stream_next();
  else
    pump_consumers();
}

// Applies `how` to one tag, or to all up to it; 0 with multiple is all.
template <typename Settle>
Result<void> Channel::settle(DeliveryTag tag, bool multiple, Settle&& how) {
  const auto finish = [&](Unacked& unacked) {
    if (unacked.consumer != nullptr) --unacked.consumer->unacked;
    --unacked_count_;
    unacked_bytes_ -= unacked.bytes;
    const queue::QueuePtr queue = std::move(unacked.queue);
    unacked.queue.reset();
    how(*queue, unacked.receipt);
  };
  const auto unknown = [tag] {
    return Error{Errc::precondition, "unknown delivery tag " + std::to_string(tag)};
  };
  if (multiple && tag == 0) tag = next_delivery_ - 1;
  if (tag >= next_delivery_ || tag == 0) {
    if (multiple && unacked_.empty() && tag == 0) return {};
    return unknown();
  }
  if (multiple) {
    while (!unacked_.empty() && unacked_.front().tag <= tag) {
      if (unacked_.front().queue) finish(unacked_.front());
      unacked_.pop_front();
    }
  } else {
    const auto at =
        std::lower_bound(unacked_.begin(), unacked_.end(), tag,
                         [](const Unacked& unacked, DeliveryTag key) { return unacked.tag < key; });
    if (at == unacked_.end() || at->tag != tag || !at->queue) return unknown();
    finish(*at);
    while (!unacked_.empty() && !unacked_.front().queue) unacked_.pop_front();
  }
  pump_consumers();
  return {};
}

Result<void> Channel::ack(DeliveryTag tag, bool multiple) {
  // False from the queue: the message has timed out and is on its way again; a late ack is ignored.
  return settle(tag, multiple, [](queue::Queue& queue, const queue::Receipt& receipt) {
    static_cast<void>(queue.ack(receipt));
  });
}

Result<void> Channel::nack(DeliveryTag tag, bool multiple, bool requeue) {
  return settle(tag, multiple, [requeue](queue::Queue& queue, const queue::Receipt& receipt) {
    if (requeue)
      static_cast<void>(queue.give_back(receipt, {}));
    else
      static_cast<void>(queue.discard(receipt));
  });
}

Result<void> Channel::recover(bool requeue, bool wants_answer) {
  if (!requeue) return Error{Errc::not_supported, "requeue=false"};
  for (Unacked& unacked : std::exchange(unacked_, {})) {
    if (!unacked.queue) continue;
    if (unacked.consumer != nullptr) --unacked.consumer->unacked;
    static_cast<void>(unacked.queue->give_back(unacked.receipt, {}));
  }
  unacked_count_ = 0;
  unacked_bytes_ = 0;
  if (wants_answer) answer(BasicRecoverOk{});
  return {};
}

void Channel::pump_consumers() {
  std::vector<queue::QueuePtr> queues;
  for (const auto& [tag, consumer] : consumers_) queues.push_back(consumer->queue());
  for (const queue::QueuePtr& queue : queues) queue->pump();
}

}  // namespace pannier::amqp
