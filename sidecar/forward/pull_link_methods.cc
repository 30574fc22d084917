#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/link_receipts.h"
#include "sidecar/forward/pull_link.h"

namespace pannier::forward {
namespace {

std::string packed(const std::vector<queue::Receipt>& receipts) {
  Bytes bytes;
  ByteWriter out(bytes);
  for (const queue::Receipt& receipt : receipts) {
    out.be(receipt.sequence);
    out.be(receipt.delivery);
  }
  return std::string(as_text(bytes));
}

std::vector<queue::Receipt> unpacked(std::string_view text) {
  std::vector<queue::Receipt> receipts(text.size() / kReceiptBytes);
  ByteReader in(as_bytes(text));
  for (queue::Receipt& receipt : receipts) {
    receipt.sequence = in.be<std::uint64_t>();
    receipt.delivery = in.be<std::uint64_t>();
  }
  return receipts;
}

}  // namespace

void PullLink::send(const auto& method) {
  if (auto sent = session_->send(kPullChannel, method); !sent)
    log::warn("a link's method cannot be sent",
              {{"peer", target_.pod_name}, {"error", sent.error().detail}});
}

// No more than the origin takes, whatever else the frame has room for.
std::size_t PullLink::receipts_per_frame() const {
  return forward::receipts_per_frame(session_->tuned().frame_max);
}

void PullLink::send_pull(OriginQueue& origin) {
  origin.state = OriginQueue::State::pulling;
  send(LinkPull{origin.name, origin.uid, {packed(origin.to_name(receipts_per_frame()))}});
}

void PullLink::send_credit(const OriginQueue& origin, bool asks) {
  if (is_open()) send(LinkCredit{origin.name, origin.limit(), asks});
}

// A settle of nothing follows, whose answer comes after all messages from before the stop.
// One that is being asked for stops once that is answered: no answer is taken for another.
void PullLink::stop(OriginQueue& origin) {
  using enum OriginQueue::State;
  origin.is_wanted = false;
  if (origin.state == pulling) return;
  const bool is_known = origin.state == active && is_open();
  origin.start_anew(0);
  origin.state = stopped;
  if (!is_known) return;
  send(LinkStop{origin.name});
  constexpr auto kHow = queue::RemoteOrigin::Settle::give_back;
  send(LinkSettle{origin.name, static_cast<std::uint8_t>(kHow), {}});
  sent_.push_back({current(origin.name), kHow, {}, true});
  ++origin.stops_unanswered;
}

// Few methods: one for each way of settling, as long as they fit into a frame. What is settled
// while the origin has not said yet what stands, waits for that.
void PullLink::flush_settles(const OriginQueuePtr& origin) {
  if (origin->state == OriginQueue::State::pulling || origin->state == OriginQueue::State::idle) {
    to_flush_.insert(origin.get());
    return;
  }
  using How = std::pair<queue::RemoteOrigin::Settle, queue::RemoteOrigin::Failure>;
  std::map<How, std::vector<queue::Receipt>> by_how;
  for (Settled& settled : origin->take_settles())
    by_how[{settled.how, std::move(settled.failure)}].push_back(settled.receipt);
  const std::size_t most = receipts_per_frame();
  for (const auto& [how, receipts] : by_how)
    for (std::size_t at = 0; at < receipts.size(); at += most) {
      const auto first = receipts.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = static_cast<std::ptrdiff_t>(std::min(most, receipts.size() - at));
      sent_.push_back({origin, how.first, {first, first + count}, false, how.second});
      send_settle(sent_.back());
    }
}

// An origin of an older release learns no more than that it has failed.
void PullLink::send_settle(const Sent& sent) {
  const queue::RemoteOrigin::Failure& failure = sent.failure;
  const amqp::LongString receipts{packed(sent.receipts)};
  if (!knows_failures_ || failure == queue::RemoteOrigin::Failure{})
    return send(LinkSettle{sent.origin->name, static_cast<std::uint8_t>(sent.how), receipts});
  const auto delay = failure.delay.value_or(std::chrono::milliseconds(0));
  send(LinkFail{sent.origin->name, failure.delay.has_value(), failure.backs_off,
                static_cast<std::uint64_t>(delay.count()), failure.reason, receipts});
}

Result<void> PullLink::on_link_method(amqp::ChannelId channel, amqp::MethodId method,
                                      ByteView payload) {
  if (channel != kPullChannel) return Error{Errc::unexpected, "a link's method on that channel"};
  const auto with = [payload]<typename Method>(auto&& act, const Method*) -> Result<void> {
    const auto decoded = amqp::decode<Method>(payload);
    if (!decoded) return decoded.error();
    return act(*decoded);
  };
  switch (method.key()) {
    case LinkPullOk::kId.key():
      return with([this](const auto& m) { return on_pull_ok(m); },
                  static_cast<const LinkPullOk*>(nullptr));
    case LinkReady::kId.key():
      return with([this](const auto& m) { return on_ready(m); },
                  static_cast<const LinkReady*>(nullptr));
    case LinkSettled::kId.key():
      return with([this](const auto& m) { return on_settled(m); },
                  static_cast<const LinkSettled*>(nullptr));
    case LinkEnd::kId.key():
      return with([this](const auto& m) { return on_link_end(m); },
                  static_cast<const LinkEnd*>(nullptr));
    default: return Error{Errc::unexpected, "a link's method that an origin does not send"};
  }
}

Result<OriginQueuePtr> PullLink::known(const std::string& queue) const {
  if (auto origin = current(queue)) return origin;
  return Error{Errc::unexpected, "a link's method names a queue that is not pulled"};
}

Result<void> PullLink::on_pull_ok(const LinkPullOk& ok) {
  const auto found = known(ok.queue);
  if (!found) return found.error();
  const OriginQueuePtr origin = *found;
  if (origin->state == OriginQueue::State::stopped) return {};  // it has crossed our stop
  if (origin->state != OriginQueue::State::pulling)
    return Error{Errc::unexpected, "pull-ok where nothing was asked for"};
  if (ok.kept.text.size() % kReceiptBytes != 0)
    return Error{Errc::bad_syntax, "receipts that are cut short"};
  origin->keep_only(unpacked(ok.kept.text));
  origin->start_anew(ok.ready);
  origin->note_progress(parts_.clock.now());
  to_flush_.insert(origin.get());
  if (!origin->is_wanted) stop(*origin);
  parts_.user.on_origin_changed(origin);
  return {};
}

Result<void> PullLink::on_ready(const LinkReady& ready) {
  const auto found = known(ready.queue);
  if (!found) return found.error();
  const OriginQueuePtr origin = *found;
  if (origin->state != OriginQueue::State::active) return {};
  const bool was_quiet = !origin->may_stall();
  const bool has_answered = origin->on_ready(ready.ready, ready.oldest_age, ready.limit);
  if (has_answered && origin->is_stalled()) send_credit(*origin, true);
  if (was_quiet) origin->note_progress(parts_.clock.now());
  parts_.user.on_origin_changed(origin);
  return {};
}

Result<void> PullLink::on_settled(const LinkSettled& settled) {
  if (settled.count < durable_ || settled.count - durable_ > sent_.size())
    return Error{Errc::unexpected, "more settles are durable than were sent"};
  for (; durable_ < settled.count; ++durable_) {
    const Sent sent = std::move(sent_.front());
    sent_.pop_front();
    sent.origin->on_durable(sent.receipts, sent.how);
    if (sent.is_stop) --sent.origin->stops_unanswered;
    backoff_.reset();
    parts_.user.on_origin_changed(sent.origin);
  }
  return {};
}

Result<void> PullLink::on_link_end(const LinkEnd& end) {
  const auto found = known(end.queue);
  if (!found) return found.error();
  const OriginQueuePtr origin = *found;
  if (origin->state == OriginQueue::State::stopped) return {};
  log::info("a queue cannot be pulled from there now",
            {{"peer", target_.pod_name}, {"queue", end.queue}, {"why", end.why}});
  origin->start_anew(0);
  origin->state = OriginQueue::State::ended;
  to_flush_.insert(origin.get());  // what was settled may be leased there
  pull_again_[end.queue] = parts_.clock.now() + kPullAgain;
  parts_.user.on_origin_changed(origin);
  return {};
}

}  // namespace pannier::forward
