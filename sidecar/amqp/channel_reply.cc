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
  const bool is_remote =
      context_.remote_replies != nullptr && context_.remote_replies->knows(method.queue);
  if (method.queue != kReplyTo && context_.replies.find(method.queue) == nullptr && !is_remote)
    return Error{Errc::not_found, "no queue '" + method.queue + "' in vhost '/'"};
  last_queue_ = method.queue;
  if (!method.no_wait) answer(QueueDeclareOk{method.queue, 0, 1});
  return {};
}

// As RabbitMQ: at the publish, also in a transaction, and mandatory or not. True: somebody waits.
bool Channel::send_replies(const queue::MessagePtr& message,
                           const std::shared_ptr<const void>& body) {
  if (context_.replies.size() == 0 || !message->exchange().empty()) return false;
  if (gate_ && !gate_->may_answer(message->routing_key())) return false;
  bool is_awaited = false;
  const auto send = [&](std::string_view key) {
    if (!DirectReplies::is_name(key)) return;
    Channel* const waiting = context_.replies.find(key);
    if (waiting == nullptr) return;
    waiting->deliver_reply(message, body);
    is_awaited = true;
  };
  send(message->routing_key());
  for (const std::string& key : publishing_->further_keys)
    if (key != message->routing_key()) send(key);
  return is_awaited;
}

// It answers a client of another agent. Answers of other agents go no further.
bool Channel::is_for_remote(const queue::Message& message) const {
  return !gate_ && context_.remote_replies != nullptr && message.exchange().empty() &&
         context_.replies.find(message.routing_key()) == nullptr &&
         context_.remote_replies->knows(message.routing_key());
}

// What its publisher is told waits for the other agent, and later confirms behind it.
void Channel::send_to_remote(const queue::MessagePtr& message,
                             const std::shared_ptr<const void>& body) {
  using Outcome = RemoteReplies::Outcome;
  const DeliveryTag tag = confirms_ ? next_publish_ : 0;
  const bool mandatory = publishing_->method.mandatory;
  confirm(kAwaited, false);
  context_.remote_replies->send(
      message, body, [this, alive = alive_, message, body, tag, mandatory](Outcome outcome) {
        if (*alive == nullptr || ended_) return;
        if (outcome != Outcome::taken && mandatory) give_back_message(message, body);
        on_remote_outcome(tag, outcome == Outcome::lost);
      });
}

void Channel::on_remote_outcome(DeliveryTag tag, bool is_lost) {
  for (Confirm& confirm : pending_confirms_) {
    if (confirm.tag != tag) continue;
    confirm.commit = 0;
    confirm.refused = is_lost;
    session_.await_sync();
  }
  release_confirms(context_.registry.spool().synced_commit());
  session_.session_rings();
}

// Where another agent's answer may go: a queue that ends with its client, and no MessageQueue's.
std::vector<queue::QueuePtr> Channel::reply_queues(const queue::Message& message) const {
  const std::string_view name = message.routing_key();
  if (!gate_->may_answer(name)) return {};
  const queue::QueueDefinition* definition = context_.registry.definition_of(name);
  const bool ends = definition != nullptr && definition->uid.empty() &&
                    (definition->exclusive || definition->auto_delete || !definition->durable);
  if (!ends) return {};
  auto queues = context_.registry.route("", name, message);
  return queues ? std::move(*queues) : std::vector<queue::QueuePtr>();
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
