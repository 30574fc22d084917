#include <algorithm>

#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

Result<void> Channel::on_tx_method(MethodId method, ByteView payload) {
  if (payload.size() != 4) return Error{Errc::bad_frame, "a method of tx has no fields"};
  if (method == TxSelect::kId) {
    if (confirms_) return Error{Errc::precondition, "cannot switch from confirm to tx mode"};
    if (!tx_) tx_.emplace(context_.limits, context_.transactions);
    answer(TxSelectOk{});
    return {};
  }
  if (method != TxCommit::kId && method != TxRollback::kId) return not_for_us(method);
  if (!tx_) return Error{Errc::precondition, "channel is not transactional"};
  if (method == TxCommit::kId) return tx_commit();
  auto done = tx_rollback();
  if (done) answer(TxRollbackOk{});
  return done;
}

// Where it goes is decided now; it goes there with the commit.
Result<void> Channel::tx_publish(std::vector<queue::QueuePtr> queues,
                                 const queue::MessagePtr& message) {
  constexpr std::uint64_t kOverhead = 512;
  const std::uint64_t bytes = kOverhead + (message->parts > 0 ? 0 : message->bytes());
  auto charge = Charge::of(tx_->budget, bytes);
  if (!charge)
    return Error{Errc::precondition,
                 "too many bytes in transactions that are not committed: on this channel " +
                     std::to_string(tx_->budget.used()) + ", the most is " +
                     std::to_string(context_.limits.tx_bytes_per_channel)};
  const bool is_remote = queues.empty() && message->parts == 0 && is_for_remote(*message);
  if (is_remote)
    context_.remote_replies->send(message, nullptr, [](RemoteReplies::Outcome) {});
  else if (message->parts == 0)
    send_replies(message, nullptr);  // else its body is the commit's
  const bool mandatory = publishing_->method.mandatory && !is_remote;
  tx_->publishes.push_back({{std::move(queues), message}, mandatory, std::move(*charge)});
  return {};
}

// What is being sent is settled when all of it has been: until then its body must stay.
queue::Transaction Channel::transaction() const {
  queue::Transaction transaction;
  for (const Tx::Publish& each : tx_->publishes) transaction.publishes.push_back(each.publish);
  for (const auto& [unacked, verdict] : tx_->settled)
    if (verdict == Verdict::ack && !streams_.is_sending(unacked.receipt))
      transaction.acks.push_back({unacked.queue, unacked.receipt});
  return transaction;
}

// A refusal takes nothing back, and costs the channel instead of the answer, as in RabbitMQ.
Result<void> Channel::tx_commit() {
  auto committed = context_.registry.commit(transaction());
  if (!committed) return committed.error();
  finish_publishes(std::exchange(tx_->publishes, {}), *committed);
  finish_settled(std::exchange(tx_->settled, {}));
  if (committed->refused)
    return Error{Errc::precondition, "partial tx completion: " + committed->why};
  answer_after(committed->commit, [this] { put_method(output(), id_, TxCommitOk{}); });
  return {};
}

void Channel::finish_publishes(std::vector<Tx::Publish> publishes,
                               const queue::Committed& committed) {
  for (std::size_t i = 0; i < publishes.size(); ++i) {
    const queue::MessagePtr& message = publishes[i].publish.message;
    const auto& [routed, taken] = committed.publishes[i];
    const auto body = taken ? nullptr : hold_parts(message);
    if (!routed && publishes[i].mandatory) give_back_message(message, body);
  }
}

void Channel::finish_settled(std::vector<Tx::Settled> settled) {
  for (auto& [unacked, verdict] : settled) {
    release(unacked);
    // An ack that was of the group is known: nothing happens again.
    apply(unacked, settle_of(verdict));
  }
  pump_consumers();
}

// What was acknowledged is as if it never had been: it can be, again.
Result<void> Channel::tx_rollback() {
  for (const Tx::Publish& each : std::exchange(tx_->publishes, {}))
    hold_parts(each.publish.message);
  for (auto& [unacked, verdict] : std::exchange(tx_->settled, {}))
    unacked_.push_back(std::move(unacked));
  std::erase_if(unacked_, [](const Unacked& unacked) { return unacked.queue == nullptr; });
  std::sort(unacked_.begin(), unacked_.end(),
            [](const Unacked& a, const Unacked& b) { return a.tag < b.tag; });
  return {};
}

}  // namespace pannier::amqp
