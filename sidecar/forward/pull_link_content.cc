#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/pull_link.h"
#include "sidecar/forward/reply_names.h"

namespace pannier::forward {
namespace {

constexpr std::size_t kNameMax = 255;

}  // namespace

// The head of a message, into method_.
Result<OriginQueuePtr> PullLink::receive(ByteView payload) {
  if (auto done = amqp::decode_into(method_, payload); !done) return done.error();
  const auto found = known(method_.queue);
  if (!found) return found;
  const OriginQueuePtr origin = *found;
  const bool is_active = origin->state == OriginQueue::State::active;
  if (is_active && !origin->may_come())
    return Error{Errc::limit_reached, "a message comes that there was no credit for"};
  if (!is_active && origin->unsettled() > 2 * kHeldMax)
    return Error{Errc::limit_reached, "messages come that nobody asks for"};
  if (method_.exchange.size() > kNameMax || method_.routing_key.size() > kNameMax)
    return Error{Errc::bad_syntax, "a name is longer than 255 bytes"};
  origin->note_progress(parts_.clock.now());
  return origin;
}

// What comes for a queue that is not pulled (any more, or not yet again) goes back.
void PullLink::take(const OriginQueuePtr& origin, queue::Message message, std::uint32_t parts) {
  const queue::Receipt receipt{method_.sequence, method_.delivery};
  const auto body = parts > 0 ? message.body_id : spool::BodyId{0};
  if (origin->state != OriginQueue::State::active) {
    if (body != 0) parts_.bodies->drop(body);
    origin->settle_stray(receipt, queue::RemoteOrigin::Settle::give_back);
    return;
  }
  const auto tag = origin->hold(receipt, body);
  if (!tag) {
    if (body != 0) parts_.bodies->drop(body);
    fault({Errc::unexpected, "a delivery comes twice"});
    return;
  }
  origin->on_delivered();
  backoff_.reset();
  const auto age = std::min<std::uint64_t>(method_.age, 1ull << 40);
  message.published = parts_.clock.now_ms() - static_cast<std::int64_t>(age);
  const ByteView attributes = as_bytes(method_.attributes.text);
  message.attributes.assign(attributes.begin(), attributes.end());
  queue::RemoteMessage remote;
  remote.message = std::make_shared<const queue::Message>(std::move(message));
  remote.delivery_count = method_.delivery_count;
  remote.redelivered = method_.redelivered;
  remote.origin = origin;
  remote.tag = *tag;
  if (const auto reply_to = reply_to_in(remote.message->properties()); !reply_to.empty())
    parts_.user.on_asked(target_, reply_to);
  parts_.user.on_pulled(origin, std::move(remote));
}

void PullLink::on_message(amqp::ChannelId channel, const amqp::Incoming& head, Slice body) {
  if (channel == kReplyChannel) return replies_.on_returned(head);
  if (head.kind != amqp::Incoming::Kind::linked)
    return fault({Errc::unexpected, "a message comes that no link delivers"});
  const auto origin = receive(head.link_method);
  if (!origin) return fault(origin.error());
  queue::Message message;
  message.head = queue::make_head(method_.exchange, method_.routing_key, head.properties);
  message.body_size = body.size();
  message.body = std::move(body);
  take(*origin, std::move(message), 0);
}

void PullLink::on_body_begin(amqp::ChannelId channel, const amqp::Incoming& head) {
  if (channel == kReplyChannel) return replies_.on_returned(head);
  if (head.kind != amqp::Incoming::Kind::linked)
    return fault({Errc::unexpected, "a message comes that no link delivers"});
  const auto origin = receive(head.link_method);
  if (!origin) return fault(origin.error());
  arriving_.emplace();
  arriving_->origin = *origin;
  arriving_->properties.assign(head.properties.begin(), head.properties.end());
  arriving_->body_size = head.body_size;
  arriving_->is_folded = head.is_folded;
  arriving_->is_refused = arriving_->origin->state != OriginQueue::State::active;
}

void PullLink::on_body_part(amqp::ChannelId channel, ByteView part) {
  if (!arriving_ || channel != kPullChannel) return;
  arriving_->origin->note_progress(parts_.clock.now());
  if (arriving_->is_refused) return;
  arriving_->part.insert(arriving_->part.end(), part.begin(), part.end());
  if (arriving_->part.size() < kPulledPartBytes || flush_parts()) return;
  is_paused_ = true;
  session_->pause();
}

void PullLink::on_body_end(amqp::ChannelId channel) {
  if (!arriving_ || channel != kPullChannel) return;
  arriving_->is_whole = true;
  if (flush_parts()) return finish_body();
  is_paused_ = true;
  session_->pause();
}

// Full parts, and the last one. False: the spool is behind. A body that it refuses is only counted
// from then on.
bool PullLink::flush_parts() {
  Arriving& arriving = *arriving_;
  std::size_t at = 0;
  bool is_behind = false;
  while (!arriving.is_refused && at < arriving.part.size()) {
    const std::size_t size = std::min(kPulledPartBytes, arriving.part.size() - at);
    if (size < kPulledPartBytes && !arriving.is_whole) break;
    const auto done = put_part(ByteView(arriving.part).subspan(at, size));
    is_behind = !done && done.error().code == Errc::spool_busy;
    if (is_behind) break;
    if (!done) refuse(done.error());
    at += size;
  }
  if (arriving.is_refused) at = arriving.part.size();
  arriving.part.erase(arriving.part.begin(),
                      arriving.part.begin() + static_cast<std::ptrdiff_t>(at));
  return !is_behind;
}

Result<void> PullLink::put_part(ByteView part) {
  Arriving& arriving = *arriving_;
  if (!arriving.body) {
    // What travels compressed is worth keeping so.
    const auto begun =
        parts_.bodies->begin(arriving.is_folded ? spool::Codec::lz4 : spool::Codec::none);
    if (!begun) return begun.error();
    arriving.body = *begun;
  }
  auto done = parts_.bodies->append(*arriving.body, Slice::copy_of(part));
  if (done) ++arriving.parts;
  return done;
}

void PullLink::refuse(const Error& why) {
  log::warn("a large message has no room here and goes back",
            {{"peer", target_.pod_name}, {"error", why.detail}});
  arriving_->is_refused = true;
  if (arriving_->body) parts_.bodies->drop(*std::exchange(arriving_->body, {}));
  parts_.user.on_no_room(arriving_->origin);
}

void PullLink::go_on_with_body() {
  if (arriving_ && !flush_parts()) return;
  is_paused_ = false;
  if (arriving_ && arriving_->is_whole) finish_body();
  if (session_ != nullptr) session_->resume();
}

// method_ is still that of this message: nothing else comes on the channel within a content.
void PullLink::finish_body() {
  Arriving arriving = std::move(*std::exchange(arriving_, {}));
  if (!arriving.body) {
    const bool is_active = arriving.origin->state == OriginQueue::State::active;
    if (is_active) arriving.origin->on_delivered();
    arriving.origin->settle_stray({method_.sequence, method_.delivery},
                                  queue::RemoteOrigin::Settle::give_back);
    parts_.user.on_origin_changed(arriving.origin);
    return;
  }
  queue::Message message;
  message.head = queue::make_head(method_.exchange, method_.routing_key, arriving.properties);
  message.body_size = arriving.body_size;
  message.body_id = *arriving.body;
  message.parts = arriving.parts;
  take(arriving.origin, std::move(message), arriving.parts);
}

void PullLink::drop_arriving() {
  is_paused_ = false;
  if (arriving_ && arriving_->body) parts_.bodies->drop(*arriving_->body);
  arriving_.reset();
}

}  // namespace pannier::forward
