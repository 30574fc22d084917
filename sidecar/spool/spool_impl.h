// Spool::Impl: the spool's rooms wired together. Private to the spool; see spool.h for the
// promises.
//
// spool.cc opens, answers and closes; spool_start.cc goes on where the last run ended;
// spool_append.cc turns groups into records and spool_records.cc all that comes without a group;
// spool_segments.cc seals segments and gives them up; compactor.cc moves what is left in old ones.
#pragma once

#include "sidecar/spool/compactor.h"
#include "sidecar/spool/compression.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/moves.h"
#include "sidecar/spool/spool.h"
#include "sidecar/spool/time_index.h"

namespace pannier::spool {

class Spool::Impl {
 public:
  static constexpr Sequence kHorizonStep = 4096;

  Impl(Disk& disk, const SpoolOptions& options, SpoolThreads threads, const Clock& clock,
       SpoolCallbacks callbacks, const Uuid& id, std::unique_ptr<FolderLock> lock);
  ~Impl();

  // spool_start.cc
  Result<void> recover_and_start();
  void restore_sequences();
  void restore_horizons(std::vector<StateItem>& items);
  void widen_horizons(std::vector<StateItem>& items);
  // A damaged record was met: says so and keeps a copy, once.
  void on_damage(SegmentNumber number, Stretch stretch, const Error& why);

  Result<void> use_keys(std::shared_ptr<const KeyRing> keys);
  Result<void> check_keys(const KeyRing* keys) const;

  // spool_append.cc
  class Append;
  Result<Commit> append(Group& group);

  // spool_records.cc
  void settle(const Entry& entry);
  void release(const Entry& entry);
  void stage_pending_settles();
  bool append_settles(const std::vector<SettleTarget>& targets);
  Commit append_raw(std::span<StagedRecord> group, std::span<const SettleTarget> settles,
                    std::span<const StateItem> states);
  Result<Commit> append_states(std::vector<StateItem> items, Use use = Use::urgent);
  Result<void> append_part(BodyId body, Slice bytes);

  // spool_segments.cc
  void on_synced(const SyncReport& report);
  void on_closed(Segment& segment);
  void seal_synced();
  void on_sealed(SegmentNumber number, Result<std::vector<RunInfo>> runs);
  void give_up_dead();
  bool is_worth_leaving(Segment& segment, const std::vector<StateItem>& says) const;
  std::vector<StateItem> what_it_says(const Segment& segment);
  Result<void> leave(Segment& segment);
  Result<Commit> append_list();
  std::vector<StateItem> last_sequences(const Segment& segment) const;
  bool wants_compaction() const;
  bool is_full() const;

  // spool.cc
  bool may_deliver(Lane lane, Sequence sequence);
  static StateItem horizon_item(Lane lane, Sequence horizon, Sequence suspect);
  void flush();
  void on_time(Clock::time_point now);
  void read(const Entry& entry, std::function<void(Result<StoredMessage>)> done);
  void read_part(BodyId body, std::uint32_t index, std::function<void(Result<Slice>)> done);
  void when_written(SegmentNumber segment, Task task);

  struct PendingHorizon {
    Commit commit = 0;
    Lane lane;
    Sequence horizon = 0;
  };
  struct Closing {
    Commit commit = 0;
    SegmentNumber segment = 0;
  };
  struct Leaving {
    Commit commit = 0;
    SegmentNumber segment = 0;
  };
  struct Waiting {  // for a commit to be synced, so that its bytes can be read
    Commit commit = 0;
    Task task;
  };

  Disk& disk;
  SpoolOptions options;
  SpoolThreads threads;
  const Clock& clock;
  SpoolCallbacks callbacks;
  Uuid id;
  std::shared_ptr<FolderLock> lock;  // the committer's job holds it too
  RecoveryReport recovery;

  Index index;
  StateStore states;
  Bodies bodies{index};
  Moves moves;
  SegmentFiles files;
  Quarantine quarantine;
  Committer committer;
  Journal journal;
  Pager pager;
  TimeIndex times;
  Compactor compactor;
  Compressor compressor;

  Commit started = ~Commit{0};  // that this run has begun is durable with it
  QueueId last_queue = 0;
  std::uint32_t last_body = 0;
  std::map<SegmentNumber, std::vector<Ordinal>> pending_settles;
  std::optional<Clock::time_point> settle_deadline;
  Clock::time_point next_refill{};
  bool dirty = false;       // something was appended since the last flush
  bool check_dead = false;  // a segment may have lost its last live entry
  std::uint64_t sealed_count = 0;
  bool closed = false;
  std::uint64_t corrupt_records = 0;
  std::deque<PendingHorizon> pending_horizons;
  std::deque<Closing> closing;
  std::deque<Leaving> leaving;
  std::deque<Waiting> waiting;
  std::shared_ptr<Impl*> alive;

  // Memory that append uses again and again.
  std::vector<StagedRecord> staged;
};

}  // namespace pannier::spool
