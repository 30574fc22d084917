#include "common/log.h"
#include "common/random.h"
#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/codec.h"

// Direct reply-to: a consumer of amq.rabbitmq.reply-to is given a name that its requests carry, and
// what is published to that name goes straight to its channel.

namespace pannier::amqp {

Result<void> Channel::consume_replies(const BasicConsume& method) {
  if (consumers_.contains(method.consumer_tag))
    return Error{Errc::limit_reached,
                 "attempt to reuse consumer tag '" + method.consumer_tag + "'"};
  if (!method.no_ack) return Error{Errc::precondition, "reply consumer cannot acknowledge"};
  if (reply_consumer_) return Error{Errc::precondition, "reply consumer already set"};
  std::string tag = method.consumer_tag;
  if (tag.empty()) tag = "amq.ctag-" + random_hex(12);
  reply_consumer_ = ReplyConsumer{tag, context_.replies.add(*this)};
  if (!method.no_wait) answer(BasicConsumeOk{tag});
  return {};
}

bool Channel::cancel_replies(const BasicCancel& method) {
  if (!reply_consumer_ || reply_consumer_->tag != method.consumer_tag) return false;
  context_.replies.remove(reply_consumer_->name);
  reply_consumer_.reset();
  if (!method.no_wait) answer(BasicCancelOk{method.consumer_tag});
  return true;
}

// Whether somebody waits for an answer by that name; such a queue has one consumer.
Result<void> Channel::declare_reply_queue(const QueueDeclare& method) {
  if (method.queue != kReplyTo && context_.replies.find(method.queue) == nullptr)
    return Error{Errc::not_found, "no queue '" + method.queue + "' in vhost '/'"};
  last_queue_ = method.queue;
  if (!method.no_wait) answer(QueueDeclareOk{method.queue, 0, 1});
  return {};
}

// As RabbitMQ: at the publish, also in a transaction, and mandatory or not.
void Channel::send_replies(const queue::MessagePtr& message,
                           const std::shared_ptr<const void>& body) {
  if (context_.replies.size() == 0 || !message->exchange().empty()) return;
  const auto send = [&](std::string_view key) {
    if (!DirectReplies::is_name(key)) return;
    if (Channel* waiting = context_.replies.find(key)) waiting->deliver_reply(message, body);
  };
  send(message->routing_key());
  for (const std::string& key : publishing_->further_keys)
    if (key != message->routing_key()) send(key);
}

// Its tag is the next one's, and is not used up: there is nothing to acknowledge. Behind answers
// that wait, for the consume-ok may be among them.
void Channel::deliver_reply(const queue::MessagePtr& message, std::shared_ptr<const void> body) {
  const std::uint64_t unsent = session_.unsent_bytes() + held_bytes() + message->body_size;
  const AmqpLimits& limits = context_.limits;
  if (unsent > std::max<std::uint64_t>(limits.reply_bytes_unsent, message->body_size) ||
      waiting_.size() >= limits.answers_waiting) {
    log::warn("an answer is lost: whoever waits for it does not read",
              {{"channel", id_}, {"bytes", message->body_size}});
    return;
  }
  answer_after(0, [this, message, body = std::move(body)] {
    if (!reply_consumer_) return;  // cancelled meanwhile
    put_method(output(), id_,
               BasicDeliver{reply_consumer_->tag, next_delivery_, false,
                            std::string(message->exchange()), std::string(message->routing_key())});
    Content content;
    content.message = message;
    content.done = [body](bool) {};  // it lasts until then
    streams_.put(std::move(content));
  });
  session_.session_rings();
}

}  // namespace pannier::amqp
