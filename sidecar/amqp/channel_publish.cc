#include <algorithm>

#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/codec.h"
#include "sidecar/queue/codec.h"

namespace pannier::amqp {

Result<void> Channel::on_publish(const BasicPublish& method) {
  if (gate_ && !method.exchange.empty())
    return Error{Errc::access_denied, "answers of other agents go to one queue"};
  if (method.immediate) return Error{Errc::not_supported, "immediate=true"};
  const queue::Exchange* exchange = context_.registry.find_exchange(method.exchange);
  if (!method.exchange.empty() && exchange == nullptr)
    return Error{Errc::not_found, "no exchange '" + method.exchange + "' in vhost '/'"};
  if (exchange != nullptr && exchange->settings().internal)
    return Error{Errc::access_denied,
                 "cannot publish to internal exchange '" + method.exchange + "' in vhost '/'"};
  publishing_.emplace();
  publishing_->method = method;
  return {};
}

Result<void> Channel::on_header(ByteView payload) {
  if (!publishing_)
    return Error{Errc::unexpected, "expected method frame, got non method frame instead"};
  if (publishing_->has_header && !publishing_->is_complete)
    return Error{Errc::unexpected, "expected content body, got non content body frame instead"};
  if (publishing_->is_complete) return finish_publish();  // offered again
  const auto header = decode_content_header(payload);
  if (!header) return header.error();
  if (header->class_id != kBasicClass)
    return Error{Errc::unexpected, "expected content header for class 60, got one for class " +
                                       std::to_string(header->class_id) + " instead"};
  if (header->weight != 0) return Error{Errc::unexpected, "a content header with a weight"};
  if (header->body_size > context_.limits.message_bytes_max)
    return Error{Errc::precondition, "message size " + std::to_string(header->body_size) +
                                         " is larger than configured max size " +
                                         std::to_string(context_.limits.message_bytes_max)};
  if (auto done = take_properties(header->properties); !done) return done;
  publishing_->has_header = true;
  publishing_->body_size = header->body_size;
  publishing_->is_complete = publishing_->body_size == 0;
  if (publishing_->is_complete) return finish_publish();
  return start_body();
}

// Small bodies are put together in the buffer that serves the journal and every delivery; large
// ones go to the journal part by part.
Result<void> Channel::start_body() {
  Publishing& publishing = *publishing_;
  publishing.charge =
      Charge::of(session_.incomplete(), std::min(publishing.body_size, context_.limits.part_bytes));
  if (!publishing.charge)
    return Error{Errc::limit_reached, "too many bytes in messages that are not complete"};
  if (publishing.body_size <= context_.limits.part_bytes) {
    publishing.body = std::make_shared_for_overwrite<std::byte[]>(publishing.body_size);
    return {};
  }
  auto body = context_.registry.spool().begin_body(codec_of_body());
  publishing.body_id = body ? Result<std::uint64_t>(*body) : Result<std::uint64_t>(body.error());
  return {};
}

// Of a body in parts, which begins before its message is published: as the queues ask that it would
// go to now.
spool::Codec Channel::codec_of_body() {
  queue::Message message;
  message.head = queue::make_head(publishing_->method.exchange, publishing_->method.routing_key,
                                  publishing_->properties);
  const auto queues = queues_for(message);
  return queues ? queue::codec_for(*queues) : spool::Codec::none;
}

Result<void> Channel::on_body(ByteView payload) {
  if (!publishing_)
    return Error{Errc::unexpected, "expected method frame, got non method frame instead"};
  if (!publishing_->has_header)
    return Error{Errc::unexpected,
                 "expected content header for class 60, got non content header frame instead"};
  Publishing& publishing = *publishing_;
  if (publishing.is_complete) return finish_publish();  // offered again
  if (publishing.received + payload.size() > publishing.body_size)
    return Error{Errc::bad_frame, "a body longer than its header says"};
  if (publishing.body_id) {
    if (auto added = add_to_parts(payload); !added) return added;
  } else if (!payload.empty()) {
    std::copy(payload.begin(), payload.end(), publishing.body.get() + publishing.received);
  }
  publishing.received += payload.size();
  publishing.is_complete = publishing.received == publishing.body_size;
  return publishing.is_complete ? finish_publish() : Result<void>();
}

// A frame is no larger than a part: it fills at most one.
Result<void> Channel::add_to_parts(ByteView payload) {
  Publishing& publishing = *publishing_;
  if (!*publishing.body_id) return {};  // refused before: the rest is only counted
  Bytes& part = publishing.part;
  const std::size_t before = part.size();
  const ByteView now =
      payload.first(std::min<std::size_t>(context_.limits.part_bytes - before, payload.size()));
  part.insert(part.end(), now.begin(), now.end());
  if (part.size() == context_.limits.part_bytes)
    if (auto flushed = flush_part(); !flushed) {
      part.resize(before);
      return flushed;
    }
  const ByteView rest = payload.subspan(now.size());
  part.insert(part.end(), rest.begin(), rest.end());
  return {};
}

// A part that the spool refuses costs the message, when the whole of it has been received.
Result<void> Channel::flush_part() {
  Publishing& publishing = *publishing_;
  if (*publishing.body_id && !publishing.part.empty()) {
    spool::Spool& spool = context_.registry.spool();
    const auto appended = spool.append_part(**publishing.body_id, Slice::copy_of(publishing.part));
    if (!appended && appended.error().code == Errc::spool_busy) return appended;
    if (!appended) {
      spool.abort_body(**publishing.body_id);
      publishing.body_id = Result<std::uint64_t>(appended.error());
    } else {
      ++publishing.parts;
    }
  }
  publishing.part.clear();
  return {};
}

queue::MessagePtr Channel::assembled() const {
  const Publishing& publishing = *publishing_;
  queue::Message message;
  message.published = context_.clock.now_ms();
  message.head = queue::make_head(publishing.method.exchange, publishing.method.routing_key,
                                  publishing.properties);
  message.body_size = publishing.body_size;
  message.traits = publishing.traits;
  if (publishing.body_id) {
    message.body_id = **publishing.body_id;
    message.parts = publishing.parts;
  } else if (publishing.body_size > 0) {
    message.body = Slice(publishing.body, 0, publishing.body_size);
  }
  return std::make_shared<const queue::Message>(std::move(message));
}

Result<void> Channel::finish_publish() {
  if (publishing_->body_id)
    if (auto flushed = flush_part(); !flushed) return flushed;
  if (publishing_->body_id && !*publishing_->body_id) {
    const Publishing refused = *std::exchange(publishing_, {});
    // Whatever limit of the spool it was: it costs the channel, as a full spool does.
    if (!confirms_) return Error{Errc::spool_full, refused.body_id->error().detail};
    confirm(0, true);
    return {};
  }
  auto done = route(assembled());
  if (done) publishing_.reset();
  return done;
}

// By the routing key, and by those that CC and BCC add.
Result<std::vector<queue::QueuePtr>> Channel::queues_for(const queue::Message& message) {
  if (gate_) return reply_queues(message);
  queue::Registry& registry = context_.registry;
  if (publishing_->further_keys.empty())
    return registry.route(message.exchange(), message.routing_key(), message);
  std::vector<std::string_view> keys{message.routing_key()};
  keys.insert(keys.end(), publishing_->further_keys.begin(), publishing_->further_keys.end());
  return registry.route_any(message.exchange(), keys, message);
}

// The parts of a body that is in no queue: they go with the last who sends it.
std::shared_ptr<const void> Channel::hold_parts(const queue::MessagePtr& message) {
  if (message->parts == 0) return nullptr;
  return {message.get(), [&spool = context_.registry.spool(), message](const void*) {
            spool.abort_body(message->body_id);
          }};
}

// Where it goes, whether that is allowed, and what its publisher is told.
Result<void> Channel::route(const queue::MessagePtr& message) {
  auto queues = queues_for(*message);
  if (!queues) return queues.error();
  for (const queue::QueuePtr& queue : *queues) {
    if (gate_) break;  // it is the gate's to say
    if (auto may = context_.access.may(session_.principal(), Verb::publish, queue->name()); !may)
      return may;
  }
  if (tx_) return tx_publish(std::move(*queues), message);
  if (queues->empty()) {
    const auto body = hold_parts(message);
    if (is_for_remote(*message)) {
      send_to_remote(message, body);
      return {};
    }
    const bool is_answered = send_replies(message, body) && gate_;
    if (publishing_->method.mandatory && !is_answered) give_back_message(message, body);
    confirm(0, false);
    return {};
  }
  auto published = context_.registry.publish_to(*queues, message);
  if (!published) {
    const bool is_pressure = scope_of(published.error().code) == Scope::message;
    if (!is_pressure || !confirms_ || published.error().code == Errc::spool_busy)
      return published.error();
    hold_parts(message);
    confirm(0, true);
    return {};
  }
  if (!published->taken) hold_parts(message);
  if (message->parts == 0) send_replies(message, nullptr);  // else its body is the queues'
  confirm(published->commit, published->refused);
  return {};
}

void Channel::give_back_message(const queue::MessagePtr& message,
                                std::shared_ptr<const void> body) {
  constexpr ReplyCode code = ReplyCode::no_route;
  put_method(output(), id_,
             BasicReturn{static_cast<std::uint16_t>(code), std::string(name_of(code)),
                         std::string(message->exchange()), std::string(message->routing_key())});
  Content content;
  content.message = message;
  content.done = [body = std::move(body)](bool) {};  // it lasts until then
  streams_.put(std::move(content));
}

// Released when the session has worked off what it was fed, or with a later sync.
void Channel::confirm(queue::Commit commit, bool refused) {
  if (!confirms_) return;
  pending_confirms_.push_back({next_publish_++, commit, refused});
  session_.await_sync();
}

// In the order of the tags; runs of the same answer in one frame.
void Channel::release_confirms(queue::Commit synced) {
  while (!pending_confirms_.empty() && pending_confirms_.front().commit <= synced) {
    const Confirm first = pending_confirms_.front();
    DeliveryTag last = first.tag;
    while (!pending_confirms_.empty() && pending_confirms_.front().commit <= synced &&
           pending_confirms_.front().refused == first.refused) {
      last = pending_confirms_.front().tag;
      pending_confirms_.pop_front();
    }
    const bool multiple = last != first.tag;
    if (first.refused)
      put_method(output(), id_, BasicNack{last, multiple, false});
    else
      put_method(output(), id_, BasicAck{last, multiple});
  }
}

}  // namespace pannier::amqp
