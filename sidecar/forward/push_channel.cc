#include "sidecar/forward/push_channel.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/link_decode.h"

namespace pannier::forward {

PushChannel::PushChannel(amqp::ChannelId id, amqp::SessionContext& context,
                         amqp::SessionLink& session, PushDoor& door)
    : id_(id), context_(context), session_(session), door_(door) {
  door_.enter(pod(), *this);
}

PushChannel::~PushChannel() { wind_down(true); }

Result<void> PushChannel::on_method(amqp::MethodId method, ByteView payload) {
  if (receiving_)
    return Error{Errc::unexpected, "a method comes amid the content of a pushed message"};
  if (method == LinkPut::kId) return put(payload);
  if (method == LinkForget::kId)
    return with<LinkForget>(payload, [this](const auto& m) { return forget(m); });
  if (method == LinkPush::kId)
    return with<LinkPush>(payload, [this](const auto& m) { return push(m); });
  const auto stops = [this](const auto& m) -> Result<void> {
    stop(m.queue);
    return {};
  };
  if (method == LinkStop::kId) return with<LinkStop>(payload, stops);
  if (method == LinkEnd::kId) return with<LinkEnd>(payload, stops);
  return Error{Errc::not_supported, "method " + std::to_string(method.class_id) + "." +
                                        std::to_string(method.method_id) + " on a push link"};
}

Result<queue::QueuePtr> PushChannel::pushable(const std::string& queue, const std::string& uid,
                                              const spool::Uuid& spool) const {
  if (door_.is_closed()) return Error{Errc::closed, "it is ending"};
  if (!door_.has_spool(pod(), to_text(spool)))
    return Error{Errc::access_denied,
                 "spool " + to_text(spool) + " is not the one of pod " + pod()};
  auto found = context_.registry.find_queue(queue, session_.owner());
  if (!found) return found;
  if (auto may = context_.access.may(session_.principal(), Verb::publish, queue); !may)
    return may.error();
  const queue::QueueDefinition* definition = context_.registry.definition_of(queue);
  if (uid.empty() || definition->uid != uid)
    return Error{Errc::not_found, "queue '" + queue + "' is of another MessageQueue here"};
  if ((*found)->settings().ending)
    return Error{Errc::access_denied, "queue '" + queue + "' is being deleted"};
  return found;
}

Result<void> PushChannel::push(const LinkPush& method) {
  queue::PushSource source;
  if (method.spool.text.size() != source.spool.size())
    return Error{Errc::bad_syntax,
                 "the id of a spool has 16 bytes, not " + std::to_string(method.spool.text.size())};
  const auto known = pushes_.find(method.queue);
  if (known != pushes_.end() && !known->second->ended)
    return Error{Errc::precondition, "queue '" + method.queue + "' is pushed already"};
  if (known == pushes_.end() && pushes_.size() >= context_.limits.consumers_per_channel) {
    send(LinkEnd{method.queue, "too many queues are pushed over one link"});
    return {};
  }
  std::ranges::copy(as_bytes(method.spool.text), source.spool.begin());
  const auto found = pushable(method.queue, method.uid, source.spool);
  if (!found) {
    send(LinkEnd{method.queue, found.error().detail});
    return {};
  }
  source.queue = (*found)->id();
  source.number = method.number;
  context_.registry.push_marks().forget_below(source, method.floor);
  auto push = std::make_shared<Push>();
  push->name = method.queue;
  push->uid = method.uid;
  push->queue = *found;
  push->source = source;
  push->floor = method.floor;
  push->drains = method.drains;
  pushes_[method.queue] = std::move(push);
  send(LinkPushOk{method.queue, kPushWindowMessages, kPushWindowBytes});
  return {};
}

// Of a queue that is not pushed (any more): the next push of it names a floor.
Result<void> PushChannel::forget(const LinkForget& method) {
  constexpr std::size_t kSize = sizeof(queue::Sequence);
  const std::string& packed = method.sequences.text;
  if (packed.size() % kSize != 0) return Error{Errc::bad_syntax, "sequences are cut short"};
  const auto found = pushes_.find(method.queue);
  if (found == pushes_.end()) return {};
  std::vector<queue::Sequence> sequences(packed.size() / kSize);
  ByteReader in(as_bytes(packed));
  for (queue::Sequence& sequence : sequences) sequence = in.be<queue::Sequence>();
  context_.registry.push_marks().forget(found->second->source, sequences);
  return {};
}

// What it has not journaled yet, as the spool is busy, is nobody's to answer: the pusher has it.
void PushChannel::stop(const std::string& queue) {
  const auto found = pushes_.find(queue);
  if (found == pushes_.end()) return;
  const PushPtr push = found->second;
  pushes_.erase(found);
  drop_batch(*push);
}

void PushChannel::end(Push& push, const std::string& why) {
  log::info("a link's push ends", {{"queue", push.name}, {"pod", pod()}, {"why", why}});
  push.ended = why;
  send(LinkEnd{push.name, why});
  if (receiving_ && receiving_->push.get() == &push) refuse({Errc::closed, why});
  drop_batch(push);
}

void PushChannel::give_way() {
  session_.end_session(amqp::make_reply(amqp::ReplyCode::connection_forced,
                                        "this agent has another link", Scope::connection));
}

// Nothing of it can be taken from the registry under a push: it is asked for again each time.
void PushChannel::check_access() {
  for (const auto& [name, push] : pushes_) {
    if (push->ended) continue;
    const auto found = pushable(name, push->uid, push->source.spool);
    if (!found)
      end(*push, found.error().detail);
    else if (*found != push->queue)
      end(*push, "queue '" + name + "' has been deleted");
  }
  session_.session_rings();
}

void PushChannel::wind_down(bool) {
  if (std::exchange(ended_, true)) return;
  door_.leave(pod(), *this);
  drop_body();
  receiving_.reset();
  for (auto& [name, push] : std::exchange(pushes_, {})) drop_batch(*push);
  answers_.clear();
}

}  // namespace pannier::forward
