#include "sidecar/queue/queue.h"

#include <algorithm>

namespace pannier::queue {

Queue::Queue(QueueContext& context, QueueId id, QueueSettings settings)
    : context_(context), id_(id), settings_(std::move(settings)) {
  ++context_.queues;
}

Queue::~Queue() {
  stop_waiting();
  --context_.queues;
  for (Item& item : window_) drop_copy(item);
  for (auto& [sequence, item] : returned_) drop_copy(item);
  for (auto& [sequence, unacked] : unacked_)
    if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
}

// The ack timeout holds for what is unacknowledged already, too: from now on, if that is sooner.
void Queue::change(const QueueSettings& settings) {
  if (gone_) return;
  settings_ = settings;
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
  pump();
  enforce_limits();
}

Sequence Queue::lowest() const {
  Sequence lowest = context_.spool.last_sequence(id_) + 1;
  if (more_on_disk_) lowest = std::min(lowest, window_end_ + 1);
  if (!window_.empty()) lowest = std::min(lowest, window_.front().entry.sequence);
  if (!returned_.empty()) lowest = std::min(lowest, returned_.begin()->first);
  for (const auto& [sequence, unacked] : unacked_)
    if (!unacked.origin) lowest = std::min(lowest, sequence);
  return lowest;
}

void Queue::recover() {
  const spool::Lane lane{id_, 0};
  const spool::LaneTotals totals = context_.spool.totals(lane);
  ready_ = totals.messages;
  ready_bytes_ = totals.message_bytes;
  more_on_disk_ = ready_ > 0;
  suspect_ = context_.spool.suspect_up_to(lane);
}

bool Queue::is_over_limit(std::uint64_t more_bytes, std::uint64_t more_messages) const {
  const bool all = settings_.limits_count_unacked;
  const std::uint64_t messages =
      ready_ + (all ? unacked_.size() - remote_unacked_ : 0) + more_messages;
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
  return settings_.durability == Durability::memory && message.parts == 0 && !more_on_disk_ &&
         context_.affords(memory_of(message));
}

void Queue::put(const spool::Entry& entry, MessagePtr message) {
  if (gone_) {  // while this very publish was handed out elsewhere
    if (is_in_spool(entry)) context_.spool.release(entry);
    return;
  }
  ++ready_;
  ready_bytes_ += entry.message_bytes;
  ++counters_.published;
  const bool has_room = window_.size() < context_.window_share() || !is_in_spool(entry);
  if (more_on_disk_ || !has_room) {
    more_on_disk_ = true;
    context_.spool.release(entry);
  } else {
    Item& item = window_.emplace_back(Item{entry, {}, false});
    window_end_ = entry.sequence;
    // What a consumer waits for is kept in any case: it leaves at once.
    const bool wanted = window_.size() == 1 && (!consumers_.empty() || !getters_.empty());
    if (wanted || !is_in_spool(entry) || context_.affords(memory_of(*message)))
      keep_copy(item, std::move(message));
  }
  pump();
  enforce_limits();
}

// DropHead: the oldest go until the limits hold. What has to be paged in first goes when it is
// there.
bool Queue::drop_over_limit() {
  bool dropped = false;
  while (is_over_limit(0, 0) && ready_ > 0) {
    if (head() == nullptr) {
      fetch_more();
      break;
    }
    Item item = take_head();
    drop_copy(item);
    settle(item.entry);
    ++counters_.dropped;
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
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto due = unacked_.find(deadlines_.begin()->second);
    const bool counts = !due->second.is_lease || due->second.lease_counts;
    give_back(take_unacked(due), {counts});
  }
  answer_getters_until(now);
  show_deadline();
  pump();
}

Result<std::uint64_t> Queue::purge(Commit& commit) {
  commit = context_.spool.synced_commit();
  if (gone_) return std::uint64_t{0};
  std::vector<spool::Entry> kept;
  for (const auto& [sequence, unacked] : unacked_)
    if (is_in_spool(unacked.entry)) kept.push_back(unacked.entry);
  // In order: recovery looks them up by halving.
  std::sort(kept.begin(), kept.end(),
            [](const spool::Entry& a, const spool::Entry& b) { return a.sequence < b.sequence; });
  if (context_.spool.totals({id_, 0}).messages > kept.size()) {
    spool::Group group;
    group.purge(id_, kept);
    auto purged = context_.spool.append(group);
    if (!purged) return purged.error();
    commit = *purged;
  }
  const std::uint64_t count = ready_;
  for (Item& item : window_) let_go(item);
  for (auto& [sequence, item] : returned_) let_go(item);
  window_.clear();
  returned_.clear();
  ready_ = ready_bytes_ = 0;
  more_on_disk_ = false;
  // A fetch that is under way finds what is published from now on: see on_fetched.
  window_end_ = std::max(window_end_, context_.spool.last_sequence(id_));
  pump();
  return count;
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
  for (Item& item : window_) let_go(item);
  for (auto& [sequence, item] : returned_) let_go(item);
  for (auto& [sequence, unacked] : unacked_) {
    if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
    if (is_in_spool(unacked.entry)) context_.spool.release(unacked.entry);
    if (unacked.origin) unacked.origin->settle(unacked.remote_tag, RemoteOrigin::Settle::give_back);
  }
  window_.clear(), returned_.clear(), unacked_.clear(), deadlines_.clear();
  ready_ = ready_bytes_ = unacked_bytes_ = remote_unacked_ = remote_unacked_bytes_ = 0;
  more_on_disk_ = false;
  stop_waiting();
  for (auto& [max, done] : std::exchange(peeks_, {})) done({});
  answer_getters_empty();
  while (!consumers_.empty()) {  // one that is told may take others with it
    Consumer* consumer = consumers_.back();
    consumers_.pop_back();
    consumer->queue_gone(*this);
  }
  note_demand();
}

QueueStatus Queue::status() const {
  QueueStatus status;
  status.ready = ready_;
  status.unacked = unacked_.size() - remote_unacked_;
  status.bytes = ready_bytes_ + unacked_bytes_ - remote_unacked_bytes_;
  status.consumers = consumers_.size();
  status.counters = counters_;
  const Item* oldest = const_cast<Queue*>(this)->head();
  if (oldest != nullptr)
    status.oldest = oldest->message ? oldest->message->published : oldest->entry.published;
  return status;
}

std::string Queue::check() const {
  std::uint64_t bytes = 0, unacked_bytes = 0;
  std::uint64_t remote = 0, remote_bytes = 0;
  std::size_t timed = 0;
  Sequence last = 0;
  for (const Item& item : window_) {
    if (item.entry.sequence <= last) return "the window is out of order";
    if (returned_.contains(item.entry.sequence)) return "a message is in the window twice";
    if (unacked_.contains(item.entry.sequence)) return "a message is ready and unacked";
    last = item.entry.sequence;
    bytes += item.entry.message_bytes;
  }
  if (last > window_end_) return "the window's end is within it";
  for (const auto& [sequence, item] : returned_) {
    if (unacked_.contains(sequence)) return "a returned message is unacked";
    bytes += item.entry.message_bytes;
  }
  for (const auto& [sequence, unacked] : unacked_) {
    unacked_bytes += unacked.entry.message_bytes;
    remote += unacked.origin ? 1 : 0;
    remote_bytes += unacked.origin ? unacked.entry.message_bytes : 0;
    timed += unacked.deadline ? 1 : 0;
  }
  const std::uint64_t held = window_.size() + returned_.size();
  if (more_on_disk_ ? ready_ < held : ready_ != held) return "ready does not add up";
  if (more_on_disk_ ? ready_bytes_ < bytes : ready_bytes_ != bytes) return "bytes do not add up";
  if (remote != remote_unacked_ || remote_bytes != remote_unacked_bytes_)
    return "messages of others do not add up";
  if (unacked_bytes != unacked_bytes_) return "unacked bytes do not add up";
  if (timed != deadlines_.size()) return "deadlines do not add up";
  return {};
}

}  // namespace pannier::queue
