#include "sidecar/forward/puller.h"

#include <algorithm>

namespace pannier::forward {

using Settle = queue::RemoteOrigin::Settle;

Puller::Puller(queue::Registry& registry, LinkDialer& dialer, const Clock& clock,
               PullerOptions options)
    : registry_(registry),
      dialer_(dialer),
      clock_(clock),
      options_(std::move(options)),
      bodies_(std::make_shared<KeptBodies>(registry.spool())) {}

Puller::~Puller() {
  for (const auto& [queue, pulled] : queues_) pulled->queue->set_remote_source(nullptr);
  links_.clear();
  queues_.clear();
  bodies_->close();  // messages outlive us
}

void Puller::stop() {
  is_stopped_ = true;
  while (!queues_.empty()) forget(queues_.begin()->first);
}

bool Puller::is_settled() const {
  return std::ranges::all_of(links_, [](const auto& each) { return each.second->is_settled(); });
}

void Puller::note_demand(queue::Queue& queue) {
  const auto found = queues_.find(&queue);
  if (found != queues_.end()) dirty_.insert(found->second.get());
}

// Worth a wait: somebody answers, or may do so soon.
bool Puller::asks_for_get(queue::Queue& queue) {
  const auto found = queues_.find(&queue);
  if (found == queues_.end()) return false;
  Pulled& pulled = *found->second;
  const bool is_worth_it = std::ranges::any_of(pulled.origins, [this](const Origin& origin) {
    const auto link = links_.find(origin.pod_uid);
    return link == links_.end() || !link->second->is_failing();
  });
  if (!is_worth_it) return false;
  pulled.is_asking = true;
  for (Origin& origin : pulled.origins) origin.is_asked = false;
  return true;
}

Puller::Pulled* Puller::find(const OriginQueue& origin) {
  const auto found = by_name_.find(origin.name);
  return found == by_name_.end() || found->second->uid != origin.uid ? nullptr : found->second;
}

void Puller::on_pulled(const OriginQueuePtr& from, queue::RemoteMessage message) {
  Pulled* pulled = find(*from);
  if (pulled == nullptr) {
    from->settle(message.tag, Settle::give_back);
    return;
  }
  dirty_.insert(pulled);
  pulled->average = (pulled->average * 7 + message.message->bytes() + queue::kCopyOverhead) / 8;
  // What came first goes first.
  if (pulled->kept.empty() && pulled->queue->offer(message)) return;
  keep(*pulled, std::move(message));
}

// The credit of an origin that stalls counts no longer: what still comes by it may be too much.
bool Puller::may_keep(const Pulled& pulled, const OriginQueue& from) const {
  if (pulled.kept_bytes >= kKeptBytesMax) return false;
  const Books has = books(*pulled.queue);
  return !from.is_stalled() || has.outstanding + has.kept < pulled.queue->demand();
}

// One beyond the limit of bytes at most: that a message comes is our own doing.
void Puller::keep(Pulled& pulled, queue::RemoteMessage message) {
  if (!may_keep(pulled, static_cast<OriginQueue&>(*message.origin))) {
    message.origin->settle(message.tag, Settle::give_back);
    return;
  }
  pulled.kept_bytes += queue::memory_of(*message.message);
  pulled.kept.push_back({std::move(message), clock_.now()});
}

void Puller::on_origin_changed(const OriginQueuePtr& origin) {
  if (Pulled* pulled = find(*origin)) dirty_.insert(pulled);
}

void Puller::on_no_room(const OriginQueuePtr& origin) {
  Pulled* pulled = find(*origin);
  if (pulled == nullptr) return;
  for (Origin& each : pulled->origins)
    if (each.queue == origin) each.no_room_until = clock_.now() + kNoRoomPause;
}

void Puller::on_asked(const LinkTarget& from, std::string_view reply_to) {
  asked_.note(from.pod_uid, reply_to);
}

void Puller::send(queue::MessagePtr message, std::shared_ptr<const void> body, Done done) {
  const std::string* pod = asked_.find(message->routing_key());
  const auto link = pod == nullptr ? links_.end() : links_.find(*pod);
  const auto agent = pod == nullptr ? agents_.end() : agents_.find(*pod);
  ReplyLane::Answer answer{std::move(message), std::move(body), std::move(done)};
  if (link != links_.end())
    link->second->send_reply(std::move(answer));
  else if (agent != agents_.end())
    link_to(target_of(agent->second)).send_reply(std::move(answer));
  else
    answer.done(Outcome::gone);  // and with it whoever waited
}

void Puller::offer_kept(Pulled& pulled) {
  while (!pulled.kept.empty()) {
    const queue::RemoteMessage& first = pulled.kept.front().message;
    const bool stands = static_cast<OriginQueue&>(*first.origin).stands(first.tag);
    if (stands && !pulled.queue->offer(first)) return;
    if (!stands) first.origin->settle(first.tag, Settle::give_back);  // its body goes
    pulled.kept_bytes -= queue::memory_of(*first.message);
    pulled.kept.pop_front();
  }
}

void Puller::give_back(Pulled& pulled) {
  for (const Kept& kept : pulled.kept)
    kept.message.origin->settle(kept.message.tag, Settle::give_back);
  pulled.kept.clear();
  pulled.kept_bytes = 0;
}

void Puller::give_back_old(Pulled& pulled, Clock::time_point now) {
  while (!pulled.kept.empty() && pulled.kept.front().since + kKeptMax <= now) {
    const queue::RemoteMessage& first = pulled.kept.front().message;
    first.origin->settle(first.tag, Settle::give_back);
    pulled.kept_bytes -= queue::memory_of(*first.message);
    pulled.kept.pop_front();
    dirty_.insert(&pulled);
  }
}

void Puller::look_at(Pulled& pulled) {
  offer_kept(pulled);
  if (pulled.queue->demand() > 0) {
    pulled.idle_since.reset();
    begin(pulled);
  } else if (!pulled.idle_since) {
    pulled.idle_since = clock_.now();
  }
  grant(pulled);
  answer_gets(pulled);
}

void Puller::on_turn_end() {
  for (Pulled* pulled : std::exchange(dirty_, {})) {
    if (pulled->queue->is_gone())
      forget(pulled->queue.get());
    else
      look_at(*pulled);
  }
  drop_idle_links();
  for (const auto& [pod, link] : links_) link->on_turn_end();
  const bool is_quiet = links_.empty() && std::ranges::none_of(queues_, [this](const auto& each) {
                          return is_busy(*each.second);
                        });
  if (is_quiet)
    next_tick_.reset();
  else if (!next_tick_)
    next_tick_ = clock_.now() + kPullerTick;
}

bool Puller::is_busy(const Pulled& pulled) const { return !pulled.kept.empty(); }

// Only those that have nothing to pull, nothing that is still held, and nothing to say.
void Puller::drop_idle_links() {
  std::erase_if(links_, [](const auto& each) { return each.second->is_idle(); });
  std::erase_if(leaving_, [this](const auto& each) { return !links_.contains(each.first); });
}

void Puller::on_time(Clock::time_point now) {
  if (next_tick_ && *next_tick_ <= now) {
    next_tick_ = now + kPullerTick;
    for (const auto& [queue, pulled] : queues_) {
      give_back_old(*pulled, now);
      const bool is_idle = pulled->idle_since && *pulled->idle_since + kIdleMax <= now;
      for (Origin& origin : pulled->origins) {
        if (is_idle && origin.queue) let_go(*pulled, origin);
        if (origin.no_room_until != Clock::time_point{} && origin.no_room_until <= now) {
          origin.no_room_until = {};
          dirty_.insert(pulled.get());
        }
      }
    }
    std::erase_if(links_, [this, now](const auto& each) {
      const auto leaves = leaving_.find(each.first);
      return leaves != leaving_.end() && leaves->second <= now;
    });
    for (const auto& [pod, link] : links_) link->on_time(now);
  }
}

std::optional<Clock::time_point> Puller::deadline() const {
  std::optional<Clock::time_point> next = next_tick_;
  for (const auto& [pod, link] : links_) {
    const auto when = link->deadline();
    if (when && (!next || *when < *next)) next = when;
  }
  return next;
}

void Puller::show(const Metrics::ShowLink& show) const {
  for (const auto& [pod, link] : links_) {
    LinkNumbers numbers;
    numbers.lag_messages = link->lag();
    numbers.oldest_age_seconds = static_cast<double>(link->oldest_age()) / 1000;
    numbers.moved = link->moved();
    show(link->target().pod_name, "pull", numbers);
  }
}

Puller::Books Puller::books(const queue::Queue& queue) const {
  Books books;
  const auto found = queues_.find(&queue);
  if (found == queues_.end()) return books;
  for (const Origin& origin : found->second->origins)
    if (origin.queue) books.outstanding += origin.queue->outstanding();
  books.kept = found->second->kept.size();
  books.kept_bytes = found->second->kept_bytes;
  return books;
}

}  // namespace pannier::forward
