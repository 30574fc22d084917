#include <algorithm>

#include "sidecar/forward/folding.h"
#include "sidecar/forward/push_channel.h"
#include "sidecar/forward/push_hops.h"

namespace pannier::forward {

using How = queue::Taken::How;

// spool_busy: what came before it is not journaled yet.
Result<void> PushChannel::put(ByteView payload) {
  auto method = amqp::decode<LinkPut>(payload);
  if (!method) return method.error();
  const auto found = pushes_.find(method->queue);
  if (found == pushes_.end())
    return Error{Errc::unexpected, "a message of queue '" + method->queue +
                                       "' comes, which is not pushed over this link"};
  const PushPtr push = found->second;
  if (method->sequence == 0 || method->sequence < push->floor)
    return Error{Errc::bad_argument, "sequence " + std::to_string(method->sequence) +
                                         " is below the floor of its push, " +
                                         std::to_string(push->floor)};
  const auto hops = hops_in(as_bytes(method->attributes.text));
  if (!hops) return hops.error();
  if (push->unanswered >= kPushWindowMessages)
    return Error{Errc::limit_reached, "a message comes beyond the window of its push"};
  if (is_full() && !journal() && is_full())
    return Error{Errc::spool_busy, "what was pushed before is not journaled yet"};
  Receiving& receiving = receiving_.emplace();
  receiving.push = push;
  receiving.hops = *hops;
  receiving.method = std::move(*method);
  const queue::PushMarks& marks = context_.registry.push_marks();
  if (marks.holds(push->source, receiving.method.sequence))
    receiving.decided = {How::known, marks.commit_of(push->source), {}};
  else if (push->ended)
    receiving.decided = {How::refused, 0, *push->ended};
  else if (!push->drains && *hops >= kHopsMax)
    receiving.decided = {How::refused, 0,
                         "it has been pushed " + std::to_string(*hops) + " times already"};
  return {};
}

Result<void> PushChannel::on_header(ByteView payload) {
  if (!receiving_)
    return Error{Errc::unexpected, "a content header comes that no link.put announces"};
  if (receiving_->is_complete) return finish();  // offered again
  if (receiving_->has_header)
    return Error{Errc::unexpected, "a content header comes where a body was expected"};
  if (auto begun = begin_content(payload); !begun) return begun;
  return receiving_->is_complete ? finish() : Result<void>();
}

Result<void> PushChannel::begin_content(ByteView payload) {
  const auto header = amqp::decode_content_header(payload);
  if (!header) return header.error();
  if (header->class_id != amqp::kBasicClass)
    return Error{Errc::unexpected, "a content header of class " + std::to_string(header->class_id)};
  if (header->weight > amqp::kFoldedWeight)
    return Error{Errc::unexpected, "a body that is folded in an unknown way"};
  // Checked once here, so that what is kept can be read by whoever delivers it.
  if (const auto properties = queue::Properties::decode(header->properties); !properties)
    return properties.error();
  Receiving& receiving = *receiving_;
  Push& push = *receiving.push;
  const std::uint64_t size = header->body_size;
  const std::uint64_t room = kPushWindowBytes - std::min(kPushWindowBytes, push.unanswered_bytes);
  if (push.unanswered > 0 && size > room)
    return Error{Errc::limit_reached, "a message comes beyond the window of its push"};
  push.unanswered += 1;
  push.unanswered_bytes += size;
  receiving.has_header = true;
  receiving.is_folded = header->weight == amqp::kFoldedWeight;
  receiving.body_size = size;
  receiving.is_complete = size == 0;
  receiving.properties.assign(header->properties.begin(), header->properties.end());
  if (!receiving.decided && size > 0) begin_body();
  return {};
}

// A large body that has no room anyway is not journaled at all.
void PushChannel::begin_body() {
  Receiving& receiving = *receiving_;
  const amqp::AmqpLimits& limits = context_.limits;
  if (receiving.body_size > limits.message_bytes_max)
    return refuse({Errc::too_large, "message size " + std::to_string(receiving.body_size) +
                                        " is larger than configured max size " +
                                        std::to_string(limits.message_bytes_max)});
  receiving.charge =
      amqp::Charge::of(session_.incomplete(), std::min(receiving.body_size, limits.part_bytes));
  if (!receiving.charge)
    return refuse({Errc::limit_reached, "too many bytes in messages that are not complete"});
  if (receiving.body_size <= limits.part_bytes) {
    receiving.body = std::make_shared_for_overwrite<std::byte[]>(receiving.body_size);
    return;
  }
  if (const auto may = receiving.push->queue->may_put(receiving.body_size); !may)
    return refuse(may.error());
  const auto begun = context_.registry.spool().begin_body(queue::codec_of(*receiving.push->queue));
  if (!begun) return refuse(begun.error());
  receiving.body_id = *begun;
}

// The rest of it is only counted.
void PushChannel::refuse(const Error& why) {
  drop_body();
  if (!receiving_->decided) receiving_->decided = {How::refused, 0, why.detail};
}

void PushChannel::drop_body() {
  if (!receiving_) return;
  if (receiving_->body_id != 0) context_.registry.spool().abort_body(receiving_->body_id);
  receiving_->body_id = 0;
  receiving_->body.reset();
  receiving_->part = {};
  receiving_->charge.reset();
}

Result<void> PushChannel::on_body(ByteView payload) {
  if (!receiving_ || !receiving_->has_header)
    return Error{Errc::unexpected, "a content body comes without its header"};
  if (receiving_->is_complete) return finish();  // offered again
  if (!receiving_->is_folded) return on_piece(payload);
  const auto piece = unfold(payload, session_.frame_max());
  return piece ? on_piece(piece->view()) : piece.error();
}

Result<void> PushChannel::on_piece(ByteView payload) {
  Receiving& receiving = *receiving_;
  if (payload.size() > receiving.body_size - receiving.received)
    return Error{Errc::bad_frame, "a body longer than its header says"};
  if (receiving.body_id != 0) {
    if (auto added = add_to_parts(payload); !added) return added;
  } else if (receiving.body && !payload.empty()) {
    std::ranges::copy(payload, receiving.body.get() + receiving.received);
  }
  receiving.received += payload.size();
  receiving.is_complete = receiving.received == receiving.body_size;
  return receiving.is_complete ? finish() : Result<void>();
}

// A frame is no larger than a part: it fills at most one.
Result<void> PushChannel::add_to_parts(ByteView payload) {
  Bytes& part = receiving_->part;
  const std::size_t before = part.size();
  const std::size_t part_bytes = context_.limits.part_bytes;
  const ByteView now = payload.first(std::min(part_bytes - before, payload.size()));
  part.insert(part.end(), now.begin(), now.end());
  if (part.size() < part_bytes) return {};
  if (auto flushed = flush_part(); !flushed) {
    part.resize(before);
    return flushed;
  }
  if (receiving_->body_id == 0) return {};
  const ByteView rest = payload.subspan(now.size());
  part.insert(part.end(), rest.begin(), rest.end());
  return {};
}

// Errors: spool_busy. Whatever else the spool says costs the message.
Result<void> PushChannel::flush_part() {
  Receiving& receiving = *receiving_;
  if (receiving.body_id == 0 || receiving.part.empty()) return {};
  const auto appended =
      context_.registry.spool().append_part(receiving.body_id, Slice::copy_of(receiving.part));
  if (!appended && appended.error().code == Errc::spool_busy) return appended;
  receiving.part.clear();
  if (appended)
    ++receiving.parts;
  else
    refuse(appended.error());
  return {};
}

// Its times are what is left of them: they began where it was published.
queue::Traits PushChannel::traits_of(const Receiving& receiving) {
  queue::Traits traits;
  if (const auto properties = queue::Properties::decode(receiving.properties))
    if (const auto asked = queue::traits_of(*properties)) traits = *asked;
  const auto in = [](std::uint64_t time) {
    return std::chrono::milliseconds(std::min<std::uint64_t>(time, 1ull << 40));
  };
  traits.delay = in(receiving.method.delay);
  traits.ttl.reset();
  if (receiving.method.left > receiving.method.delay)
    traits.ttl = in(receiving.method.left - receiving.method.delay);
  else if (receiving.method.left > 0)
    traits.ttl = std::chrono::milliseconds(0);
  return traits;
}

queue::Pushed PushChannel::assembled() const {
  const Receiving& receiving = *receiving_;
  const LinkPut& method = receiving.method;
  queue::Message message;
  const auto age = std::min<std::uint64_t>(method.age, 1ull << 40);
  message.published = context_.clock.now_ms() - static_cast<std::int64_t>(age);
  message.traits = traits_of(receiving);
  message.head = queue::make_head(method.exchange, method.routing_key, receiving.properties);
  message.body_size = receiving.body_size;
  message.body_id = receiving.body_id;
  message.parts = receiving.parts;
  if (receiving.body) message.body = Slice(receiving.body, 0, receiving.body_size);
  const ByteView attributes = as_bytes(method.attributes.text);
  if (receiving.push->drains)
    message.attributes.assign(attributes.begin(), attributes.end());
  else
    message.attributes = with_hops(attributes, static_cast<std::uint8_t>(receiving.hops + 1));
  return {method.sequence, std::make_shared<const queue::Message>(std::move(message)),
          method.delivery_count, method.redelivered};
}

Result<void> PushChannel::finish() {
  if (auto flushed = flush_part(); !flushed) return flushed;
  const Receiving& receiving = *receiving_;
  if (receiving.decided)
    answer(receiving.push, receiving.method.sequence, receiving.body_size, *receiving.decided);
  else
    add_to_batch(receiving.push, assembled());
  receiving_.reset();
  if (is_full()) journal();
  return {};
}

}  // namespace pannier::forward
