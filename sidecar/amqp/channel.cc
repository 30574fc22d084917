#include "sidecar/amqp/channel.h"

#include "sidecar/amqp/channel_consumer.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

Channel::Channel(ChannelId id, SessionContext& context, SessionLink& session,
                 std::unique_ptr<ReplyGate> gate)
    : id_(id),
      context_(context),
      session_(session),
      gate_(std::move(gate)),
      streams_(id, *this, *this, context, session),
      alive_(std::make_shared<Channel*>(this)) {}

Channel::~Channel() { *alive_ = nullptr; }

template <typename Method>
void Channel::answer(const Method& method) {
  // Behind the answers that wait: a client may match them by their order.
  answer_after(0, [this, method] { put_method(output(), id_, method); });
}

void Channel::answer_after(queue::Commit commit, std::function<void()> answer) {
  if (!answers_wait() && commit <= context_.registry.spool().synced_commit()) {
    answer();
    return;
  }
  if (!waiting_.empty()) commit = std::max(commit, waiting_.back().commit);
  waiting_.push_back({commit, std::move(answer), false});
  session_.await_sync();
}

// A method that only servers send, or that there is not.
Error Channel::not_for_us(MethodId method) {
  const std::string number =
      std::to_string(method.class_id) + "." + std::to_string(method.method_id);
  if (is_method(method)) return {Errc::bad_argument, "unimplemented method " + number};
  return {Errc::bad_syntax, "there is no method " + number};
}

Result<void> Channel::on_method(MethodId method, ByteView payload) {
  if (publishing_)
    return Error{Errc::unexpected, publishing_->has_header
                                       ? "expected content body, got non content body frame instead"
                                       : "expected content header for class 60, got non content "
                                         "header frame instead"};
  if (gate_ && method != BasicPublish::kId && method != ConfirmSelect::kId)
    return Error{Errc::access_denied, "other agents send answers here, and nothing else"};
  if (waiting_.size() >= context_.limits.answers_waiting)
    return Error{Errc::spool_busy, "too many requests wait for an answer"};
  switch (method.class_id) {
    case ExchangeDeclare::kId.class_id: return on_exchange_method(method, payload);
    case QueueDeclare::kId.class_id: return on_queue_method(method, payload);
    case kBasicClass: return on_basic_method(method, payload);
    case TxSelect::kId.class_id: return on_tx_method(method, payload);
    default: break;
  }
  if (method == ConfirmSelect::kId) {
    const auto select = decode_request<ConfirmSelect>(payload);
    if (!select) return select.error();
    if (tx_) return Error{Errc::precondition, "cannot switch from tx to confirm mode"};
    confirms_ = true;
    if (!select->no_wait) answer(ConfirmSelectOk{});
    return {};
  }
  if (method == ChannelFlow::kId) {
    const auto flow = decode_request<ChannelFlow>(payload);
    if (!flow) return flow.error();
    flow_stopped_ = !flow->active;
    answer(ChannelFlowOk{flow->active});
    if (flow->active) pump_consumers();
    return {};
  }
  if (method == AccessRequest::kId) {
    if (auto request = decode_request<AccessRequest>(payload); !request) return request.error();
    answer(AccessRequestOk{1});
    return {};
  }
  return not_for_us(method);
}

void Channel::on_synced(queue::Commit synced) {
  while (!getting_ && !waiting_.empty() && waiting_.front().commit <= synced) {
    if (waiting_.front().is_get && !may_get()) break;
    const Waiting ready = std::move(waiting_.front());
    waiting_.pop_front();
    ready.answer();
  }
  release_confirms(synced);
}

void Channel::on_room() {
  const auto alive = alive_;
  streams_.on_room();
  if (*alive == nullptr || ended_) return;
  on_synced(context_.registry.spool().synced_commit());
  pump_consumers();
}

void Channel::close(bool counts_deliveries) {
  wind_down(counts_deliveries);
  streams_.drop_all();
}

void Channel::wind_down(bool counts_deliveries) {
  ended_ = true;
  if (tx_) static_cast<void>(tx_rollback());
  for (auto& [tag, consumer] : consumers_) consumer->queue()->remove_consumer(*consumer);
  for (Unacked& unacked : unacked_)
    if (unacked.queue)
      apply(unacked, [counts_deliveries](queue::Queue& queue, const queue::Receipt& receipt) {
        queue.give_back(receipt, {counts_deliveries});
      });
  unacked_.clear();
  unacked_count_ = consumed_unacked_ = 0;
  unacked_bytes_ = 0;
  tx_.reset();
  if (reply_consumer_) context_.replies.remove(reply_consumer_->name);
  reply_consumer_.reset();
  if (publishing_ && publishing_->body_id && *publishing_->body_id)
    context_.registry.spool().abort_body(**publishing_->body_id);
  publishing_.reset();
  pending_confirms_.clear();
  waiting_.clear();
  streams_.wind_down();
  const auto consumers = std::exchange(consumers_, {});
  for (const auto& [tag, consumer] : consumers) context_.registry.consumer_left(consumer->queue());
}

template void Channel::answer(const ExchangeDeclareOk&);
template void Channel::answer(const ExchangeDeleteOk&);
template void Channel::answer(const QueueDeclareOk&);
template void Channel::answer(const BasicConsumeOk&);
template void Channel::answer(const BasicQosOk&);
template void Channel::answer(const TxRollbackOk&);
template void Channel::answer(const TxSelectOk&);
template void Channel::answer(const BasicCancel&);
template void Channel::answer(const BasicCancelOk&);
template void Channel::answer(const BasicRecoverOk&);

}  // namespace pannier::amqp
