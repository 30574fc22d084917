#include "sidecar/forward/pusher.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/pusher_consumer.h"

namespace pannier::forward {

Pusher::Pusher(queue::Registry& registry, LinkDialer& dialer, const Clock& clock,
               PusherOptions options)
    : registry_(registry), dialer_(dialer), clock_(clock), options_(std::move(options)) {}

Pusher::~Pusher() {
  for (const auto& [queue, pushed] : queues_)
    if (pushed->consumer) pushed->queue->remove_consumer(*pushed->consumer);
  for (const auto& [pod, link] : links_) end(*link);
  links_.clear();
  queues_.clear();
}

// Everything that it has may go to others now.
void Pusher::end(PushLink& link) {
  link.abandon("the link ends");
  for (const auto& [name, push] : link.queues()) {
    push->is_wanted = false;
    give_back(*push);
  }
}

Pusher::Pushed* Pusher::find(const PushQueue& push) {
  const auto found = queues_.find(push.queue.get());
  return found == queues_.end() || found->second->uid != push.uid ? nullptr : found->second.get();
}

void Pusher::note(Pushed& pushed, bool must_choose) {
  pushed.must_choose = pushed.must_choose || must_choose;
  dirty_.insert(&pushed);
}

void Pusher::drain() {
  if (std::exchange(is_draining_, true)) return;
  for (const auto& [queue, pushed] : queues_) note(*pushed, true);
}

// A receiver that answers keeps what it has: it will be answered.
void Pusher::give_up_in_doubt() {
  for (const auto& [pod, link] : links_) {
    const auto is_in_doubt = [&](const auto& each) {
      const PushQueue& push = *each.second;
      if (push.puts().empty()) return false;
      const Pushed* pushed = find(push);
      return !link->is_open() || push.state != PushQueue::State::active || pushed == nullptr ||
             pushed->current != each.second || is_stalled(push);
    };
    if (std::ranges::none_of(link->queues(), is_in_doubt)) continue;
    std::vector<PushQueuePtr> given_up;
    for (const auto& each : link->queues())
      if (is_in_doubt(each)) given_up.push_back(each.second);
    link->abandon("what it has not answered goes to others");
    for (const PushQueuePtr& push : given_up) {
      give_back(*push);
      if (Pushed* pushed = find(*push)) pass_over(*pushed, pod);
    }
  }
}

// A queue that is gone or not pushed any more: what is unanswered stays with its link.
void Pusher::forget(const queue::Queue* queue) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  Pushed& pushed = *found->second;
  if (pushed.consumer) pushed.queue->remove_consumer(*pushed.consumer);
  if (pushed.current)
    if (const auto link = links_.find(pushed.target); link != links_.end())
      link->second->stop(*pushed.current);
  dirty_.erase(&pushed);
  queues_.erase(found);
}

void Pusher::look_at(Pushed& pushed) {
  const bool is_on = is_pushed(pushed);
  if (is_on && !pushed.consumer) {
    pushed.consumer = std::make_unique<PushConsumer>(*this, pushed);
    pushed.must_choose = true;
    pushed.queue->add_consumer(*pushed.consumer);
  } else if (!is_on && pushed.consumer) {
    pushed.queue->remove_consumer(*pushed.consumer);
    pushed.consumer.reset();
    pushed.must_choose = true;
  }
  if (std::exchange(pushed.must_choose, false)) choose(pushed);
  if (pushed.consumer) pushed.queue->pump();
}

void Pusher::on_turn_end() {
  for (Pushed* pushed : std::exchange(dirty_, {})) {
    if (pushed->queue->is_gone())
      forget(pushed->queue.get());
    else
      look_at(*pushed);
  }
  for (const auto& [pod, link] : links_) link->on_turn_end();
  hold_new();
  flush_settles();
  drop_idle_links();
  if (!dirty_.empty()) registry_.context().loop.post([] {});  // a turn, in which they are looked at
  if (!has_work())
    next_tick_.reset();
  else if (!next_tick_)
    next_tick_ = clock_.now() + kPusherTick;
}

void Pusher::drop_idle_links() {
  std::erase_if(links_, [](const auto& each) { return each.second->is_idle(); });
}

bool Pusher::has_work() const {
  return !links_.empty() || std::ranges::any_of(queues_, [](const auto& each) {
    return each.second->consumer && !each.second->passed_over.empty();
  });
}

void Pusher::on_time(Clock::time_point now) {
  if (!next_tick_ || *next_tick_ > now) return;
  next_tick_ = now + kPusherTick;
  for (const auto& [pod, link] : links_) link->on_time(now);
  for (const auto& [queue, pushed] : queues_) {
    if (!pushed->consumer) continue;
    if (pushed->current && is_stalled(*pushed->current)) {
      log::warn("a receiver does not answer: others get what is left",
                {{"queue", pushed->queue->name()}, {"peer", pushed->target}});
      pass_over(*pushed, pushed->target);
    }
    const bool is_over = std::ranges::any_of(pushed->passed_over, [now](const auto& each) {
      return each.second.until != Clock::time_point{} && each.second.until <= now;
    });
    // Consumers elsewhere come and go.
    const bool may_change = is_over || (is_draining_ && pushed->queue->ready() > 0);
    if (may_change) note(*pushed, true);
  }
}

std::optional<Clock::time_point> Pusher::deadline() const {
  std::optional<Clock::time_point> next = next_tick_;
  for (const auto& [pod, link] : links_) {
    const auto when = link->deadline();
    if (when && (!next || *when < *next)) next = when;
  }
  return next;
}

std::size_t Pusher::unanswered(const queue::Queue& queue) const {
  std::size_t sum = 0;
  for (const auto& [pod, link] : links_)
    for (const auto& [name, push] : link->queues())
      if (push->queue.get() == &queue) sum += push->puts().size();
  return sum;
}

std::string Pusher::target_of(const queue::Queue& queue) const {
  const auto found = queues_.find(&queue);
  return found == queues_.end() ? std::string() : found->second->target;
}

bool Pusher::is_empty(const Pushed& pushed) const {
  return (is_draining_ ? pushed.queue->ready() : pushed.queue->deliverable()) == 0 &&
         unanswered(*pushed.queue) == 0;
}

bool Pusher::is_done() const {
  if (!is_draining_ || !taken_.empty()) return false;
  for (const auto& [queue, pushed] : queues_) {
    if (is_empty(*pushed)) continue;
    if (unanswered(*queue) > 0) return false;
    const bool may_go = pushed->mode != ForwardMode::local && !targets(*pushed).empty();
    if (may_go) return false;
  }
  return std::ranges::all_of(links_, [](const auto& each) {
    return !each.second->is_open() ||
           std::ranges::all_of(each.second->queues(), [](const auto& of) {
             return of.second->settling.empty() &&
                    (of.second->to_forget.empty() || of.second->state != PushQueue::State::active);
           });
  });
}

void Pusher::show(const Metrics::ShowLink& show) const {
  for (const auto& [pod, link] : links_) {
    LinkNumbers numbers;
    std::optional<queue::Milliseconds> oldest;
    for (const auto& [name, push] : link->queues()) {
      numbers.lag_messages += push->puts().size();
      if (!push->is_wanted) continue;
      const queue::QueueStatus status = push->queue->status();
      numbers.lag_messages += status.ready;
      if (status.oldest) oldest = std::min(oldest.value_or(*status.oldest), *status.oldest);
    }
    if (oldest)
      numbers.oldest_age_seconds =
          static_cast<double>(std::max<std::int64_t>(0, clock_.now_ms() - *oldest)) / 1000;
    numbers.moved = link->taken();
    show(link->target().pod_name, "push", numbers);
  }
}

}  // namespace pannier::forward
