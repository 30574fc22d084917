#include "sidecar/queue/queue.h"

#include <algorithm>

namespace pannier::queue {

Queue::Queue(QueueContext& context, QueueId id, QueueSettings settings)
    : context_(context), id_(id), settings_(std::move(settings)), used_at_(context.clock.now()) {
  ++context_.queues;
  if (settings_.expires.count() > 0) show_deadline();
}

Queue::~Queue() {
  stop_waiting();
  --context_.queues;
  for_each_item([this](Item& item) { drop_copy(item); });
  for (auto& [sequence, unacked] : unacked_)
    if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
}

// The ack timeout holds for what is unacknowledged already, too: from now on, if that is sooner.
void Queue::change(const QueueSettings& settings) {
  if (gone_) return;
  const bool kept_groups = settings_.keeps_groups;
  if (settings_.expires != settings.expires) used_at_ = context_.clock.now();
  settings_ = settings;
  if (kept_groups && !settings_.keeps_groups) forget_groups();
  if (!settings_.dead_letter) {
    // What waited for a place as a dead letter is ready again, as if nothing had happened to it.
    bury_at_.reset();
    for (auto& [sequence, dying] : std::exchange(dying_, {})) {
      Item& item = dying.item;
      ReadyLane& lane = lane_for(item.entry.priority);
      item.loading = false;
      if (is_in_spool(item.entry) && lane.more_on_disk && sequence > lane.window_end) {
        ++ready_;  // it is read with its neighbours
        ready_bytes_ += item.entry.message_bytes;
        note_expiry(item.entry);
        let_go(item);
        continue;
      }
      lane.window_end = std::max(lane.window_end, sequence);
      put_back(std::move(item));
    }
  }
  const bool has_timeout = settings_.ack_timeout.count() > 0;
  const auto latest = context_.clock.now() +
                      std::min<std::chrono::milliseconds>(settings_.ack_timeout, kTimeoutMax);
  for (auto& [sequence, unacked] : unacked_) {
    if (unacked.is_lease || unacked.origin) continue;
    if (!has_timeout)
      set_deadline(sequence, unacked, {});
    else
      set_deadline(sequence, unacked, std::min(unacked.deadline.value_or(latest), latest));
  }
  expire(context_.clock.now_ms());
  show_deadline();
  pump();
  enforce_limits();
}

// Of what waits for its time the spool alone may know some.
Sequence Queue::lowest() const {
  if (delayed_.is_partial() || is_counting_delayed_) return 1;
  Sequence lowest = context_.spool.last_sequence(id_) + 1;
  for (const ReadyLane& lane : lanes_)
    if (lane.more_on_disk) lowest = std::min(lowest, lane.window_end + 1);
  const_cast<Queue*>(this)->for_each_item(
      [&](const Item& item) { lowest = std::min(lowest, item.entry.sequence); });
  for (const auto& [sequence, unacked] : unacked_)
    if (!unacked.origin) lowest = std::min(lowest, sequence);
  return lowest;
}

// How many wait for their time is not known before they have been looked at.
void Queue::recover() {
  for (const spool::Priority priority : context_.spool.priorities(id_)) {
    const spool::Lane of{id_, priority};
    const spool::LaneTotals totals = context_.spool.totals(of);
    if (totals.messages == 0 && context_.spool.suspect_up_to(of) == 0) continue;
    ReadyLane& lane = lane_for(priority);
    ready_ += totals.messages;
    ready_bytes_ += totals.message_bytes;
    lane.more_on_disk = totals.messages > 0;
    lane.suspect = context_.spool.suspect_up_to(of);
  }
  is_counting_delayed_ = context_.spool.has_times(id_, spool::TimeColumn::due);
  delayed_.set_partial(is_counting_delayed_);
  expiring_.set_partial(context_.spool.has_times(id_, spool::TimeColumn::expiry));
  fetch_times();
}

bool Queue::is_over_limit(std::uint64_t more_bytes, std::uint64_t more_messages) const {
  const bool all = settings_.limits_count_unacked;
  const std::uint64_t messages =
      ready_ + delayed_count_ + (all ? unacked_.size() - remote_unacked_ : 0) + more_messages;
  const std::uint64_t bytes =
      ready_bytes_ + (all ? unacked_bytes_ - remote_unacked_bytes_ : 0) + more_bytes;
  return (settings_.messages_max > 0 && messages > settings_.messages_max) ||
         (settings_.bytes_max > 0 && bytes > settings_.bytes_max);
}

Result<void> Queue::may_put(std::uint64_t bytes, std::uint64_t messages) const {
  if (settings_.ending)
    return Error{Errc::access_denied,
                 "queue '" + name() + "' is being deleted and takes no more messages"};
  if (settings_.overflow != Overflow::reject_publish || !is_over_limit(bytes, messages)) return {};
  return Error{Errc::queue_full, "queue '" + name() + "' has reached its limit"};
}

bool Queue::keeps_in_memory(const Message& message) const {
  return settings_.durability == Durability::memory && message.parts == 0 && !has_more_on_disk() &&
         context_.affords(memory_of(message));
}

spool::Target Queue::target_for(const Message& message) const {
  const auto in = [](Milliseconds from, std::chrono::milliseconds time) {
    return from + std::min<std::chrono::milliseconds>(time, kTimeoutMax).count();
  };
  spool::Target target;
  target.queue = id_;
  target.transient = settings_.durability == Durability::memory;
  target.priority = std::min(message.traits.priority, settings_.priority_max);
  if (settings_.keeps_groups) target.group = message.traits.group;
  const bool waits = message.traits.delay.count() > 0;
  if (!waits && !message.traits.ttl) return target;
  const Milliseconds now = context_.clock.now_ms();
  if (waits) target.due = in(now, message.traits.delay);
  if (message.traits.ttl) target.expiry = in(waits ? target.due : now, *message.traits.ttl);
  return target;
}

void Queue::put(const spool::Entry& entry, MessagePtr message) {
  if (gone_) {  // while this very publish was handed out elsewhere
    if (is_in_spool(entry)) context_.spool.release(entry);
    return;
  }
  ++counters_.published;
  if (entry.due > context_.clock.now_ms()) {
    Item item{entry, {}, false};
    if (!is_in_spool(entry)) keep_copy(item, std::move(message));
    wait_for_due(std::move(item));
    show_deadline();
    enforce_limits();
    return;
  }
  ++ready_;
  ready_bytes_ += entry.message_bytes;
  note_expiry(entry);
  ReadyLane& lane = lane_for(entry.priority);
  const bool has_room = lane.window.size() < lane_share() || !is_in_spool(entry);
  if (lane.more_on_disk || !has_room) {
    lane.more_on_disk = true;
    context_.spool.release(entry);
  } else {
    Item& item = lane.window.emplace_back(Item{entry, {}, false});
    lane.window_end = entry.sequence;
    // What a consumer waits for is kept in any case: it leaves at once.
    const bool wanted = lane.window.size() == 1 && (!consumers_.empty() || !getters_.empty());
    if (wanted || !is_in_spool(entry) || context_.affords(memory_of(*message)))
      keep_copy(item, std::move(message));
  }
  const Sequence before = std::exchange(fresh_, entry.sequence);
  pump();
  if (!is_stalled_) fresh_ = before;
  enforce_limits();
}

// DropHead: the oldest go until the limits hold. What has to be paged in first goes when it is
// there; dead letters wait until those before them are buried.
bool Queue::drop_over_limit() {
  bool dropped = false;
  while (is_over_limit(0, 0) && ready_ > 0 && may_die()) {
    if (head() == nullptr) {
      fetch_more();
      break;
    }
    let_die(take_head(), Death::max_length);
    dropped = true;
  }
  return dropped;
}

void Queue::enforce_limits() {
  if (gone_ || settings_.overflow != Overflow::drop_head) return;
  if (drop_over_limit()) pump();
}

void Queue::settle(const spool::Entry& entry) {
  if (!is_in_spool(entry)) return;
  context_.forget_change(id_, entry.sequence);
  context_.spool.settle(entry);
}

void Queue::let_go(Item& item) {
  drop_copy(item);
  if (!is_in_spool(item.entry)) return;
  context_.forget_change(id_, item.entry.sequence);
  context_.spool.release(item.entry);
}

void Queue::on_time(Clock::time_point now) {
  const auto self = shared_from_this();
  if (retry_at_ && *retry_at_ <= now) retry_at_.reset();
  if (bury_at_ && *bury_at_ <= now) {
    bury_at_.reset();
    note_dead(true);
    load_dying();
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto due = unacked_.find(deadlines_.begin()->second);
    const bool counts = !due->second.is_lease || due->second.lease_counts;
    give_back(take_unacked(due), {.counts = counts});
  }
  answer_getters_until(now);
  expire(context_.clock.now_ms());
  show_deadline();
  pump();
}

Result<std::uint64_t> Queue::purge(Commit& commit) {
  commit = context_.spool.synced_commit();
  if (gone_) return std::uint64_t{0};
  std::vector<spool::Entry> kept;
  for (const auto& [sequence, unacked] : unacked_)
    if (is_in_spool(unacked.entry)) kept.push_back(unacked.entry);
  for (const auto& [sequence, dying] : dying_)
    if (is_in_spool(dying.item.entry)) kept.push_back(dying.item.entry);
  // In order: recovery looks them up by halving.
  std::sort(kept.begin(), kept.end(),
            [](const spool::Entry& a, const spool::Entry& b) { return a.sequence < b.sequence; });
  std::uint64_t in_spool = 0;
  for (const spool::Priority priority : context_.spool.priorities(id_))
    in_spool += context_.spool.totals({id_, priority}).messages;
  if (in_spool > kept.size()) {
    spool::Group group;
    group.purge(id_, kept);
    auto purged = context_.spool.append(group);
    if (!purged) return purged.error();
    commit = *purged;
  }
  const std::uint64_t count = ready_ + delayed_count_;
  auto dying = std::exchange(dying_, {});
  for_each_item([this](Item& item) { let_go(item); });
  dying_ = std::move(dying);
  // A fetch that is under way finds what is published from now on: see on_fetched.
  for (ReadyLane& lane : lanes_) lane.clear(context_.spool.last_sequence(id_));
  forget_waiting();
  pump();
  return count;
}

// Of what is ready, or waits, nothing is left.
void Queue::forget_waiting() {
  ready_ = ready_bytes_ = delayed_count_ = 0;
  is_counting_delayed_ = false;
  delayed_.clear();
  expiring_.clear();
  expired_on_disk_.reset();
  parked_.clear();
  parked_count_ = 0;
}

void Queue::note_use() {
  used_at_ = context_.clock.now();
  if (settings_.expires.count() > 0 && !gone_) show_deadline();
}

bool Queue::is_unused(Clock::time_point now) const {
  return settings_.expires.count() > 0 && consumers_.empty() && !gone_ &&
         used_at_ + settings_.expires <= now;
}

// Off every list of the context.
void Queue::stop_waiting() {
  if (shown_) context_.deadlines.erase({*shown_, this});
  shown_.reset();
}

void Queue::be_gone() {
  if (gone_) return;
  const auto self = shared_from_this();  // whoever holds the last reference may let go meanwhile
  gone_ = true;
  context_.forget_changes(id_);
  for_each_item([this](Item& item) { let_go(item); });
  for (auto& [sequence, unacked] : unacked_) {
    if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
    if (is_in_spool(unacked.entry)) context_.spool.release(unacked.entry);
    if (unacked.origin) unacked.origin->settle(unacked.remote_tag, RemoteOrigin::Settle::give_back);
  }
  lanes_.clear(), dying_.clear(), locked_.clear(), unacked_.clear(), deadlines_.clear();
  forget_waiting();
  unacked_bytes_ = remote_unacked_ = remote_unacked_bytes_ = 0;
  stop_waiting();
  for (auto& [max, done] : std::exchange(peeks_, {})) done({});
  answer_getters_empty();
  while (Consumer* consumer = consumers_.pop())  // one that is told may take others with it
    consumer->queue_gone(*this);
  note_demand();
}

}  // namespace pannier::queue
