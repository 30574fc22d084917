// Queue: one named queue: what is ready, who takes it, and what was taken but not settled.
//
// A disk queue's messages are the spool's; here are the entries at its head (the window), copies of
// messages within a budget that all queues share, and the unacknowledged ones. What is neither in
// the window nor unacknowledged is on disk only and is paged in as the window empties. A memory
// queue's messages are here alone, until the budget is spent: the rest goes to the spool, unsynced.
//
// Order: higher priorities first, each of them first in, first out; a message that comes back takes
// its old place. Consumers take turns, as long as they have credit; a message is delivered once its
// delivery may be known to have happened after a crash (Spool::may_deliver). Delivery is at least
// once: what a crash finds delivered and unsettled comes back with `redelivered` set.
//
// A message with a due time waits for it, and takes its place then; one that expires, is rejected,
// dropped by a limit or delivered too often leaves as a dead letter, if the queue has an exchange
// for those, in one group with its new life (dead_letter.h). Of a group of messages one is out at a
// time; what follows it is passed over, up to a limit.
//
// Owned by Registry, shared with sessions that hold deliveries of it: calls on a queue that is gone
// do nothing, and sessions let go of it before the registry goes. Loop thread. Settles are durable
// with the commit that Spool::flush_settles returns.
//
// queue.cc puts, limits and ends; queue_delivery.cc hands out, queue_settle.cc takes back,
// queue_paging.cc reads; queue_times.cc waits and expires, queue_deaths.cc buries,
// queue_groups.cc keeps groups in order.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "sidecar/queue/consumer_list.h"
#include "sidecar/queue/dead_letter.h"
#include "sidecar/queue/queue_context.h"
#include "sidecar/queue/queue_settings.h"
#include "sidecar/queue/ready_lane.h"
#include "sidecar/queue/remote.h"
#include "sidecar/queue/time_window.h"

namespace pannier::queue {

struct QueueStatus {
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
  std::uint64_t delayed = 0;  // wait for their time
  std::uint64_t bytes = 0;    // of all of them
  std::size_t consumers = 0;
  std::optional<Milliseconds> oldest;  // when the oldest ready message was published, if known
  QueueCounters counters;
};

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(QueueContext& context, QueueId id, QueueSettings settings);
  ~Queue();

  QueueId id() const { return id_; }
  const std::string& name() const { return settings_.name; }
  const QueueSettings& settings() const { return settings_; }
  void change(const QueueSettings& settings);

  // Takes up what the spool has of it: at start.
  void recover();
  // Publishes that may_put has refused.
  void note_refused(std::uint64_t messages = 1) { counters_.refused += messages; }
  // Publishes of what it has had before.
  void note_duplicate() { ++counters_.duplicates; }
  // The limits' answer to a message of that size, or to some: queue_full, or access_denied while
  // ending.
  Result<void> may_put(std::uint64_t bytes, std::uint64_t messages = 1) const;
  // How that message would stand in this queue, if it came now.
  spool::Target target_for(const Message& message) const;
  // A message is in the queue: its entry in the spool, or one without a segment in a memory queue.
  void put(const spool::Entry& entry, MessagePtr message);
  bool keeps_in_memory(const Message& message) const;

  // The consumer is given messages from now on, perhaps before this returns.
  void add_consumer(Consumer& consumer);
  // What it has not settled stays unacknowledged until settled or returned.
  void remove_consumer(Consumer& consumer);
  std::size_t consumers() const { return consumers_.size(); }
  bool has_exclusive_consumer() const;
  // Credit or room has come back: goes on delivering.
  void pump();
  void on_room();
  void on_read_room();
  void on_turn_end();
  // Dead letters whose message is here go where they belong: at the end of a turn.
  void bury();
  // One message, or nothing if none is ready. May call back later, when it has to be read; whoever
  // asked may be gone by then: the callback then gives the message back itself.
  using OnGot = std::function<void(std::optional<Delivery>)>;
  void get(bool no_ack, OnGot done);

  // Somebody has declared it, or asked it for a message: its x-expires begins anew.
  void note_use();
  // Nobody has used it for as long as its settings say, and nobody does now.
  bool is_unused(Clock::time_point now) const;

  // False: that delivery is not unacknowledged (settled, timed out, or somebody else's by now).
  bool ack(const Receipt& receipt);
  struct Return {
    bool counts = true;      // as a failed delivery; not so for our own shutdown
    bool backs_off = false;  // the queue's backoff holds it back for a while
    std::optional<std::chrono::milliseconds> delay = {};  // instead of the backoff
    std::string reason = {};  // the consumer's own: if it dies of this, its dead letter has it
  };
  // Back to its old place; delivered again from the end of the turn on, or when its time has come.
  // One that has been delivered too often leaves as a dead letter.
  bool give_back(const Receipt& receipt, Return how);
  // For a transaction (queue_tx.cc): what its group settles, null if that is not ours to journal;
  // and that the group is journaled.
  const spool::Entry* entry_to_settle(const Receipt& receipt) const;
  void note_settled(const Receipt& receipt);
  // Rejected: it leaves as a dead letter, or for good if the queue has nowhere to send it.
  bool discard(const Receipt& receipt);
  // A lease of its own for one delivery, whatever the queue's ack timeout. What runs out goes back:
  // uncounted when whoever had it was cut off, and is not at fault (a link); else as a failed
  // delivery.
  enum class Expiry : std::uint8_t { uncounted, counts };
  bool extend(const Receipt& receipt, std::chrono::milliseconds timeout,
              Expiry expiry = Expiry::uncounted);
  // The lease is over, and the queue's ack timeout begins anew, if it has one.
  bool end_lease(const Receipt& receipt);
  // The ack timeout begins anew, unless the delivery has a lease or another agent owns the message.
  void restart_timeout(const Receipt& receipt);
  bool is_unacked(const Receipt& receipt) const;
  // Whose the delivery's message is; null: ours, or it is not unacknowledged.
  std::shared_ptr<RemoteOrigin> origin_of(const Receipt& receipt) const;

  // Removes what is ready. Returns how many; durable with `commit`.
  Result<std::uint64_t> purge(Commit& commit);
  // The registry has dropped it: consumers are told, deliveries mean nothing any more.
  void be_gone();
  bool is_gone() const { return gone_; }

  // Messages of other agents (queue_remote.cc). The source outlives the queue or takes itself off;
  // it is told whenever consumers could take more, or less, than there is here.
  void set_remote_source(RemoteSource* source);
  // What local consumers and gets would take beyond what is ready here.
  std::uint64_t demand() const;
  // Gives it to a local consumer or get. False: nobody can take it; it stays the caller's.
  bool offer(const RemoteMessage& remote);
  // The gets that wait for other agents, and their answer when those have nothing.
  std::size_t waiting_gets() const;
  void no_remote_answer();

  void on_time(Clock::time_point now);
  QueueStatus status() const;
  // What consumers can have: what is ready, unless the queue is paused.
  std::uint64_t deliverable() const { return settings_.paused ? 0 : ready_; }
  std::uint64_t ready() const { return ready_; }
  bool empty() const { return ready_ + delayed_count_ + unacked_.size() + dying_.size() == 0; }
  // No message of this spool below it is here, or comes in this run; conservative.
  Sequence lowest() const;

  // Looks without side effect at what is ready, from the head on: at most `max`, and at most what
  // is kept in memory of its head. Calls back later.
  using OnPeeked = std::function<void(std::vector<Delivery>)>;
  void peek(std::size_t max, OnPeeked done);

  // Everything that the counts say, counted anew: for tests. Empty when it adds up.
  std::string check() const;

 private:
  struct Unacked {
    spool::Entry entry;
    MessagePtr message;  // of a memory queue: there is no other copy
    std::uint64_t delivery = 0;
    std::optional<Clock::time_point> deadline;
    bool is_lease = false;                 // the deadline is extend()'s, not the ack timeout's
    std::shared_ptr<RemoteOrigin> origin;  // another agent's: there it is settled, and timed
    std::uint64_t remote_tag = 0;
    bool lease_counts = false;  // as a failed delivery, when it runs out
  };
  using UnackedMap = std::unordered_map<Sequence, Unacked>;
  struct Getter {
    bool no_ack = false;
    OnGot done;
    std::optional<Clock::time_point> until;  // it waits for other agents
  };
  struct Dying {  // on its way out as a dead letter
    Item item;
    Death why{};
    std::string nack_reason;
  };
  struct Peek;

  static bool is_in_spool(const spool::Entry& entry) { return entry.segment != 0; }

  // queue.cc
  void settle(const spool::Entry& entry);
  bool drop_over_limit();
  void enforce_limits();
  bool is_over_limit(std::uint64_t more_bytes, std::uint64_t more_messages) const;
  template <typename Visit>
  void for_each_item(Visit&& visit);
  void let_go(Item& item);
  void forget_waiting();
  void stop_waiting();

  // queue_delivery.cc
  ReadyLane& lane_for(spool::Priority priority);
  ReadyLane* first_lane();
  Item* head();
  Item take_head();
  void note_taken(const Item& item);
  Consumer* next_consumer();
  bool deliver_one();
  void hand_out(Item item, Consumer* consumer);
  bool is_suspect(const spool::Entry& entry) const;
  void note_unacked(Item& item, std::uint64_t delivery);
  void answer_getters_empty();
  void answer_local_getters();
  void stall();

  // queue_settle.cc
  UnackedMap::iterator find_unacked(const Receipt& receipt);
  Unacked take_unacked(UnackedMap::iterator at);
  void observe_ack(const Unacked& unacked);
  void give_back(Unacked unacked, Return how);
  std::chrono::milliseconds backoff(std::uint16_t delivery_count) const;
  void put_back(Item item);
  void wake_at_turn_end();
  void finish(Unacked unacked, RemoteOrigin::Settle how);
  void set_deadline(Sequence sequence, Unacked& unacked, std::optional<Clock::time_point> deadline);
  std::optional<Clock::time_point> ack_deadline() const;
  void show_deadline();

  // queue_times.cc
  bool is_expired(const spool::Entry& entry, Milliseconds now) const;
  void wait_for_due(Item item);
  void note_expiry(const spool::Entry& entry);
  void promote(Milliseconds now);
  bool expire_head();
  void expire(Milliseconds now);
  void expire_key(spool::TimeKey key, spool::Priority priority);
  void expire_on_disk();
  void fetch_times();
  void on_due_fetched(Result<spool::TimedEntries> found);
  void on_expiry_fetched(Result<spool::TimedEntries> found, bool is_refill);
  bool expire_entry(const spool::Entry& entry);
  void shed_times();
  std::optional<Clock::time_point> next_time() const;

  // queue_deaths.cc
  void let_die(Item item, Death why, std::string nack_reason = {});
  bool may_die() const;
  void load_dying();
  void on_dying_loaded(Sequence sequence, Result<spool::StoredMessage> stored);
  void note_dead(bool has_more);

  // queue_groups.cc
  bool pass_over_group(ReadyLane& lane);
  void lock_group(const spool::Entry& entry);
  void unlock_group(const spool::Entry& entry);
  void forget_groups();

  // queue_remote.cc
  void note_demand();
  void note_ready();
  bool wait_for_remote(bool no_ack, OnGot& done);
  void answer_getters_until(Clock::time_point now);

  // queue_paging.cc
  bool load(ReadyLane& lane, Item& item);
  void read_ahead();
  void on_loaded(spool::Priority priority, Sequence sequence, Result<spool::StoredMessage> stored);
  std::uint64_t lane_share() const;
  void fetch_more();
  void fetch_more(ReadyLane& lane);
  void on_fetched(spool::Priority priority, Result<spool::Entries> entries, std::uint64_t wanted);
  void on_unreadable(ReadyLane& lane, const Error& why);
  bool has_more_on_disk() const;
  void keep_copy(Item& item, MessagePtr message);
  void drop_copy(Item& item);
  void drop_unaffordable();
  void lose(ReadyLane& lane, Sequence sequence, const Error& why);
  void retry_later();
  void recount();
  void start_peek(std::size_t max, OnPeeked done);
  void start_peeks();

  QueueContext& context_;
  QueueId id_;
  QueueSettings settings_;
  std::vector<ReadyLane> lanes_;  // the highest priority first; made as they are needed
  TimeWindow<Item> delayed_;      // by due time
  TimeWindow<spool::Priority> expiring_;
  std::uint64_t delayed_count_ = 0;   // also those that the spool alone knows
  bool is_counting_delayed_ = false;  // at start: until then they count as ready
  bool is_fetching_due_ = false;
  bool is_fetching_expiry_ = false;
  std::optional<spool::TimeKey> expired_on_disk_;  // from here on, some are in the spool only
  Sequence fresh_ = 0;  // the one that is being put: it may be delivered with a TTL of 0
  std::map<Sequence, Dying> dying_;
  std::size_t dying_loading_ = 0;
  bool is_dying_ = false;                               // in the context's list of that name
  std::optional<Clock::time_point> bury_at_;            // there was no room for a dead letter
  std::unordered_map<std::uint64_t, Sequence> locked_;  // groups of which one is out
  std::unordered_map<std::uint64_t, std::map<Sequence, Item>> parked_;  // passed over, by group
  std::size_t parked_count_ = 0;
  bool is_in_read_line_ = false;
  bool is_returned_ = false;  // in the context's list of that name
  bool pumping_ = false;
  bool gone_ = false;
  bool is_stalled_ = false;
  std::uint64_t ready_ = 0;
  std::uint64_t ready_bytes_ = 0;  // with those that wait for their time
  std::uint64_t unacked_bytes_ = 0;
  std::uint64_t remote_unacked_ = 0;  // of them, messages of other agents
  std::uint64_t remote_unacked_bytes_ = 0;
  RemoteSource* remote_source_ = nullptr;
  std::uint64_t noted_ready_ = 0;  // what links were told
  UnackedMap unacked_;
  std::set<std::pair<Clock::time_point, Sequence>> deadlines_;
  std::optional<Clock::time_point> retry_at_;   // the disk could not be read
  std::optional<Clock::time_point> get_until_;  // the first get that waits for other agents
  std::optional<Clock::time_point> shown_;      // our deadline in the context's index
  Clock::time_point used_at_;
  ConsumerList consumers_;
  std::deque<Getter> getters_;
  std::vector<std::pair<std::size_t, OnPeeked>> peeks_;  // that wait for the window
  QueueCounters counters_;
};

// Every message that is in memory and not unacknowledged.
template <typename Visit>
void Queue::for_each_item(Visit&& visit) {
  for (ReadyLane& lane : lanes_) {
    for (Item& item : lane.window) visit(item);
    for (auto& [sequence, item] : lane.returned) visit(item);
  }
  for (auto& [group, items] : parked_)
    for (auto& [sequence, item] : items) visit(item);
  for (auto& [key, item] : delayed_.held()) visit(item);
  for (auto& [sequence, dying] : dying_) visit(dying.item);
}

}  // namespace pannier::queue
