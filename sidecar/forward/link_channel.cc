#include "sidecar/forward/link_channel.h"

#include <unordered_set>

#include "common/log.h"
#include "sidecar/amqp/channel.h"
#include "sidecar/forward/folding.h"
#include "sidecar/forward/link_consumer.h"
#include "sidecar/forward/link_decode.h"
#include "sidecar/forward/link_receipts.h"
#include "sidecar/forward/push_channel.h"

namespace pannier::forward {
namespace {

// What an agent was given to answer, it may answer.
class LinkGate final : public amqp::ReplyGate {
 public:
  LinkGate(const ReplyNames& names, std::string pod) : names_(names), pod_(std::move(pod)) {}
  bool may_answer(std::string_view name) const override { return names_.knows(pod_, name); }

 private:
  const ReplyNames& names_;
  const std::string pod_;
};

}  // namespace

LinkChannel::LinkChannel(amqp::ChannelId id, amqp::SessionContext& context,
                         amqp::SessionLink& session, LinkLeases& leases)
    : id_(id),
      context_(context),
      session_(session),
      leases_(leases),
      unacked_per_pull_(receipts_per_frame(session.frame_max())),
      streams_(id, *this, *this, context, session) {
  leases_.enter(pod(), *this);
}

LinkChannel::~LinkChannel() { leases_.leave(pod(), *this); }

Result<void> LinkChannel::on_method(amqp::MethodId method, ByteView payload) {
  if (method == LinkPull::kId)
    return with<LinkPull>(payload, [this](const auto& m) { return pull(m); });
  if (method == LinkCredit::kId)
    return with<LinkCredit>(payload, [this](const auto& m) { return credit(m); });
  if (method == LinkSettle::kId)
    return with<LinkSettle>(payload, [this](const auto& m) { return settle(m); });
  if (method == LinkFail::kId)
    return with<LinkFail>(payload, [this](const auto& m) { return fail(m); });
  const auto stops = [this](const auto& m) -> Result<void> {
    stop(m.queue);
    return {};
  };
  if (method == LinkStop::kId) return with<LinkStop>(payload, stops);
  if (method == LinkEnd::kId) return with<LinkEnd>(payload, stops);
  return Error{Errc::not_supported, "method " + std::to_string(method.class_id) + "." +
                                        std::to_string(method.method_id) + " on a link"};
}

Result<void> LinkChannel::on_header(ByteView) {
  return Error{Errc::unexpected, "contents come from the origin only"};
}
Result<void> LinkChannel::on_body(ByteView) {
  return Error{Errc::unexpected, "contents come from the origin only"};
}

Result<queue::QueuePtr> LinkChannel::pullable(const std::string& queue, const std::string& uid) {
  if (leases_.is_closed()) return Error{Errc::closed, "this agent is shutting down"};
  auto found = context_.registry.find_queue(queue, session_.owner());
  if (!found) return found;
  if (auto may = context_.access.may(session_.principal(), Verb::consume, queue); !may)
    return may.error();
  const queue::QueueDefinition* definition = context_.registry.definition_of(queue);
  if (uid.empty() || definition->uid != uid)
    return Error{Errc::not_found, "queue '" + queue + "' is of another MessageQueue here"};
  return found;
}

Result<void> LinkChannel::pull(const LinkPull& method) {
  const auto held = unpack_receipts(method.held, unacked_per_pull_);
  if (!held) return held.error();
  const auto known = pulls_.find(method.queue);
  if (known != pulls_.end() && known->second.consumer)
    return Error{Errc::precondition, "queue '" + method.queue + "' is pulled already"};
  if (known == pulls_.end() && pulls_.size() >= context_.limits.consumers_per_channel) {
    put(LinkEnd{method.queue, "too many queues are pulled over one link"});
    return {};
  }
  const auto found = pullable(method.queue, method.uid);
  if (!found) {
    put(LinkEnd{method.queue, found.error().detail});
    return {};
  }
  Pull& pull = pulls_[method.queue];
  if (pull.queue != *found) drop_unacked(pull);  // it had the name before
  pull.name = method.queue;
  pull.uid = method.uid;
  pull.queue = *found;
  pull.limit = pull.delivered = 0;
  pull.asks = false;
  const auto kept = take_over(pull, *held);
  pull.announced = pull.queue->deliverable();
  pull.announced_at = context_.clock.now();
  put(LinkPullOk{pull.name, pack_receipts(kept), pull.announced});
  pull.consumer = std::make_unique<PullConsumer>(*this, pull);
  pull.queue->add_consumer(*pull.consumer);
  return {};
}

// What the pod had of that queue: what it still holds is this link's, the rest goes back. Returns
// what still stands, in the order of `held`.
std::vector<queue::Receipt> LinkChannel::take_over(Pull& pull,
                                                   const std::vector<queue::Receipt>& held) {
  std::unordered_set<std::uint64_t> named;
  for (const queue::Receipt& receipt : held) named.insert(receipt.delivery);
  std::vector<LinkHeld> had = leases_.take(pod(), pull.queue);
  for (const auto& [delivery, each] : pull.unacked) had.push_back(each);
  drop_unacked(pull);
  for (const LinkHeld& each : had)
    if (!named.contains(each.receipt.delivery))
      finish(pull.queue, each.receipt, queue::RemoteOrigin::Settle::give_back);
    else if (pull.queue->end_lease(each.receipt))
      remember(pull, each);
  std::vector<queue::Receipt> kept;
  for (const queue::Receipt& receipt : held) {
    const auto stands = pull.unacked.find(receipt.delivery);
    if (named.erase(receipt.delivery) > 0 && stands != pull.unacked.end() &&
        stands->second.receipt == receipt)
      kept.push_back(receipt);
  }
  return kept;
}

Result<void> LinkChannel::credit(const LinkCredit& method) {
  const auto found = pulls_.find(method.queue);
  if (found == pulls_.end() || !found->second.consumer) return {};  // has ended meanwhile
  Pull& pull = found->second;
  if (const auto may = pullable(pull.name, pull.uid); !may) {
    end(pull, may.error().detail);
    pump();
    return {};
  }
  pull.limit = method.limit;
  pull.asks = pull.asks || method.asks;
  const queue::QueuePtr queue = pull.queue;
  queue->pump();
  note_ready(pull);
  return {};
}

void LinkChannel::stop(const std::string& queue) {
  const auto found = pulls_.find(queue);
  if (found == pulls_.end()) return;
  take_off(found->second);
  drop_if_done(queue);
}

void LinkChannel::end(Pull& pull, const std::string& why) {
  const std::string queue = pull.name;
  log::info("a link's pull ends", {{"queue", queue}, {"pod", pod()}, {"why", why}});
  take_off(pull);
  put(LinkEnd{queue, why});
  lease_unacked(pull);
  pulls_.erase(queue);
}

// Its settles still count for a while; then it is ready here again. When we end, it is so at once.
void LinkChannel::lease_unacked(Pull& pull) {
  std::vector<LinkHeld> held;
  for (const auto& [delivery, each] : pull.unacked)
    if (leases_.is_closed())
      finish(pull.queue, each.receipt, queue::RemoteOrigin::Settle::give_back);
    else
      held.push_back(each);
  leases_.lease(pod(), pull.queue, held);
  drop_unacked(pull);
}

void LinkChannel::take_off(Pull& pull) {
  announce_at(pull, {});
  pull.asks = false;
  if (!pull.consumer) return;
  pull.queue->remove_consumer(*pull.consumer);
  pull.consumer.reset();
}

void LinkChannel::drop_if_done(const std::string& queue) {
  const auto found = pulls_.find(queue);
  if (found != pulls_.end() && !found->second.consumer && found->second.unacked.empty())
    pulls_.erase(found);
}

bool LinkChannel::is_at_limit(const Pull& pull) const {
  const amqp::AmqpLimits& limits = context_.limits;
  return unacked_count_ >= limits.unacked_per_channel ||
         unacked_bytes_ >= limits.unacked_bytes_per_channel ||
         pull.unacked.size() >= unacked_per_pull_;
}

bool LinkChannel::may_deliver(const Pull& pull) const {
  return streams_.empty() && !is_at_limit(pull) && !session_.is_overfull();
}

void LinkChannel::deliver(Pull& pull, queue::Queue& queue, const queue::Delivery& delivery) {
  const queue::Message& message = *delivery.message;
  ++pull.delivered;
  last_delivered_ = pull.name;
  remember(pull, {delivery.receipt, static_cast<std::uint32_t>(message.bytes())});
  if (const auto reply_to = reply_to_in(message.properties()); !reply_to.empty())
    leases_.reply_names().note(pod(), reply_to);
  LinkDeliver method;
  method.queue = pull.name;
  method.sequence = delivery.receipt.sequence;
  method.delivery = delivery.receipt.delivery;
  method.delivery_count = delivery.delivery_count;
  method.redelivered = delivery.redelivered;
  method.age = age_of(message.published);
  method.exchange = message.exchange();
  method.routing_key = message.routing_key();
  method.attributes.text = as_text(message.attributes);
  put(method);
  streams_.put({delivery.message,
                queue.shared_from_this(),
                delivery.receipt,
                {},
                fold_for(queue, session_.peer_codecs(), message.body_size)});
  session_.session_rings();
}

void LinkChannel::queue_gone(Pull& pull) {
  const std::string queue = pull.name;
  announce_at(pull, {});
  drop_unacked(pull);
  pulls_.erase(queue);
  put(LinkEnd{queue, "queue '" + queue + "' has been deleted"});
  session_.session_rings();
}

// Each queue once, those first that come after the one that was last.
void LinkChannel::pump() {
  std::vector<queue::QueuePtr> queues;
  const auto add = [&queues](auto from, auto to) {
    for (; from != to; ++from)
      if (from->second.consumer) queues.push_back(from->second.queue);
  };
  const auto next = pulls_.upper_bound(last_delivered_);
  add(next, pulls_.end());
  add(pulls_.begin(), next);
  for (const queue::QueuePtr& queue : queues) queue->pump();
}

void LinkChannel::on_room() {
  const bool had_ended = ended_;  // then it may be gone in a moment
  streams_.on_room();
  if (!had_ended && streams_.empty()) on_contents_sent();
}

void LinkChannel::on_contents_sent() {
  if (ended_) {
    session_.content_ended(id_);
    return;
  }
  on_synced(context_.registry.spool().synced_commit());
  pump();
  if (!std::exchange(holds_announcements_, false)) return;
  for (auto& [name, pull] : pulls_)
    if (pull.consumer) note_ready(pull);
}

void LinkChannel::on_content_failed(const Error& why) {
  if (ended_)
    session_.content_ended(id_);
  else
    session_.close_channel(id_, amqp::reply_to(why), LinkDeliver::kId);
}

bool LinkChannel::pulls(const std::string& queue) const {
  const auto found = pulls_.find(queue);
  return found != pulls_.end() && found->second.consumer;
}

void LinkChannel::check_access() {
  std::vector<std::string> names;
  for (const auto& [name, pull] : pulls_) names.push_back(name);
  for (const std::string& name : names) {
    Pull& pull = pulls_.find(name)->second;
    const auto may = pullable(name, pull.uid);
    if (may) continue;
    if (pull.consumer) {
      end(pull, may.error().detail);
    } else {  // has been stopped: only its settles are awaited
      lease_unacked(pull);
      pulls_.erase(name);
    }
  }
  pump();
  session_.session_rings();
}

void LinkChannel::give_way() {
  session_.end_session(amqp::make_reply(amqp::ReplyCode::connection_forced,
                                        "this agent has another link", Scope::connection));
}

void LinkChannel::wind_down(bool counts_deliveries) {
  if (std::exchange(ended_, true)) return;
  leases_.leave(pod(), *this);
  for (auto& [name, pull] : pulls_) take_off(pull);
  for (auto& [name, pull] : pulls_) {
    if (counts_deliveries) {
      lease_unacked(pull);
      continue;
    }
    for (const auto& [delivery, each] : pull.unacked)
      finish(pull.queue, each.receipt, queue::RemoteOrigin::Settle::give_back);
  }
  pulls_.clear();
  unsynced_.clear();
  flushed_ = settles_;
  unacked_count_ = unacked_bytes_ = 0;
  streams_.wind_down();
}

void LinkChannel::close(bool counts_deliveries) {
  wind_down(counts_deliveries);
  streams_.drop_all();
}

void serve_links(amqp::SessionContext& context, LinkLeases& leases, PushDoor& door) {
  context.link_version = kLinkVersion;
  context.link_codecs = kCodecs;
  context.make_link_channel =
      [&context, &leases, &door](
          amqp::ChannelId id, amqp::SessionLink& session) -> std::unique_ptr<amqp::ServerChannel> {
    if (id == kPushChannel) return std::make_unique<PushChannel>(id, context, session, door);
    if (id == kReplyChannel)
      return std::make_unique<amqp::Channel>(
          id, context, session,
          std::make_unique<LinkGate>(leases.reply_names(), session.principal().name));
    if (id != kPullChannel) return nullptr;
    return std::make_unique<LinkChannel>(id, context, session, leases);
  };
}

}  // namespace pannier::forward
