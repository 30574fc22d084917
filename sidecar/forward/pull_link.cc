#include "sidecar/forward/pull_link.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/folding.h"

namespace pannier::forward {
namespace {

constexpr std::chrono::seconds kOpenLongEnough{30};  // as good as a message

amqp::ClientOptions session_options(std::uint64_t message_bytes_max) {
  amqp::ClientOptions options;
  options.login = amqp::ClientOptions::Login::external;
  options.properties.set("pannier-links", kLinkVersion);
  options.properties.set(kCodecsProperty, std::string(kCodecs));
  options.limits.unfold = unfold;
  options.heartbeat_seconds = 10;
  options.limits.message_bytes_max = message_bytes_max;
  options.limits.speaks_links = true;
  return options;
}

}  // namespace

PullLink::PullLink(LinkTarget target, PullLinkParts parts)
    : target_(std::move(target)),
      parts_(std::move(parts)),
      backoff_({std::chrono::milliseconds(100), kRedialMax, 2, Jitter::equal}, parts_.random),
      replies_(parts_.context, parts_.clock) {}

PullLink::~PullLink() {
  if (handler_) *handler_ = nullptr;
  if (session_ != nullptr) session_->close("the link is not needed any more");
  drop_arriving();
  for (const auto& [name, origin] : queues_) origin->on_settle = {};
  for (const auto& [name, origin] : successors_) origin->on_settle = {};
}

OriginQueuePtr PullLink::make_origin(const std::string& queue, const std::string& uid) {
  auto origin = std::make_shared<OriginQueue>(queue, uid, parts_.bodies);
  origin->on_settle = [this, of = origin.get()] { to_flush_.insert(of); };
  return origin;
}

// Methods name queues only: another uid has to wait until nothing can come any more of the pull
// before. The same holds for the same queue after a stop.
OriginQueuePtr PullLink::pull(const std::string& queue, const std::string& uid) {
  OriginQueuePtr& origin = queues_[queue];
  if (origin == nullptr) origin = make_origin(queue, uid);
  if (origin->uid != uid) {
    stop(*origin);
    OriginQueuePtr& next = successors_[queue];
    if (next == nullptr || next->uid != uid) next = make_origin(queue, uid);
    next->is_wanted = true;
    next->state = OriginQueue::State::idle;
    waiting_.insert(queue);
    return next;
  }
  successors_.erase(queue);
  origin->is_wanted = true;
  const auto again = pull_again_.find(queue);
  if (again != pull_again_.end() && again->second > parts_.clock.now()) return origin;
  pull_again_.erase(queue);
  using enum OriginQueue::State;
  const bool has_begun = origin->state == pulling || origin->state == active;
  if (has_begun) return origin;
  origin->state = idle;
  if (is_open() && origin->stops_unanswered == 0)
    send_pull(*origin);
  else if (is_open())
    waiting_.insert(queue);
  return origin;
}

void PullLink::go_on_waiting() {
  for (const std::string& name : std::exchange(waiting_, {})) {
    OriginQueuePtr& origin = queues_.at(name);
    using enum OriginQueue::State;
    const auto next = successors_.find(name);
    const bool has_next = next != successors_.end();
    const bool is_pulled = origin->state == pulling || origin->state == active;
    const bool waits = has_next && (is_pulled || origin->unsettled() > 0);
    if (is_open() && (origin->stops_unanswered > 0 || waits)) {
      waiting_.insert(name);
      continue;
    }
    if (has_next) {
      origin->on_settle = {};
      to_flush_.erase(origin.get());
      pull_again_.erase(name);
      moved_before_ += origin->moved();
      origin = std::move(next->second);
      successors_.erase(next);
    }
    if (is_open() && origin->state == idle) send_pull(*origin);
  }
}

// Nothing of them can come any more, and nobody else knows them.
void PullLink::forget_queues() {
  std::erase_if(queues_, [this](const auto& each) {
    const OriginQueue& origin = *each.second;
    const bool is_over =
        origin.state == OriginQueue::State::stopped || origin.state == OriginQueue::State::ended;
    const bool is_done = is_over && each.second.use_count() == 1 && origin.held() == 0 &&
                         origin.unsettled() == 0 && origin.stops_unanswered == 0;
    if (!is_done || pull_again_.contains(each.first) || waiting_.contains(each.first)) return false;
    to_flush_.erase(each.second.get());
    moved_before_ += origin.moved();
    return true;
  });
}

OriginQueuePtr PullLink::find(const std::string& queue) const {
  const auto next = successors_.find(queue);
  return next == successors_.end() ? current(queue) : next->second;
}

OriginQueuePtr PullLink::current(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? nullptr : found->second;
}

bool PullLink::is_idle() const {
  return sent_.empty() && !arriving_ && replies_.is_idle() && pull_again_.empty() &&
         successors_.empty() && std::ranges::all_of(queues_, [](const auto& each) {
           const OriginQueue& origin = *each.second;
           const bool is_over = origin.state == OriginQueue::State::stopped ||
                                origin.state == OriginQueue::State::ended;
           return is_over && origin.held() == 0 && origin.unsettled() == 0;
         });
}

bool PullLink::is_settled() const {
  if (state_ != State::open && backoff_.failures() >= kDialsInVainMax) return true;
  return sent_.empty() && !arriving_ && replies_.is_idle() &&
         std::ranges::none_of(queues_, [](const auto& each) {
           return each.second->state == OriginQueue::State::pulling || each.second->unsettled() > 0;
         });
}

// A connection is worth having for what is pulled, and for what was settled late.
bool PullLink::has_work() const { return !is_idle(); }

void PullLink::dial() {
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

std::unique_ptr<net::Session> PullLink::make_session() {
  auto session = std::make_unique<PullSession>(handler_, session_options(parts_.message_bytes_max),
                                               parts_.clock);
  session_ = session.get();
  return session;
}

void PullLink::on_open() {
  const queue::Value* version = session_->server_properties().find("pannier-links");
  if (version == nullptr) {
    fault({Errc::not_supported, "the other side knows nothing of links"});
    return;
  }
  const auto known = version->as_integer().value_or(0);
  knows_failures_ = known >= kFailuresSince;
  takes_replies_ = known >= kRepliesSince;
  const auto channel = session_->open_channel();
  if (!channel || *channel != kPullChannel)
    fault({Errc::unexpected, "the channel for pulls cannot be opened"});
}

void PullLink::on_answer(amqp::ChannelId channel, const amqp::Answer& answer) {
  if (channel != kPullChannel || answer.method != amqp::ChannelOpenOk::kId) return;
  state_ = State::open;
  open_since_ = parts_.clock.now();
  durable_ = 0;
  for (const auto& [name, origin] : queues_) {
    const bool wants =
        origin->state == OriginQueue::State::idle || origin->held() > 0 || origin->unsettled() > 0;
    if (wants) send_pull(*origin);
  }
}

void PullLink::on_channel_closed(amqp::ChannelId channel, const amqp::Ending& ending) {
  if (channel == kReplyChannel) return replies_.on_channel_closed(ending.error);
  fault(ending.error);
}

void PullLink::on_confirmed(amqp::ChannelId channel, amqp::DeliveryTag first,
                            amqp::DeliveryTag last, bool acked) {
  if (channel == kReplyChannel) replies_.on_confirmed(first, last, acked);
}

void PullLink::go_on_with_replies() {
  if (!is_open()) return;
  if (takes_replies_)
    replies_.go_on(*session_);
  else
    replies_.give_up();
}

void PullLink::on_end(const amqp::Ending& ending) { lose(ending.error); }

void PullLink::fault(const Error& why) {
  if (session_ == nullptr) return;
  *handler_ = nullptr;
  session_->close(why.detail);
  lose(why);
}

// What it held stays held; what was on its way is told again.
void PullLink::lose(const Error& why) {
  if (state_ == State::apart) return;
  if (state_ == State::open && parts_.clock.now() >= open_since_ + kOpenLongEnough)
    backoff_.reset();
  const auto delay = backoff_.next();
  log::info("a link is down",
            {{"peer", target_.pod_name}, {"error", why.detail}, {"again_in_ms", delay.count()}});
  state_ = State::apart;
  dial_at_ = parts_.clock.now() + delay;
  *handler_ = nullptr;
  session_ = nullptr;
  if (connection_) left_.push_back(std::move(connection_));
  drop_arriving();
  replies_.on_lost();
  for (Sent& sent : std::exchange(sent_, {})) {
    sent.origin->on_lost(sent.receipts, sent.how, sent.failure);
    if (sent.is_stop) --sent.origin->stops_unanswered;
  }
  using enum OriginQueue::State;
  for (const auto& [name, origin] : queues_) {
    const bool was_pulled = origin->state == pulling || origin->state == active;
    if (!was_pulled) continue;
    origin->start_anew(0);
    origin->state = origin->is_wanted ? idle : stopped;
    parts_.user.on_origin_changed(origin);
  }
}

void PullLink::on_turn_end() {
  left_.clear();
  go_on_waiting();
  if (state_ == State::apart && has_work() && parts_.clock.now() >= dial_at_) dial();
  if (is_paused_) go_on_with_body();
  if (!is_open()) return;
  go_on_with_replies();
  if (!is_open()) return;
  for (OriginQueue* origin : std::exchange(to_flush_, {}))
    if (const auto found = current(origin->name); found.get() == origin) flush_settles(found);
}

void PullLink::on_time(Clock::time_point now) {
  replies_.on_time(now);
  std::vector<std::string> due;
  for (const auto& [name, when] : pull_again_)
    if (when <= now) due.push_back(name);
  for (const std::string& name : due) {
    pull_again_.erase(name);
    if (const auto origin = find(name)) parts_.user.on_origin_changed(origin);
  }
  for (const auto& [name, origin] : queues_) {
    if (origin->state != OriginQueue::State::active || !origin->may_stall()) {
      origin->note_progress(now);
      continue;
    }
    // While we read nothing ourselves, nobody can show progress.
    if (is_paused_) origin->note_progress(now);
    if (origin->stalls_at() > now) continue;
    log::warn("a link stalls: others get its credit",
              {{"peer", target_.pod_name}, {"queue", name}, {"ready", origin->ready()}});
    origin->stall();
    send_credit(*origin, true);
    parts_.user.on_origin_changed(origin);
  }
  forget_queues();
}

std::optional<Clock::time_point> PullLink::deadline() const {
  std::optional<Clock::time_point> next;
  if (state_ == State::apart && has_work()) next = dial_at_;
  return next;
}

std::uint64_t PullLink::lag() const {
  std::uint64_t sum = 0;
  for (const auto& [name, origin] : queues_) sum += origin->ready();
  return sum;
}

std::uint64_t PullLink::oldest_age() const {
  std::uint64_t oldest = 0;
  for (const auto& [name, origin] : queues_)
    if (origin->ready() > 0) oldest = std::max(oldest, origin->oldest_age());
  return oldest;
}

std::uint64_t PullLink::moved() const {
  std::uint64_t sum = moved_before_;
  for (const auto& [name, origin] : queues_) sum += origin->moved();
  return sum;
}

}  // namespace pannier::forward
