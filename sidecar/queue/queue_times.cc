// Times: messages that wait until they are due, and those that expire.
#include <algorithm>
#include <limits>

#include "common/log.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {
namespace {

constexpr std::size_t kTimesMax = 4'096;     // of a queue, in memory, of each kind
constexpr std::size_t kPromotedMax = 4'096;  // due, and waiting for a consumer, in memory
constexpr std::size_t kExpiredAtOnce = 256;  // read from the spool

}  // namespace

// A queue's own TTL counts from when a message came, or became due, whatever it was then.
bool Queue::is_expired(const spool::Entry& entry, Milliseconds now) const {
  if (entry.expiry != 0 && entry.expiry <= now) return true;
  return settings_.message_ttl &&
         std::max(entry.published, entry.due) + settings_.message_ttl->count() <= now;
}

// In the caller's hands until then, or the spool's if there are too many.
void Queue::wait_for_due(Item item) {
  ++delayed_count_;
  ready_bytes_ += item.entry.message_bytes;
  if (is_in_spool(item.entry)) drop_copy(item);
  item.loading = false;
  const spool::Entry entry = item.entry;
  note_expiry(entry);
  const spool::TimeKey key{entry.due, entry.sequence};
  if (is_fetching_due_ || !is_in_spool(entry))
    delayed_.refill(key, std::move(item));
  else if (!delayed_.add(key, std::move(item)))
    context_.spool.release(entry);
  shed_times();
}

void Queue::note_expiry(const spool::Entry& entry) {
  if (entry.expiry == 0) return;
  const spool::TimeKey key{entry.expiry, entry.sequence};
  if (is_fetching_expiry_ || !is_in_spool(entry))
    expiring_.refill(key, entry.priority);
  else
    expiring_.add(key, entry.priority);
  shed_times();
}

void Queue::shed_times() {
  const auto in_spool = [](const Item& item) { return is_in_spool(item.entry); };
  while (!is_fetching_due_ && delayed_.size() > kTimesMax) {
    const auto item = delayed_.shed(kTimesMax, in_spool);
    if (!item) break;
    context_.spool.release(item->entry);
  }
  const bool is_memory = settings_.durability == Durability::memory;
  while (!is_fetching_expiry_ && !is_memory && expiring_.size() > kTimesMax)
    if (!expiring_.shed(kTimesMax, [](spool::Priority) { return true; })) break;
}

// What is due takes its place, as long as somebody takes it away again; for a hand-over all of it.
void Queue::promote(Milliseconds now) {
  if (consumers_.any_of([](const Consumer& consumer) { return consumer.takes_held_back(); }))
    now = std::numeric_limits<Milliseconds>::max();
  if (delayed_.empty() || *delayed_.first() > now) return;
  std::size_t waiting = 0;
  for (const ReadyLane& lane : lanes_) waiting += lane.returned.size();
  for (; waiting < kPromotedMax; ++waiting) {
    auto due = delayed_.pop(now);
    if (!due) return;
    --delayed_count_;
    ++ready_;
    Item& item = due->second;
    const Sequence sequence = item.entry.sequence;
    if (settings_.keeps_groups) unlock_group(item.entry);
    lane_for(item.entry.priority).returned.insert_or_assign(sequence, std::move(item));
  }
}

// The head is expired. False: it has to wait, as too many dead letters do.
bool Queue::expire_head() {
  if (!may_die()) return false;
  let_die(take_head(), Death::expired);
  return true;
}

// By the queue's TTL at the heads, where the oldest are; by their own wherever they are. Somebody
// may be about to get what has just come.
void Queue::expire(Milliseconds now) {
  if (gone_ || is_stalled_) return;
  for (std::size_t i = 0; settings_.message_ttl && i < lanes_.size(); ++i)
    for (Item* head = lanes_[i].head();
         head != nullptr && may_die() && is_expired(head->entry, now); head = lanes_[i].head()) {
      Item item = lanes_[i].take_head();
      note_taken(item);
      let_die(std::move(item), Death::expired);
    }
  while (may_die()) {
    const auto due = expiring_.pop(now);
    if (!due) break;
    expire_key(due->first, due->second);
  }
  if (expired_on_disk_) expire_on_disk();
}

// It may have been acked long ago, be out, or be in the spool only.
void Queue::expire_key(spool::TimeKey key, spool::Priority priority) {
  ReadyLane& lane = lane_for(priority);
  const Item* found = lane.find(key.sequence);
  if (found != nullptr && found->entry.expiry == key.time) {
    Item item = lane.take(key.sequence);
    note_taken(item);
    let_die(std::move(item), Death::expired);
    return;
  }
  const bool may_be_on_disk = (lane.more_on_disk && key.sequence > lane.window_end) ||
                              delayed_.is_partial() || parked_count_ > 0 || !delayed_.empty();
  if (may_be_on_disk && !unacked_.contains(key.sequence) && !dying_.contains(key.sequence))
    expired_on_disk_ = std::min(expired_on_disk_.value_or(key), key);
}

void Queue::expire_on_disk() {
  if (is_fetching_expiry_ || retry_at_ || !may_die()) return;
  is_fetching_expiry_ = true;
  spool::TimeKey after = *std::exchange(expired_on_disk_, {});
  if (after.sequence > 0) --after.sequence;
  context_.spool.fetch_by_time(
      id_, spool::TimeColumn::expiry, after, kExpiredAtOnce,
      [weak = weak_from_this(), &spool = context_.spool](Result<spool::TimedEntries> found) {
        if (const auto self = weak.lock(); self && !self->gone_)
          return self->on_expiry_fetched(std::move(found), false);
        if (found)
          for (const spool::Entry& entry : found->entries) spool.release(entry);
      });
}

// Keeps what comes next in memory, once that has run empty.
void Queue::fetch_times() {
  if (retry_at_ || gone_) return;
  const auto release = [](spool::Spool& spool, const Result<spool::TimedEntries>& found) {
    if (!found) return;
    for (const spool::Entry& entry : found->entries) spool.release(entry);
  };
  if (delayed_.is_partial() && delayed_.empty() && !is_fetching_due_) {
    is_fetching_due_ = true;
    context_.spool.fetch_by_time(
        id_, spool::TimeColumn::due, delayed_.passed(), kTimesMax,
        [weak = weak_from_this(), &spool = context_.spool, release](auto found) {
          if (const auto self = weak.lock(); self && !self->gone_)
            self->on_due_fetched(std::move(found));
          else
            release(spool, found);
        });
  }
  if (!expiring_.is_partial() || !expiring_.empty() || is_fetching_expiry_) return;
  is_fetching_expiry_ = true;
  context_.spool.fetch_by_time(
      id_, spool::TimeColumn::expiry, expiring_.passed(), kTimesMax,
      [weak = weak_from_this(), &spool = context_.spool, release](auto found) {
        if (const auto self = weak.lock(); self && !self->gone_)
          self->on_expiry_fetched(std::move(found), true);
        else
          release(spool, found);
      });
}

void Queue::on_due_fetched(Result<spool::TimedEntries> found) {
  is_fetching_due_ = false;
  if (!found) {
    log::error("which messages of a queue are due cannot be read",
               {{"queue", name()}, {"error", found.error().detail}});
    if (found.error().code == Errc::io_error) return retry_later();
    // Those cannot be found in this run; they must not hold up the others.
    is_counting_delayed_ = false;
    delayed_.set_partial(false);
    delayed_count_ = delayed_.size();
    return pump();
  }
  if (std::exchange(is_counting_delayed_, false)) {
    const std::uint64_t counted = std::min(found->matching, ready_);
    ready_ -= counted;
    delayed_count_ += counted;
  }
  delayed_.set_partial(found->matching > found->entries.size());
  for (const spool::Entry& entry : found->entries) {
    const spool::TimeKey key{entry.due, entry.sequence};
    const bool is_known = delayed_.held().contains(key) || unacked_.contains(entry.sequence) ||
                          dying_.contains(entry.sequence);
    if (is_known)
      context_.spool.release(entry);
    else
      delayed_.refill(key, Item{entry, {}, false});
  }
  if (!delayed_.is_partial()) delayed_count_ = delayed_.size();
  shed_times();
  show_deadline();
  pump();
}

void Queue::on_expiry_fetched(Result<spool::TimedEntries> found, bool is_refill) {
  is_fetching_expiry_ = false;
  if (!found) {
    log::error("which messages of a queue expire cannot be read",
               {{"queue", name()}, {"error", found.error().detail}});
    if (found.error().code != Errc::io_error) return expiring_.set_partial(false);
    if (!is_refill) expired_on_disk_ = spool::TimeKey{};  // from the start, then
    return retry_later();
  }
  const Milliseconds now = context_.clock.now_ms();
  if (is_refill) expiring_.set_partial(found->matching > found->entries.size());
  bool are_all_expired = true;
  for (const spool::Entry& entry : found->entries) {
    const spool::TimeKey key{entry.expiry, entry.sequence};
    const bool is_over = entry.expiry <= now;
    are_all_expired = are_all_expired && is_over;
    if (is_refill && !is_over) expiring_.refill(key, entry.priority);
    if (!is_over || !may_die() || !expire_entry(entry)) context_.spool.release(entry);
    if (is_over && !may_die()) expired_on_disk_ = std::min(expired_on_disk_.value_or(key), key);
  }
  const bool has_more = found->matching > found->entries.size();
  if (!is_refill && has_more && are_all_expired && !found->entries.empty()) {
    const spool::Entry& last = found->entries.back();
    const spool::TimeKey next{last.expiry, last.sequence + 1};
    expired_on_disk_ = std::min(expired_on_disk_.value_or(next), next);
  }
  shed_times();
  if (expired_on_disk_) expire_on_disk();
  show_deadline();
  pump();
}

// It is in our hands once more. False: that is not needed, as it is elsewhere in memory.
bool Queue::expire_entry(const spool::Entry& entry) {
  if (unacked_.contains(entry.sequence) || dying_.contains(entry.sequence)) return false;
  ReadyLane& lane = lane_for(entry.priority);
  if (lane.find(entry.sequence) != nullptr) {
    Item item = lane.take(entry.sequence);
    note_taken(item);
    let_die(std::move(item), Death::expired);
    return false;
  }
  if (const auto parked = parked_.find(entry.group); parked != parked_.end())
    if (auto node = parked->second.extract(entry.sequence)) {
      if (parked->second.empty()) parked_.erase(parked);
      --parked_count_;
      note_taken(node.mapped());
      let_die(std::move(node.mapped()), Death::expired);
      return false;
    }
  if (entry.due != 0) {
    const spool::TimeKey due{entry.due, entry.sequence};
    const auto held = delayed_.held().find(due);
    const bool is_in_memory = held != delayed_.held().end();
    Item item = is_in_memory ? std::move(held->second) : Item{entry, {}, false};
    delayed_.erase(due);
    --delayed_count_;
    ready_bytes_ -= entry.message_bytes;
    let_die(std::move(item), Death::expired);
    return !is_in_memory;
  }
  Item item{entry, {}, false};
  note_taken(item);
  let_die(std::move(item), Death::expired);
  return true;
}

// When something comes due, or expires; as long as too many dead letters wait, nothing does.
std::optional<Clock::time_point> Queue::next_time() const {
  std::optional<Milliseconds> next;
  const auto consider = [&next](std::optional<Milliseconds> time) {
    if (time) next = std::min(next.value_or(*time), *time);
  };
  std::size_t promoted = 0;
  for (const ReadyLane& lane : lanes_) promoted += lane.returned.size();
  if (promoted < kPromotedMax) consider(delayed_.first());
  std::optional<Clock::time_point> at = bury_at_;
  if (settings_.expires.count() > 0 && consumers_.empty()) {
    const auto unused = used_at_ + settings_.expires;
    at = std::min(at.value_or(unused), unused);
  }
  if (may_die() && !is_stalled_) {
    consider(expiring_.first());
    for (std::size_t i = 0; settings_.message_ttl && i < lanes_.size(); ++i)
      if (const Item* head = const_cast<ReadyLane&>(lanes_[i]).head())
        consider(std::max(head->entry.published, head->entry.due) + settings_.message_ttl->count());
  }
  if (!next) return at;
  const auto wait = std::max<std::int64_t>(0, *next - context_.clock.now_ms());
  const auto then = context_.clock.now() + std::chrono::milliseconds(wait);
  return std::min(at.value_or(then), then);
}

}  // namespace pannier::queue
