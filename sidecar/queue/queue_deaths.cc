// Deaths: messages that leave other than by an ack, on their way to the dead letter exchange.
#include "common/log.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {
namespace {

constexpr std::size_t kDyingMax = 1'024;    // of a queue: then it waits with others
constexpr std::size_t kDyingLoadMax = 32;   // read at once
constexpr std::size_t kBuriedAtOnce = 256;  // in a turn
constexpr std::chrono::seconds kBuryRetry{1};

void note_death(QueueCounters& counters, Death why) {
  switch (why) {
    case Death::rejected: ++counters.rejected; return;
    case Death::expired: ++counters.expired; return;
    case Death::max_length: ++counters.dropped; return;
    case Death::delivery_limit: ++counters.delivery_limit; return;
  }
}

}  // namespace

// Nothing waits where dead letters go nowhere.
bool Queue::may_die() const { return !settings_.dead_letter || dying_.size() < kDyingMax; }

// The item is out of every list and count.
void Queue::let_die(Item item, Death why, std::string nack_reason) {
  note_death(counters_, why);
  if (!settings_.dead_letter) {
    drop_copy(item);
    settle(item.entry);
    if (settings_.keeps_groups) unlock_group(item.entry);
    return;
  }
  if (settings_.keeps_groups) unlock_group(item.entry);
  item.loading = false;
  const Sequence sequence = item.entry.sequence;
  const bool is_here = item.message != nullptr;
  dying_.insert_or_assign(sequence, Dying{std::move(item), why, std::move(nack_reason)});
  if (is_here)
    note_dead(true);
  else
    load_dying();
}

void Queue::note_dead(bool has_more) {
  if (!has_more || std::exchange(is_dying_, true)) return;
  context_.dying.push_back(weak_from_this());
}

void Queue::load_dying() {
  if (dying_.empty() || retry_at_ || bury_at_) return;
  for (auto& [sequence, dying] : dying_) {
    if (dying_loading_ >= kDyingLoadMax || is_in_read_line_) return;
    Item& item = dying.item;
    if (item.message || item.loading) continue;
    const std::uint64_t bytes = item.entry.message_bytes + kCopyOverhead;
    if (!context_.may_read(bytes, weak_from_this())) {
      is_in_read_line_ = true;
      return;
    }
    item.loading = true;
    ++dying_loading_;
    context_.spool.read(item.entry, [alive = context_.alive, weak = weak_from_this(), bytes,
                                     sequence = sequence](auto stored) {
      if (*alive == nullptr) return;
      if (const auto self = weak.lock(); self && !self->gone_)
        self->on_dying_loaded(sequence, std::move(stored));
      if (*alive != nullptr) (*alive)->end_read(bytes);
    });
  }
}

void Queue::on_dying_loaded(Sequence sequence, Result<spool::StoredMessage> stored) {
  --dying_loading_;
  const auto found = dying_.find(sequence);
  if (found == dying_.end()) return;
  Item& item = found->second.item;
  item.loading = false;
  if (stored) {
    keep_copy(item, message_from(std::move(*stored)));
  } else if (stored.error().code == Errc::io_error) {
    retry_later();
    return;
  } else {
    log::error("a dead letter cannot be read and is lost",
               {{"queue", name()}, {"sequence", sequence}, {"error", stored.error().detail}});
    settle(item.entry);
    ++counters_.lost;
    dying_.erase(found);
  }
  note_dead(true);
  load_dying();
}

// At the end of a turn: whoever gets one may do anything but be in the midst of a delivery of ours.
void Queue::bury() {
  is_dying_ = false;
  if (gone_ || bury_at_) return;
  const auto self = shared_from_this();
  std::size_t buried = 0;
  bool has_more = false;
  for (auto at = dying_.begin(); at != dying_.end() && !gone_;) {
    if (!at->second.item.message) {
      ++at;
      continue;
    }
    if (buried == kBuriedAtOnce) {
      has_more = true;
      break;
    }
    // Out of the list meanwhile: it may come back to this very queue.
    const Sequence sequence = at->first;
    Dying dying = std::move(at->second);
    dying_.erase(at);
    const auto done = context_.dead_letters->dead_letter(
        *this, dying.item.entry, dying.item.message, dying.why, dying.nack_reason);
    if (!done) {
      if (is_in_spool(dying.item.entry)) drop_copy(dying.item);  // read again, when there is room
      dying_.insert_or_assign(sequence, std::move(dying));
      bury_at_ = context_.clock.now() + kBuryRetry;
      break;
    }
    ++buried;
    ++counters_.dead_lettered;
    if (is_in_spool(dying.item.entry)) context_.forget_change(id_, sequence);
    drop_copy(dying.item);
    at = dying_.upper_bound(sequence);
  }
  if (gone_) return;
  note_dead(has_more);
  load_dying();
  if (settings_.message_ttl || expired_on_disk_ || !expiring_.empty())
    expire(context_.clock.now_ms());
  show_deadline();
  pump();
  enforce_limits();
}

}  // namespace pannier::queue
