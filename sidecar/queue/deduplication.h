// Deduplication: which messages the queues with `dedup` have taken lately, so that one that is
// published again is confirmed and not put a second time (docs/decisions/0016-deduplication.md).
//
// By MessageId: the ids of the last `window`, at most `maxIds`, of which the oldest are forgotten.
// By ProducerSequence (headers x-producer and x-sequence): each producer's highest sequence, until
// he has been silent for `window`; of at most `maxIds` producers, and kProducersMax. A message that
// says neither is not compared with others. Dead letters and what other agents hand over are
// exempt.
//
// An id is journaled in the group of its message, so that it is there after a crash if and only if
// the message is; that of a Memory queue is nowhere but in memory, like its messages. Owned by
// Registry; loop thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "sidecar/queue/dedup_window.h"
#include "sidecar/queue/message.h"
#include "sidecar/queue/queue_settings.h"

namespace pannier::queue {

// A record in the journal holds so many ids; each that comes alone, until then, one of its own.
inline constexpr std::size_t kDedupChunk = 1'024;
inline constexpr std::size_t kProducersMax = 65'536;  // of one queue

class Deduplication {
 public:
  Deduplication(spool::Spool& spool, const Clock& clock);

  // What the last run has journaled; of queues that are gone it is erased.
  void recover();
  // How a queue is to do it from now on; nothing: no more, and what it has is forgotten.
  void configure(QueueId queue, const QueueSettings& settings);

  // What tells the message from others.
  struct Key {
    DedupId id;  // its own, or its producer's
    std::optional<std::uint64_t> sequence;
  };
  // What one group adds: filled, put into the group, and applied once that is appended; dropped
  // otherwise.
  class Growth {
   public:
    bool empty() const { return added_.empty(); }

   private:
    friend class Deduplication;
    std::map<QueueId, std::vector<DedupId>> ids_;  // that are new, as they came
    std::map<std::pair<QueueId, DedupId>, std::optional<std::uint64_t>> added_;
  };
  // Nothing: the queue does not ask, or the message does not say. precondition: its headers are
  // none that a sequence could be read from.
  Result<std::optional<Key>> key_of(QueueId queue, const Message& message) const;
  // Had it before, or in this group.
  bool holds(QueueId queue, const Key& key, const Growth& growth);
  static void add(QueueId queue, const Key& key, Growth& growth);
  void put(spool::Group& group, const Growth& growth) const;
  void apply(const Growth& growth, Commit commit);
  // Once it is synced, so is all that the queue has had.
  Commit commit_of(QueueId queue) const;
  std::size_t ids(QueueId queue) const;

  // The queue has gone. The journal is told later, or by the next run, which finds no such queue.
  void drop(QueueId queue);

  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const { return look_at_; }

 private:
  using Number = DedupWindow::Number;
  using Single = std::pair<Number, DedupWindow::Held>;
  struct Producer {
    std::uint64_t sequence = 0;
    std::uint32_t second = 0;
  };
  struct OfQueue {
    std::optional<Dedup> dedup;  // unset: its settings are not known yet
    bool is_journaled = true;
    DedupWindow window;
    Number chunks_from = 0;  // the first in the journal that is not to be erased
    std::map<DedupId, Producer> producers;
    std::set<std::pair<std::uint32_t, DedupId>> by_second;  // of producers
    Commit commit = 0;
  };

  void recover_one(ByteView key, ByteView value, std::map<QueueId, std::vector<Single>>& singles);
  void expire(QueueId id, OfQueue& of);
  void pop(QueueId id, OfQueue& of);
  void note(OfQueue& of, const DedupId& producer, std::uint64_t sequence);
  void forget_producer(QueueId id, OfQueue& of);
  void forget_all(QueueId id, OfQueue& of);
  void put_ids(spool::Group& group, QueueId id, const OfQueue& of,
               const std::vector<DedupId>& added) const;
  void apply_ids(QueueId id, OfQueue& of, const std::vector<DedupId>& added);
  void discard(Bytes key);
  bool journal_garbage();
  void look_in(Clock::duration time);
  std::chrono::milliseconds until_next(const OfQueue& of) const;
  std::uint32_t second() const;

  spool::Spool& spool_;
  const Clock& clock_;
  std::map<QueueId, OfQueue> queues_;
  std::set<Bytes> garbage_;  // keys that are still in the journal
  std::optional<Clock::time_point> look_at_;
};

}  // namespace pannier::queue
