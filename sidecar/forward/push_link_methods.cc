#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/push_link.h"

namespace pannier::forward {
namespace {

using enum PushQueue::State;

constexpr std::size_t kSequenceBytes = 8;

std::string packed(std::span<const queue::Sequence> sequences) {
  Bytes bytes;
  ByteWriter out(bytes);
  for (const queue::Sequence sequence : sequences) out.be(sequence);
  return std::string(as_text(bytes));
}

}  // namespace

// Within a body no method may stand.
bool PushLink::may_say() const { return is_open() && !stream_; }

void PushLink::say(const auto& method) {
  if (auto sent = session_->send(kPushChannel, method); !sent)
    log::warn("a link's method cannot be sent",
              {{"peer", target_.pod_name}, {"error", sent.error().detail}});
}

void PushLink::say_all() {
  if (!may_say()) return;
  for (const std::string& name : std::exchange(due_, {}))
    if (const auto push = find(name)) say_what_is_due(*push);
}

void PushLink::say_what_is_due(PushQueue& push) {
  const std::size_t most =
      std::min(kForgetsPerMethodMax, (session_->tuned().frame_max - 1'024) / kSequenceBytes);
  if (push.state == active) {
    const std::vector<queue::Sequence> all = std::exchange(push.to_forget, {});
    for (std::size_t at = 0; at < all.size(); at += most)
      say(LinkForget{push.name,
                     {packed(std::span(all).subspan(at, std::min(most, all.size() - at)))}});
    const bool is_over = !push.is_wanted || push.is_stale();
    if (is_over && push.puts().empty() && push.settling.empty()) {
      say(LinkStop{push.name});
      push.state = push.is_wanted ? idle : stopped;
    }
  }
  if (push.state != idle || (!push.is_wanted && push.puts().empty())) return;
  push.state = asked;
  push.told_drains = push.drains;
  const queue::Sequence floor = parts_.user.floor_of(push);
  std::erase_if(push.to_forget, [floor](queue::Sequence each) { return each < floor; });
  const Uuid& spool = parts_.registry.spool().id();
  say(LinkPush{
      push.name, push.uid, {std::string(as_text(spool))}, push.queue->id(), floor, push.drains});
}

Result<void> PushLink::on_link_method(amqp::ChannelId channel, amqp::MethodId method,
                                      ByteView payload) {
  if (channel != kPushChannel || !is_open())
    return Error{Errc::unexpected, "a link's method on that channel"};
  const auto with = [payload]<typename Method>(auto&& act, const Method*) -> Result<void> {
    const auto decoded = amqp::decode<Method>(payload);
    if (!decoded) return decoded.error();
    return act(*decoded);
  };
  switch (method.key()) {
    case LinkPushOk::kId.key():
      return with([this](const auto& m) { return on_push_ok(m); },
                  static_cast<const LinkPushOk*>(nullptr));
    case LinkTaken::kId.key():
      return with([this](const auto& m) { return on_taken(m); },
                  static_cast<const LinkTaken*>(nullptr));
    case LinkEnd::kId.key():
      return with([this](const auto& m) { return on_link_end(m); },
                  static_cast<const LinkEnd*>(nullptr));
    default: return Error{Errc::unexpected, "a link's method that a receiver does not send"};
  }
}

Result<PushQueuePtr> PushLink::known(const std::string& queue) const {
  if (auto push = find(queue)) return push;
  return Error{Errc::unexpected, "a link's method names a queue that is not pushed"};
}

Result<void> PushLink::on_push_ok(const LinkPushOk& ok) {
  const auto found = known(ok.queue);
  if (!found) return found.error();
  PushQueue& push = **found;
  // After the end of an earlier push that has crossed what we asked.
  const bool is_asked = push.state == asked || push.state == ended;
  if (!is_asked) return Error{Errc::unexpected, "push-ok where nothing was asked for"};
  push.start_anew();
  push.state = active;
  push.set_window(ok.messages, ok.bytes);
  push.moved_at = parts_.clock.now();
  due_.insert(push.name);  // what it may forget, or that there is no more
  go_on();
  parts_.user.on_push_room(*this);
  return {};
}

Result<void> PushLink::on_taken(const LinkTaken& taken) {
  const auto found = known(taken.queue);
  if (!found) return found.error();
  const PushQueuePtr push = *found;
  // A push that has ended is still answered, until we are told that another one has begun.
  const bool is_over = push->state == ended || push->state == asked;
  if (push->state != active && !is_over)
    return Error{Errc::unexpected, "an answer to nothing that was sent"};
  if (taken.how > static_cast<std::uint8_t>(LinkTaken::How::refused))
    return Error{Errc::bad_syntax, "an answer that nobody knows"};
  if (taken.sequences.text.size() % kSequenceBytes != 0)
    return Error{Errc::bad_syntax, "sequences that are cut short"};
  const auto how = static_cast<LinkTaken::How>(taken.how);
  ByteReader in(as_bytes(taken.sequences.text));
  for (std::size_t left = taken.sequences.text.size() / kSequenceBytes; left > 0; --left) {
    const auto sequence = in.be<std::uint64_t>();
    const PushQueue::Put* put = push->find(sequence);
    const bool is_streamed = stream_ && stream_->push == push && stream_->sequence == sequence;
    const bool is_whole = !is_streamed || how == LinkTaken::How::refused;
    if (put == nullptr || put->is != PushQueue::Is::sent || !is_whole)
      return Error{Errc::unexpected, "an answer to what was not sent, or not all of it"};
    answer(push, sequence, how, taken.why);
  }
  push->moved_at = parts_.clock.now();
  due_.insert(push->name);
  send_waiting(push);
  parts_.user.on_push_room(*this);
  return {};
}

// One that was refused before all of it had left: its body has to stay until then.
void PushLink::answer(const PushQueuePtr& push, queue::Sequence sequence, LinkTaken::How how,
                      const std::string& why) {
  if (stream_ && stream_->push == push && stream_->sequence == sequence) {
    push->find(sequence)->is = PushQueue::Is::refused;
    return;
  }
  const queue::Delivery delivery = push->remove(sequence);
  if (how == LinkTaken::How::refused) {
    parts_.user.on_refused(push, delivery, why);
    return;
  }
  backoff_.reset();
  ++taken_;
  ++push->taken;
  parts_.user.on_taken(push, delivery);
}

// The answer to our stop may have crossed it. What is on its way is answered yet, be it as refused;
// what is not is sent again with the next push.
Result<void> PushLink::on_link_end(const LinkEnd& end) {
  const auto found = known(end.queue);
  if (!found) return found.error();
  const PushQueuePtr push = *found;
  if (push->state == stopped) return {};
  log::info("a queue cannot be pushed there now",
            {{"peer", target_.pod_name}, {"queue", end.queue}, {"why", end.why}});
  push->state = ended;
  push->again_at = parts_.clock.now() + kPushAgain;
  parts_.user.on_push_ended(push);
  return {};
}

}  // namespace pannier::forward
