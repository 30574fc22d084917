#include <algorithm>

#include "sidecar/forward/link_channel.h"
#include "sidecar/forward/link_receipts.h"

namespace pannier::forward {
namespace {

using How = queue::RemoteOrigin::Settle;
using Failure = queue::RemoteOrigin::Failure;

// False from the queue: it has timed out and is on its way again; a late settle is ignored.
void settle_in(queue::Queue& queue, const queue::Receipt& receipt, How how,
               const Failure& failure) {
  switch (how) {
    case How::ack: static_cast<void>(queue.ack(receipt)); return;
    case How::failed:
      static_cast<void>(
          queue.give_back(receipt, {true, failure.backs_off, failure.delay, failure.reason}));
      return;
    case How::give_back: static_cast<void>(queue.give_back(receipt, {false})); return;
    case How::discard: static_cast<void>(queue.discard(receipt)); return;
  }
}

}  // namespace

// Only what this pod was given: receipts could be guessed.
Result<void> LinkChannel::settle(const LinkSettle& method) {
  if (method.how > static_cast<std::uint8_t>(How::discard))
    return Error{Errc::bad_argument,
                 "a message cannot be settled by " + std::to_string(method.how)};
  return settle_all(method.queue, method.receipts, static_cast<How>(method.how), {});
}

Result<void> LinkChannel::fail(const LinkFail& method) {
  Failure failure{{}, method.backs_off, method.reason};
  constexpr std::chrono::milliseconds kMost = queue::kTimeoutMax;
  if (method.has_delay)
    failure.delay = std::chrono::milliseconds(
        std::min(method.delay, static_cast<std::uint64_t>(kMost.count())));
  return settle_all(method.queue, method.receipts, How::failed, failure);
}

Result<void> LinkChannel::settle_all(const std::string& queue_name, const amqp::LongString& packed,
                                     How how, const Failure& failure) {
  const auto receipts = unpack_receipts(packed);
  if (!receipts) return receipts.error();
  const auto found = pulls_.find(queue_name);
  Pull* pull = found == pulls_.end() ? nullptr : &found->second;
  const std::size_t count_before = unacked_count_;
  const bool was_full = unacked_count_ >= context_.limits.unacked_per_channel ||
                        unacked_bytes_ >= context_.limits.unacked_bytes_per_channel;
  const bool was_at_limit = pull != nullptr && is_at_limit(*pull);
  for (const queue::Receipt& receipt : *receipts) {
    if (pull != nullptr && forget(*pull, receipt))
      finish(pull->queue, receipt, how, failure);
    else if (const auto queue = leases_.take_one(pod(), queue_name, receipt))
      finish(queue, receipt, how, failure);
  }
  ++settles_;
  session_.await_sync();
  if (unacked_count_ == count_before) return {};
  if (was_full)
    pump();
  else if (was_at_limit && pull->consumer)
    pull->queue->pump();
  drop_if_done(queue_name);
  return {};
}

void LinkChannel::remember(Pull& pull, const LinkHeld& held) {
  if (!pull.unacked.emplace(held.receipt.delivery, held).second) return;
  ++unacked_count_;
  unacked_bytes_ += held.bytes;
}

bool LinkChannel::forget(Pull& pull, const queue::Receipt& receipt) {
  const auto found = pull.unacked.find(receipt.delivery);
  if (found == pull.unacked.end() || found->second.receipt != receipt) return false;
  --unacked_count_;
  unacked_bytes_ -= found->second.bytes;
  pull.unacked.erase(found);
  return true;
}

void LinkChannel::drop_unacked(Pull& pull) {
  for (const auto& [delivery, held] : pull.unacked) unacked_bytes_ -= held.bytes;
  unacked_count_ -= pull.unacked.size();
  pull.unacked.clear();
}

// At once, or when all of it has been sent: until then its body must stay.
void LinkChannel::finish(const queue::QueuePtr& queue, const queue::Receipt& receipt, How how,
                         const Failure& failure) {
  const bool is_later = streams_.settle_later(
      receipt, [queue, receipt, how, failure] { settle_in(*queue, receipt, how, failure); });
  if (!is_later) settle_in(*queue, receipt, how, failure);
}

// What has come until now, with what is still to be settled once its body is sent.
void LinkChannel::flush_settles() {
  if (settles_ == flushed_ || streams_.has_settles() ||
      unsynced_.size() >= context_.limits.answers_waiting)
    return;
  context_.registry.context().journal_changes();
  const auto commit = context_.registry.spool().flush_settles();
  if (!commit) return;  // with the next sync
  flushed_ = settles_;
  unsynced_.push_back({*commit, settles_});
}

void LinkChannel::on_synced(queue::Commit) {
  flush_settles();
  const queue::Commit synced = context_.registry.spool().synced_commit();
  std::uint64_t settles = 0;
  while (!unsynced_.empty() && unsynced_.front().commit <= synced) {
    settles = unsynced_.front().settles;
    unsynced_.pop_front();
  }
  if (settles == 0) return;
  put(LinkSettled{settles});
  session_.session_rings();
}

}  // namespace pannier::forward
