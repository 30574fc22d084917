// Queue: one named queue: what is ready, who takes it, and what was taken but not settled.
//
// A disk queue's messages are the spool's; here are the entries at its head (the window), copies of
// messages within a budget that all queues share, and the unacknowledged ones. What is neither in
// the window nor unacknowledged is on disk only and is paged in as the window empties. A memory
// queue's messages are here alone, until the budget is spent: the rest goes to the spool, unsynced.
//
// Order: first in, first out; a message that comes back takes its old place. Consumers take turns,
// as long as they have credit; a message is delivered once its delivery may be known to have
// happened after a crash (Spool::may_deliver). Delivery is at least once: what a crash finds
// delivered and unsettled comes back with `redelivered` set.
//
// Owned by Registry, shared with sessions that hold deliveries of it: calls on a queue that is gone
// do nothing, and sessions let go of it before the registry goes. Loop thread. Settles are durable
// with the commit that Spool::flush_settles returns.
//
// queue.cc puts, limits and ends; queue_delivery.cc hands out and takes back; queue_paging.cc
// reads.
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

#include "common/policy.h"
#include "sidecar/queue/consumer.h"
#include "sidecar/queue/queue_context.h"
#include "sidecar/queue/remote.h"

namespace pannier::queue {

// No timer is longer: sums of times stay in range whatever a client asks for.
inline constexpr std::chrono::hours kTimeoutMax{24 * 3650};

struct QueueSettings {
  std::string name;
  Durability durability = Durability::disk;
  std::uint64_t bytes_max = 0;     // 0: no limit
  std::uint64_t messages_max = 0;  // 0: no limit
  Overflow overflow = Overflow::drop_head;
  bool limits_count_unacked = false;  // a MessageQueue's storage; x-max-length counts ready ones
  std::chrono::milliseconds ack_timeout{0};  // 0: none
  bool paused = false;
  bool ending = false;  // publishes are refused
};

struct QueueStatus {
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
  std::uint64_t bytes = 0;  // ready and unacked
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
  // The limits' answer to a message of that size, or to some: queue_full, or access_denied while
  // ending.
  Result<void> may_put(std::uint64_t bytes, std::uint64_t messages = 1) const;
  // A message is in the queue: its entry in the spool, or a sequence alone in a memory queue.
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
  // One message, or nothing if none is ready. May call back later, when it has to be read; whoever
  // asked may be gone by then: the callback then gives the message back itself.
  using OnGot = std::function<void(std::optional<Delivery>)>;
  void get(bool no_ack, OnGot done);

  // False: that delivery is not unacknowledged (settled, timed out, or somebody else's by now).
  bool ack(const Receipt& receipt);
  struct Return {
    bool counts = true;  // as a failed delivery; not so for our own shutdown
  };
  // Back to its old place; delivered again from the end of the turn on.
  bool give_back(const Receipt& receipt, Return how);
  // For a transaction (queue_tx.cc): what its group settles, null if that is not ours to journal;
  // and that the group is journaled.
  const spool::Entry* entry_to_settle(const Receipt& receipt) const;
  void note_settled(const Receipt& receipt);
  // Dropped for good (dead-lettering comes in with its issue).
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
  bool empty() const { return ready_ + unacked_.size() == 0; }
  // No message of this spool below it is here, or comes in this run; conservative.
  Sequence lowest() const;

  // Looks without side effect at what is ready, from the head on: at most `max`, and at most what
  // is kept in memory of its head. Calls back later.
  using OnPeeked = std::function<void(std::vector<Delivery>)>;
  void peek(std::size_t max, OnPeeked done);

  // Everything that the counts say, counted anew: for tests. Empty when it adds up.
  std::string check() const;

 private:
  struct Item {
    spool::Entry entry;
    MessagePtr message;
    bool loading = false;
  };
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
  struct Peek;

  static bool is_in_spool(const spool::Entry& entry) { return entry.segment != 0; }

  // queue.cc
  void settle(const spool::Entry& entry);
  bool drop_over_limit();
  void enforce_limits();
  bool is_over_limit(std::uint64_t more_bytes, std::uint64_t more_messages) const;
  void let_go(Item& item);
  void stop_waiting();

  // queue_delivery.cc
  Item* head();
  Item take_head();
  Consumer* next_consumer();
  bool deliver_one();
  void hand_out(Item item, Consumer* consumer);
  void note_unacked(Item& item, std::uint64_t delivery);
  void answer_getters_empty();
  void answer_local_getters();
  void stall();
  UnackedMap::iterator find_unacked(const Receipt& receipt);
  Unacked take_unacked(UnackedMap::iterator at);
  void observe_ack(const Unacked& unacked);
  void give_back(Unacked unacked, Return how);
  void finish(Unacked unacked, RemoteOrigin::Settle how);
  void set_deadline(Sequence sequence, Unacked& unacked, std::optional<Clock::time_point> deadline);
  std::optional<Clock::time_point> ack_deadline() const;
  void show_deadline();

  // queue_remote.cc
  void note_demand();
  void note_ready();
  bool wait_for_remote(bool no_ack, OnGot& done);
  void answer_getters_until(Clock::time_point now);

  // queue_paging.cc
  Item* find(Sequence sequence);
  bool load(Item& item);
  void read_ahead();
  void on_loaded(Sequence sequence, Result<spool::StoredMessage> stored);
  void fetch_more();
  void on_fetched(Result<spool::Entries> entries, std::uint64_t wanted);
  void on_unreadable(const Error& why);
  void keep_copy(Item& item, MessagePtr message);
  void drop_copy(Item& item);
  void drop_unaffordable();
  void lose(Sequence sequence, const Error& why);
  void retry_later();
  void recount();
  void start_peek(std::size_t max, OnPeeked done);
  void start_peeks();

  QueueContext& context_;
  QueueId id_;
  QueueSettings settings_;
  std::deque<Item> window_;            // ascending; behind what came back
  std::map<Sequence, Item> returned_;  // came back: may be before or within the window
  Sequence window_end_ = 0;            // nothing above is in the window
  bool more_on_disk_ = false;          // messages above window_end_ are in the spool only
  bool fetching_ = false;
  bool is_in_read_line_ = false;
  bool is_returned_ = false;  // in the context's list of that name
  bool pumping_ = false;
  bool gone_ = false;
  bool is_stalled_ = false;
  Sequence suspect_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t ready_bytes_ = 0;
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
  std::vector<Consumer*> consumers_;
  std::size_t turn_ = 0;  // of the consumers
  std::deque<Getter> getters_;
  std::vector<std::pair<std::size_t, OnPeeked>> peeks_;  // that wait for the window
  QueueCounters counters_;
};

}  // namespace pannier::queue
