#include "sidecar/forward/push_link.h"

#include "common/log.h"

namespace pannier::forward {
namespace {

constexpr std::chrono::seconds kOpenLongEnough{30};  // as good as an answer

using enum PushQueue::State;

amqp::ClientOptions session_options() {
  amqp::ClientOptions options;
  options.login = amqp::ClientOptions::Login::external;
  options.properties.set("pannier-links", kLinkVersion);
  options.heartbeat_seconds = 10;
  options.limits.speaks_links = true;
  return options;
}

}  // namespace

PushLink::PushLink(LinkTarget target, PushLinkParts parts)
    : target_(std::move(target)),
      parts_(std::move(parts)),
      backoff_({std::chrono::milliseconds(100), kPushRedialMax, 2, Jitter::equal}, parts_.random) {}

PushLink::~PushLink() {
  if (handler_) *handler_ = nullptr;
  if (session_ != nullptr) session_->close("the link is not needed any more");
}

PushQueuePtr PushLink::find(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? nullptr : found->second;
}

// Of a queue that has the name of another one, answers would be taken for the other's.
PushQueuePtr PushLink::push(const queue::QueuePtr& queue, const std::string& uid, bool drains) {
  PushQueuePtr& push = queues_[queue->name()];
  if (push != nullptr && (push->queue != queue || push->uid != uid)) {
    const bool is_known = push->state == asked || push->state == active || push->state == ended;
    push->is_wanted = false;
    if (is_known) fault({Errc::closed, "a queue has the name of another one"});
    push = nullptr;
  }
  if (push == nullptr) push = std::make_shared<PushQueue>(queue, uid);
  push->is_wanted = true;
  push->drains = drains;
  if (push->state == stopped) push->state = idle;
  due_.insert(push->name);
  return push;
}

void PushLink::stop(PushQueue& push) {
  push.is_wanted = false;
  due_.insert(push.name);
}

bool PushLink::is_idle() const {
  if (stream_) return false;
  return std::ranges::all_of(queues_, [this](const auto& each) {
    const PushQueue& push = *each.second;
    if (push.is_wanted || !push.puts().empty()) return false;
    if (!is_open() || push.state == ended) return true;
    return push.settling.empty() && push.to_forget.empty() && push.state != active &&
           push.state != asked;
  });
}

// A connection is worth having for what there is to send, and to learn what became of what was.
bool PushLink::has_work() const {
  return std::ranges::any_of(queues_, [](const auto& each) {
    const PushQueue& push = *each.second;
    const std::uint64_t ready = push.drains ? push.queue->ready() : push.queue->deliverable();
    return !push.puts().empty() || (push.is_wanted && ready > 0);
  });
}

void PushLink::dial() {
  state_ = State::dialling;
  handler_ = std::make_shared<amqp::ClientHandler*>(static_cast<amqp::ClientHandler*>(this));
  connection_ = parts_.dialer.dial(
      target_,
      [this, handler = handler_]() -> std::unique_ptr<net::Session> {
        return *handler == nullptr ? nullptr : make_session();
      },
      [this, handler = handler_](const Error& why) {
        if (*handler != nullptr) lose(why);
      });
}

std::unique_ptr<net::Session> PushLink::make_session() {
  auto session = std::make_unique<PullSession>(handler_, session_options(), parts_.clock);
  session_ = session.get();
  return session;
}

void PushLink::on_open() {
  if (session_->server_properties().find("pannier-links") == nullptr) {
    fault({Errc::not_supported, "the other side knows nothing of links"});
    return;
  }
  if (auto opened = session_->open_channel(kPushChannel); !opened)
    fault({Errc::unexpected, "the channel for pushes cannot be opened: " + opened.error().detail});
}

void PushLink::on_answer(amqp::ChannelId, const amqp::Answer& answer) {
  if (answer.method != amqp::ChannelOpenOk::kId) return;
  state_ = State::open;
  open_since_ = parts_.clock.now();
  log::info("a link for pushes is up", {{"peer", target_.pod_name}});
  for (const auto& [name, push] : queues_) due_.insert(name);
  say_all();
}

void PushLink::on_channel_closed(amqp::ChannelId, const amqp::Ending& ending) {
  fault(ending.error);
}

void PushLink::on_end(const amqp::Ending& ending) { lose(ending.error); }

void PushLink::fault(const Error& why) {
  if (session_ == nullptr) return;
  *handler_ = nullptr;
  session_->close(why.detail);
  lose(why);
}

void PushLink::abandon(std::string_view why) {
  if (state_ == State::apart) return;
  if (session_ != nullptr)
    fault({Errc::closed, std::string(why)});
  else
    lose({Errc::closed, std::string(why)});
}

// What was unanswered waits to be sent again, in its old order.
void PushLink::lose(const Error& why) {
  if (state_ == State::apart) return;
  const bool was_open = state_ == State::open;
  if (was_open && parts_.clock.now() >= open_since_ + kOpenLongEnough) backoff_.reset();
  const auto delay = backoff_.next();
  log::info("a link for pushes is down",
            {{"peer", target_.pod_name}, {"error", why.detail}, {"again_in_ms", delay.count()}});
  state_ = State::apart;
  dial_at_ = parts_.clock.now() + delay;
  *handler_ = nullptr;
  session_ = nullptr;
  if (connection_) left_.push_back(std::move(connection_));
  stream_.reset();
  for (const auto& [name, push] : queues_) {
    push->start_anew();
    if (push->state == asked || push->state == active) push->state = idle;
  }
  if (!was_open || backoff_.failures() > 1) parts_.user.on_unreachable(*this);
}

void PushLink::on_turn_end() {
  left_.clear();
  give_up_unfit();
  if (state_ == State::apart && parts_.clock.now() >= dial_at_ && has_work()) dial();
  say_all();
  go_on();
}

void PushLink::on_time(Clock::time_point now) {
  for (const auto& [name, push] : queues_) {
    if (push->state != ended || push->again_at > now) continue;
    push->state = idle;
    due_.insert(name);
  }
}

std::optional<Clock::time_point> PushLink::deadline() const {
  std::optional<Clock::time_point> next;
  if (state_ == State::apart && has_work()) next = dial_at_;
  return next;
}

}  // namespace pannier::forward
