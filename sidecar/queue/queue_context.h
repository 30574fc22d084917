// QueueContext: what the queues of one agent share: the spool, the clock, the budgets for what they
// keep in memory, and the lists by which they are found when something has to be done for them.
//
// Owned by Registry and outlives the queues. Loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/executor.h"
#include "common/metric_values.h"
#include "common/random.h"
#include "sidecar/queue/message.h"

namespace pannier::queue {

class DeadLetterSink;
class Queue;

struct QueueLimits {
  std::uint64_t message_bytes = 12u << 20;   // message copies kept beside the spool
  std::uint64_t reading_bytes = 4u << 20;    // messages being read from disk, or the one
  std::uint64_t window_entries = 65'536;     // entries of messages at the heads of all queues
  std::uint64_t window_entries_min = 16;     // of one queue, however many there are
  std::uint64_t window_entries_max = 4'096;  // of one queue
  std::uint64_t read_ahead_messages = 64;    // of one queue
  std::uint64_t read_ahead_bytes = 256u << 10;
};

struct QueueCounters {
  std::uint64_t published = 0;
  std::uint64_t delivered = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;
  std::uint64_t returned = 0;  // nacked, timed out, or left by a consumer
  std::uint64_t dropped = 0;   // by DropHead
  std::uint64_t expired = 0;
  std::uint64_t rejected = 0;        // for good, by a consumer
  std::uint64_t delivery_limit = 0;  // delivered in vain too often
  std::uint64_t dead_lettered = 0;
  std::uint64_t refused = 0;     // publishes, by a limit
  std::uint64_t lost = 0;        // damaged on disk
  std::uint64_t duplicates = 0;  // published again, and not put again
};

class QueueContext {
 public:
  static constexpr std::size_t kChangesPerGroup = 1'024;

  QueueContext(spool::Spool& with_spool, const Clock& with_clock, Executor& on_loop,
               const QueueLimits& with_limits);
  ~QueueContext();
  QueueContext(const QueueContext&) = delete;
  QueueContext& operator=(const QueueContext&) = delete;

  spool::Spool& spool;
  const Clock& clock;
  Executor& loop;
  const QueueLimits limits;
  const Milliseconds started_ms;  // by the wall clock

  // Budgets. What a copy costs is more than its bytes: see memory_of.
  std::uint64_t message_bytes = 0;
  std::uint64_t reading_bytes = 0;
  std::size_t queues = 0;
  std::uint64_t window_share() const;
  bool affords(std::uint64_t bytes) const {
    return message_bytes + reading_bytes + bytes <= limits.message_bytes;
  }
  bool is_over_budget() const { return message_bytes > limits.message_bytes; }

  // A read that finds no room waits for others to end, in turn. False: the queue is in line.
  bool may_read(std::uint64_t bytes, const std::weak_ptr<Queue>& queue);
  void end_read(std::uint64_t bytes);

  // A message that came back stands differently from now on. Journaled at the end of the turn, in
  // groups; what the spool cannot take yet is kept, one for a message, and tried again.
  void note_change(const spool::Entry& entry);
  void forget_change(QueueId queue, Sequence sequence) {
    if (!changes_.empty()) changes_.erase({queue, sequence});
  }
  void forget_changes(QueueId queue);
  void journal_changes();
  std::size_t waiting_changes() const { return changes_.size(); }

  // When queues want to be woken. O(log queues) a change.
  using Deadline = std::pair<Clock::time_point, Queue*>;
  std::set<Deadline> deadlines;

  // For metrics: publishes that the journal has taken, and where the times until acks go.
  std::uint64_t journaled_publishes = 0;
  Histogram* publish_to_ack = nullptr;  // outlives the queues

  // No delivery has the number of another, not even of the last run: receipts live longer than we
  // do.
  std::uint64_t next_delivery() { return ++last_delivery_; }

  std::vector<std::weak_ptr<Queue>> stalled;   // until the spool has a horizon, or room
  std::vector<std::weak_ptr<Queue>> returned;  // to be pumped at the end of the turn
  std::vector<std::weak_ptr<Queue>> dying;     // have dead letters to bury then
  DeadLetterSink* dead_letters = nullptr;      // outlives the queues
  Random random;                               // spreads retries
  std::shared_ptr<QueueContext*> alive;        // for callbacks of the spool, which lives longer

 private:
  std::map<std::pair<QueueId, Sequence>, spool::Entry> changes_;
  std::deque<std::weak_ptr<Queue>> readers_;
  std::uint64_t last_delivery_ = 0;
};

}  // namespace pannier::queue
