#include <algorithm>
#include <cstdlib>
#include <limits>
#include <set>

#include "common/random.h"
#include "sidecar/amqp/channel_consumer.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

Result<void> Channel::on_basic_method(MethodId method, ByteView payload) {
  if (method == BasicPublish::kId) {
    const auto publish = decode<BasicPublish>(payload);
    if (!publish) return publish.error();
    return on_publish(*publish);
  }
  const auto with = [payload]<typename Method>(auto&& act, const Method*) -> Result<void> {
    const auto decoded = decode_request<Method>(payload);
    if (!decoded) return decoded.error();
    return act(*decoded);
  };
  switch (method.method_id) {
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
    case BasicGet::kId.method_id:
      return with([this](const auto& m) { return get(m); }, static_cast<const BasicGet*>(nullptr));
    case BasicRecover::kId.method_id:
      return with([this](const auto& m) { return recover(m.requeue, true); },
                  static_cast<const BasicRecover*>(nullptr));
    case BasicRecoverAsync::kId.method_id:
      return with([this](const auto& m) { return recover(m.requeue, false); },
                  static_cast<const BasicRecoverAsync*>(nullptr));
    default: return not_for_us(method);
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
  if (method.queue == kReplyTo) return consume_replies(method);
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
  const bool has_no_place_for_one =
      queue->consumers() > 0 || queue->settings().single_active_consumer;
  if (queue->has_exclusive_consumer() || (method.exclusive && has_no_place_for_one))
    return Error{Errc::access_denied, "queue '" + *name + "' in vhost '/' in exclusive use"};
  std::optional<std::int64_t> priority = 0;
  if (const queue::Value* asked = method.arguments.find("x-priority"))
    priority = asked->as_integer();
  if (!priority) return Error{Errc::precondition, "invalid arg 'x-priority': a number is expected"};
  const std::uint64_t serial = next_consumer_++;
  auto consumer = std::make_unique<ChannelConsumer>(*this, tag, queue, prefetch_, serial);
  consumer->no_ack = method.no_ack;
  consumer->exclusive = method.exclusive;
  consumer->priority = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(*priority, std::numeric_limits<std::int32_t>::min(),
                               std::numeric_limits<std::int32_t>::max()));
  // On its queue from now on, for whoever asks next; but it is given nothing before its answer.
  queue->add_consumer(*consumers_.emplace(tag, std::move(consumer)).first->second);
  answer_after(0, [this, tag, serial, no_wait = method.no_wait] {
    if (!no_wait) put_method(output(), id_, BasicConsumeOk{tag});
    begin(tag, serial);
  });
  return {};
}

void Channel::begin(const std::string& tag, std::uint64_t serial) {
  const auto found = consumers_.find(tag);
  if (found == consumers_.end() || found->second->serial != serial) return;  // cancelled meanwhile
  found->second->has_begun = true;
  const queue::QueuePtr queue = found->second->queue();
  queue->pump();
}

Result<void> Channel::cancel(const BasicCancel& method) {
  if (cancel_replies(method)) return {};
  const auto found = consumers_.find(method.consumer_tag);
  if (found != consumers_.end()) {
    const std::unique_ptr<ChannelConsumer> consumer = std::move(found->second);
    consumers_.erase(found);
    consumer->queue()->remove_consumer(*consumer);
    if (!method.no_wait) answer(BasicCancelOk{method.consumer_tag});
    context_.registry.consumer_left(consumer->queue());
    return {};
  }
  if (!method.no_wait) answer(BasicCancelOk{method.consumer_tag});
  return {};
}

void Channel::queue_gone(ChannelConsumer& consumer) {
  const std::string tag = consumer.tag();
  consumers_.erase(tag);
  if (session_.wants_cancel_notify()) answer(BasicCancel{tag, true});
  session_.session_rings();
}

Result<void> Channel::get(const BasicGet& method) {
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  auto found = context_.registry.find_queue(*name, session_.owner());
  if (!found) return found.error();
  if (auto may = context_.access.may(session_.principal(), Verb::consume, *name); !may) return may;
  if (!method.no_ack && unacked_count_ >= context_.limits.unacked_per_channel)
    return Error{Errc::precondition, "too many unacknowledged messages on this channel: " +
                                         std::to_string(unacked_count_)};
  if (!answers_wait() && may_get()) {
    start_get(*found, method.no_ack);
    return {};
  }
  const queue::Commit commit = waiting_.empty() ? 0 : waiting_.back().commit;
  waiting_.push_back(
      {commit, [this, queue = *found, no_ack = method.no_ack] { start_get(queue, no_ack); }, true});
  return {};
}

void Channel::start_get(const queue::QueuePtr& queue, bool no_ack) {
  getting_ = true;
  queue->get(no_ack, [alive = alive_, queue, no_ack](std::optional<queue::Delivery> delivery) {
    Channel* channel = *alive;
    if (channel != nullptr && !channel->ended_)
      channel->on_got(queue, no_ack, std::move(delivery));
    else if (delivery && !delivery->settled)
      queue->give_back(delivery->receipt, {false});
  });
}

void Channel::on_got(const queue::QueuePtr& queue, bool no_ack,
                     std::optional<queue::Delivery> delivery) {
  getting_ = false;
  if (delivery)
    send_get_ok(queue, no_ack, *delivery);
  else
    put_method(output(), id_, BasicGetEmpty{});
  session_.session_rings();
  if (waiting_.empty()) return;
  // Not from within the queue's delivery loop.
  context_.registry.context().loop.post([alive = alive_] {
    if (*alive != nullptr) (*alive)->session_.go_on();
  });
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

bool Channel::is_at_limit() const {
  const AmqpLimits& limits = context_.limits;
  return (global_prefetch_ != 0 && consumed_unacked_ >= global_prefetch_) ||
         unacked_count_ >= limits.unacked_per_channel ||
         unacked_bytes_ >= limits.unacked_bytes_per_channel;
}

bool Channel::may_deliver() const {
  return !flow_stopped_ && streams_.empty() && !is_at_limit() && !session_.is_overfull();
}

void Channel::deliver(ChannelConsumer& consumer, queue::Queue& queue, queue::Delivery delivery) {
  DeliveryTag tag = next_delivery_;
  if (consumer.no_ack) {
    ++next_delivery_;
  } else {
    tag = remember(queue.shared_from_this(), delivery, consumer.unacked);
    ++*consumer.unacked;
  }
  const queue::Message& message = *delivery.message;
  put_method(output(), id_,
             BasicDeliver{consumer.tag(), tag, delivery.redelivered,
                          std::string(message.exchange()), std::string(message.routing_key())});
  put_delivery(queue.shared_from_this(), consumer.no_ack, delivery);
  session_.session_rings();
}

DeliveryTag Channel::remember(queue::QueuePtr queue, const queue::Delivery& delivery,
                              std::shared_ptr<std::uint32_t> credit) {
  const auto bytes = static_cast<std::uint32_t>(delivery.message->bytes());
  if (credit) ++consumed_unacked_;
  unacked_.push_back(
      {next_delivery_, std::move(queue), delivery.receipt, std::move(credit), bytes});
  ++unacked_count_;
  unacked_bytes_ += bytes;
  return next_delivery_++;
}

// It counts no more.
void Channel::release(const Unacked& unacked) {
  --unacked_count_;
  unacked_bytes_ -= unacked.bytes;
  if (!unacked.credit) return;
  --*unacked.credit;
  --consumed_unacked_;
}

// One tag, or all up to it; 0 with multiple is all. In a transaction it is done with the commit,
// and only then frees what it holds.
Result<void> Channel::settle(DeliveryTag tag, bool multiple, Verdict verdict) {
  const bool all = multiple && tag == 0;
  const auto at =
      std::lower_bound(unacked_.begin(), unacked_.end(), tag,
                       [](const Unacked& unacked, DeliveryTag key) { return unacked.tag < key; });
  if (!all && (at == unacked_.end() || at->tag != tag || !at->queue))
    return Error{Errc::precondition, "unknown delivery tag " + std::to_string(tag)};
  const bool was_at_limit = is_at_limit();
  std::vector<queue::QueuePtr> with_credit;
  const Settle how = settle_of(verdict);
  const auto finish = [&](Unacked& unacked) {
    if (tx_) {
      tx_->settled.push_back({unacked, verdict});
    } else {
      release(unacked);
      if (unacked.credit && (with_credit.empty() || with_credit.back() != unacked.queue))
        with_credit.push_back(unacked.queue);
      apply(unacked, how);
    }
    unacked.queue.reset();
  };
  if (!multiple) finish(*at);
  while (!unacked_.empty()) {
    Unacked& front = unacked_.front();
    if (front.queue && !(multiple && (all || front.tag <= tag))) break;
    if (front.queue) finish(front);
    unacked_.pop_front();
  }
  if (was_at_limit)
    pump_consumers();
  else
    pump(std::move(with_credit));
  return {};
}

void Channel::apply(Unacked& unacked, const Settle& how) {
  const bool is_later = streams_.settle_later(
      unacked.receipt,
      [queue = unacked.queue, receipt = unacked.receipt, how] { how(*queue, receipt); });
  if (!is_later) how(*unacked.queue, unacked.receipt);
}

Channel::Settle Channel::settle_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ack:
      // False: the message has timed out and is on its way again; a late ack is ignored.
      return [](queue::Queue& queue, const queue::Receipt& receipt) {
        static_cast<void>(queue.ack(receipt));
      };
    case Verdict::requeue:
      return [](queue::Queue& queue, const queue::Receipt& receipt) {
        static_cast<void>(queue.give_back(receipt, {.backs_off = true}));
      };
    case Verdict::discard:
      return [](queue::Queue& queue, const queue::Receipt& receipt) {
        static_cast<void>(queue.discard(receipt));
      };
  }
  std::abort();
}

Result<void> Channel::ack(DeliveryTag tag, bool multiple) {
  return settle(tag, multiple, Verdict::ack);
}

Result<void> Channel::nack(DeliveryTag tag, bool multiple, bool requeue) {
  return settle(tag, multiple, requeue ? Verdict::requeue : Verdict::discard);
}

Result<void> Channel::recover(bool requeue, bool wants_answer) {
  if (!requeue) return Error{Errc::not_supported, "requeue=false"};
  for (Unacked& unacked : std::exchange(unacked_, {})) {
    if (!unacked.queue) continue;
    release(unacked);
    apply(unacked, [](queue::Queue& queue, const queue::Receipt& receipt) {
      static_cast<void>(queue.give_back(receipt, {}));
    });
  }
  if (wants_answer) answer(BasicRecoverOk{});
  pump_consumers();
  return {};
}

void Channel::pump_consumers() {
  std::vector<queue::QueuePtr> queues;
  for (const auto& [tag, consumer] : consumers_) queues.push_back(consumer->queue());
  pump(std::move(queues));
}

// Each once, in the order of the consumers' tags.
void Channel::pump(std::vector<queue::QueuePtr> queues) {
  std::set<queue::Queue*> seen;
  for (const queue::QueuePtr& queue : queues)
    if (seen.insert(queue.get()).second) queue->pump();
}

}  // namespace pannier::amqp
