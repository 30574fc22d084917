#include "sidecar/amqp/client_channel.h"

#include <algorithm>

namespace pannier::amqp {
namespace {

constexpr std::size_t kBehindMax = 4'096;

Error unexpected(MethodId method, std::string_view why) {
  return {Errc::unexpected, "the server sends method " + std::to_string(method.class_id) + "." +
                                std::to_string(method.method_id) + " " + std::string(why)};
}

}  // namespace

Result<void> ClientChannel::may_send() const {
  if (!is_live()) return Error{Errc::closed, "channel " + std::to_string(id_) + " is closed"};
  if (left_ > 0)
    return Error{Errc::unexpected,
                 "the body of a publish is not complete on channel " + std::to_string(id_)};
  return {};
}

Result<void> ClientChannel::may_ask() const {
  if (waiting_.size() >= link_.limits.requests_waiting)
    return Error{Errc::limit_reached, "too many requests wait for an answer"};
  return may_send();
}

Result<void> ClientChannel::may_note(const BasicConsume& method) const {
  if (method.no_wait && method.consumer_tag.empty())
    return Error{Errc::bad_argument, "a consumer without a tag needs an answer that names it"};
  return {};
}

void ClientChannel::close(const Reply& reply, MethodId cause) {
  is_closing_ = true;
  left_ = 0;
  behind_.clear();
  content_ = Content::none;
  body_.reset();
  put_method(link_.output, id_,
             ChannelClose{static_cast<std::uint16_t>(reply.code), reply.text, cause.class_id,
                          cause.method_id});
}

Result<void> ClientChannel::on_frame(const Frame& frame, MethodId method) {
  switch (frame.type) {
    case FrameType::method:
      if (content_ == Content::none) return on_method(method, frame.payload);
      return unexpected(method, "where content is due");
    case FrameType::header: return on_header(frame.payload);
    case FrameType::body: return on_body(frame.payload);
    case FrameType::heartbeat: break;
  }
  return Error{Errc::bad_frame, "the server sends a heartbeat on a channel"};
}

Result<void> ClientChannel::on_method(MethodId method, ByteView payload) {
  if (method.class_id == kLinkClass) return on_link_method(method, payload);
  switch (method.key()) {
    case BasicDeliver::kId.key():
    case BasicReturn::kId.key(): return on_content_method(method, payload);
    case BasicGetOk::kId.key():
    case BasicGetEmpty::kId.key(): return on_get_answer(method, payload);
    case BasicCancel::kId.key(): return on_cancel(payload);
    case ChannelFlow::kId.key(): return on_flow(payload);
    case BasicAck::kId.key(): {
      const auto ack = decode<BasicAck>(payload);
      return ack ? on_confirm(ack->delivery_tag, ack->multiple, true) : Result<void>(ack.error());
    }
    case BasicNack::kId.key(): {
      const auto nack = decode<BasicNack>(payload);
      return nack ? on_confirm(nack->delivery_tag, nack->multiple, false)
                  : Result<void>(nack.error());
    }
    default: return on_answer(method, payload);
  }
}

// basic.get's are answered when a message is there, so they are matched apart from the others.
Result<void> ClientChannel::on_get_answer(MethodId method, ByteView payload) {
  const auto due = std::ranges::find(waiting_, BasicGetOk::kId);
  if (due == waiting_.end()) return unexpected(method, "that nobody asked for");
  waiting_.erase(due);
  if (method == BasicGetOk::kId) return on_content_method(method, payload);
  link_.handler.on_answer(id_, {method, {}, 0, 0});
  return {};
}

Result<void> ClientChannel::on_answer(MethodId method, ByteView payload) {
  const auto due = std::ranges::find_if(
      waiting_, [](const MethodId& waits) { return waits != BasicGetOk::kId; });
  if (due == waiting_.end() || *due != method) return unexpected(method, "that nobody asked for");
  waiting_.erase(due);
  const auto tell = [&]<typename Ok>(const Result<Ok>& ok, auto&& answer) -> Result<void> {
    if (!ok) return ok.error();
    link_.handler.on_answer(id_, answer(*ok));
    return {};
  };
  switch (method.key()) {
    case QueueDeclareOk::kId.key():
      return tell(decode<QueueDeclareOk>(payload), [&](const QueueDeclareOk& ok) {
        return Answer{method, ok.queue, ok.message_count, ok.consumer_count};
      });
    case QueuePurgeOk::kId.key():
      return tell(decode<QueuePurgeOk>(payload), [&](const QueuePurgeOk& ok) {
        return Answer{method, {}, ok.message_count, 0};
      });
    case QueueDeleteOk::kId.key():
      return tell(decode<QueueDeleteOk>(payload), [&](const QueueDeleteOk& ok) {
        return Answer{method, {}, ok.message_count, 0};
      });
    case BasicConsumeOk::kId.key():
      return tell(decode<BasicConsumeOk>(payload), [&](const BasicConsumeOk& ok) {
        return Answer{method, ok.consumer_tag, 0, 0};
      });
    case BasicCancelOk::kId.key():
      return tell(decode<BasicCancelOk>(payload), [&](const BasicCancelOk& ok) {
        return Answer{method, ok.consumer_tag, 0, 0};
      });
    default: link_.handler.on_answer(id_, {method, {}, 0, 0}); return {};
  }
}

Result<void> ClientChannel::on_confirm(DeliveryTag tag, bool multiple, bool acked) {
  return confirms_.settle(tag, multiple, sent(), [&](DeliveryTag first, DeliveryTag last) {
    if (is_live()) link_.handler.on_confirmed(id_, first, last, acked);
  });
}

// What the protocol makes us answer waits while a body of ours is on its way.
template <typename Method>
Result<void> ClientChannel::reply(const Method& method) {
  if (left_ == 0) {
    put_method(link_.output, id_, method);
    return {};
  }
  net::Output answer;
  put_method(answer, id_, method);
  behind_.insert(behind_.end(), answer.owned().begin(), answer.owned().end());
  if (behind_.size() <= kBehindMax) return {};
  return Error{Errc::limit_reached, "the server asks too much while a body is on its way"};
}

Result<void> ClientChannel::on_cancel(ByteView payload) {
  const auto cancel = decode<BasicCancel>(payload);
  if (!cancel) return cancel.error();
  if (!has_consumed_) return unexpected(BasicCancel::kId, "where nothing consumes");
  if (!cancel->no_wait)
    if (auto replied = reply(BasicCancelOk{cancel->consumer_tag}); !replied) return replied;
  link_.handler.on_consumer_cancelled(id_, cancel->consumer_tag);
  return {};
}

Result<void> ClientChannel::on_flow(ByteView payload) {
  const auto flow = decode<ChannelFlow>(payload);
  if (!flow) return flow.error();
  if (auto replied = reply(ChannelFlowOk{flow->active}); !replied) return replied;
  link_.handler.on_flow(id_, flow->active);
  return {};
}

}  // namespace pannier::amqp
