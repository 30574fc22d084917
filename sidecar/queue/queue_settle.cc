#include <algorithm>
#include <cassert>
#include <limits>

#include "sidecar/queue/queue.h"

namespace pannier::queue {

Queue::UnackedMap::iterator Queue::find_unacked(const Receipt& receipt) {
  const auto found = unacked_.find(receipt.sequence);
  if (found != unacked_.end() && found->second.delivery != receipt.delivery) return unacked_.end();
  return found;
}

bool Queue::is_unacked(const Receipt& receipt) const {
  const auto found = unacked_.find(receipt.sequence);
  return found != unacked_.end() && found->second.delivery == receipt.delivery;
}

Queue::Unacked Queue::take_unacked(UnackedMap::iterator at) {
  assert(at != unacked_.end());
  set_deadline(at->first, at->second, {});
  Unacked unacked = std::move(at->second);
  unacked_bytes_ -= unacked.entry.message_bytes;
  if (unacked.origin) {
    --remote_unacked_;
    remote_unacked_bytes_ -= unacked.entry.message_bytes;
  }
  unacked_.erase(at);
  return unacked;
}

bool Queue::discard(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  Unacked unacked = take_unacked(found);
  if (unacked.origin)
    finish(std::move(unacked), RemoteOrigin::Settle::discard);
  else
    let_die(Item{unacked.entry, std::move(unacked.message), false}, Death::rejected);
  return true;
}

void Queue::finish(Unacked unacked, RemoteOrigin::Settle how) {
  if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
  if (unacked.origin)
    unacked.origin->settle(unacked.remote_tag, how);
  else
    settle(unacked.entry);
  if (settings_.keeps_groups && !unacked.origin) unlock_group(unacked.entry);
}

// Another agent's message is counted where it is settled. The clocks are those of the wall, which
// may jump: what comes before its publish took no time.
void Queue::observe_ack(const Unacked& unacked) {
  if (context_.publish_to_ack == nullptr || unacked.origin) return;
  const Milliseconds published =
      unacked.message ? unacked.message->published : unacked.entry.published;
  const auto took = std::max<std::int64_t>(0, context_.clock.now_ms() - published);
  context_.publish_to_ack->observe(static_cast<double>(took) / 1000);
}

bool Queue::ack(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  observe_ack(found->second);
  finish(take_unacked(found), RemoteOrigin::Settle::ack);
  ++counters_.acked;
  return true;
}

bool Queue::give_back(const Receipt& receipt, Return how) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  give_back(take_unacked(found), std::move(how));
  return true;
}

// Twice as long after each failure, and up to a half shorter at random: what failed together does
// not come back together.
std::chrono::milliseconds Queue::backoff(std::uint16_t delivery_count) const {
  if (settings_.backoff.count() <= 0 || delivery_count == 0) return std::chrono::milliseconds(0);
  auto delay = settings_.backoff;
  for (std::uint16_t i = 1; i < delivery_count && delay < settings_.backoff_max; ++i) delay *= 2;
  delay = std::min(delay, std::max(settings_.backoff, settings_.backoff_max));
  const auto half = static_cast<std::uint64_t>(delay.count() / 2);
  return delay -
         std::chrono::milliseconds(static_cast<std::int64_t>(context_.random.below(half + 1)));
}

// To its old place. That it came back is journaled with the turn's other changes. It is delivered
// again at the turn's end, when its neighbours are back too: so they stay in order.
void Queue::give_back(Unacked unacked, Return how) {
  ++counters_.returned;
  if (unacked.origin) {
    if (!how.counts) return finish(std::move(unacked), RemoteOrigin::Settle::give_back);
    return unacked.origin->fail(unacked.remote_tag,
                                {how.delay, how.backs_off, std::move(how.reason)});
  }
  Item item{unacked.entry, std::move(unacked.message), false};
  spool::Entry& entry = item.entry;
  entry.redelivered = true;
  if (how.counts && entry.delivery_count < std::numeric_limits<std::uint16_t>::max())
    ++entry.delivery_count;
  if (how.counts && settings_.deliveries_max > 0 &&
      entry.delivery_count >= settings_.deliveries_max)
    return let_die(std::move(item), Death::delivery_limit, std::move(how.reason));
  const auto delay = how.delay       ? *how.delay
                     : how.backs_off ? backoff(entry.delivery_count)
                                     : std::chrono::milliseconds(0);
  if (delay.count() > 0) {
    entry.due =
        context_.clock.now_ms() + std::min<std::chrono::milliseconds>(delay, kTimeoutMax).count();
    if (is_in_spool(entry)) context_.note_change(entry);
    wait_for_due(std::move(item));
    show_deadline();
    return;
  }
  if (is_in_spool(entry)) context_.note_change(entry);
  put_back(std::move(item));
}

// It is ready again, at its place.
void Queue::put_back(Item item) {
  if (settings_.keeps_groups) unlock_group(item.entry);
  ++ready_;
  ready_bytes_ += item.entry.message_bytes;
  note_expiry(item.entry);
  lane_for(item.entry.priority).returned[item.entry.sequence] = std::move(item);
  wake_at_turn_end();
}

void Queue::wake_at_turn_end() {
  if (!std::exchange(is_returned_, true)) context_.returned.push_back(weak_from_this());
}

void Queue::on_turn_end() {
  is_returned_ = false;
  pump();
  enforce_limits();
}

bool Queue::extend(const Receipt& receipt, std::chrono::milliseconds timeout, Expiry expiry) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  found->second.is_lease = true;
  found->second.lease_counts = expiry == Expiry::counts;
  set_deadline(receipt.sequence, found->second,
               context_.clock.now() + std::clamp<std::chrono::milliseconds>(
                                          timeout, std::chrono::milliseconds(0), kTimeoutMax));
  return true;
}

bool Queue::end_lease(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end()) return false;
  found->second.is_lease = false;
  set_deadline(receipt.sequence, found->second, ack_deadline());
  return true;
}

void Queue::restart_timeout(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  if (found == unacked_.end() || found->second.is_lease || found->second.origin) return;
  set_deadline(receipt.sequence, found->second, ack_deadline());
}

void Queue::set_deadline(Sequence sequence, Unacked& unacked,
                         std::optional<Clock::time_point> deadline) {
  if (unacked.deadline == deadline) return;
  if (unacked.deadline) deadlines_.erase({*unacked.deadline, sequence});
  unacked.deadline = deadline;
  if (deadline) deadlines_.emplace(*deadline, sequence);
  show_deadline();
}

// Keeps the context's index right.
void Queue::show_deadline() {
  std::optional<Clock::time_point> next = retry_at_;
  if (!deadlines_.empty() && (!next || deadlines_.begin()->first < *next))
    next = deadlines_.begin()->first;
  if (get_until_ && (!next || *get_until_ < *next)) next = get_until_;
  if (const auto timed = next_time(); timed && (!next || *timed < *next)) next = timed;
  if (next == shown_) return;
  if (shown_) context_.deadlines.erase({*shown_, this});
  shown_ = next;
  if (next) context_.deadlines.emplace(*next, this);
}

}  // namespace pannier::queue
