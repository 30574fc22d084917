// Spool: an agent's durable memory, one journal of segments on disk for all its queues.
//
// It knows queues by number, messages as a head and a body of bytes, and entries: one message in
// one queue. Loop thread only, unless said otherwise; it never blocks after open(). One process at
// a time owns a folder.
//
// What survives: a group that append() took is kept after a crash, whole, once synced_commit() has
// reached the commit it returned; before that all of it or none. Every entry of a synced group that
// no synced group settled is there after open(), in the order of its sequences. Damage to synced
// bytes is found by checksums, reported in RecoveryReport or by read(), and never served.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sidecar/spool/bodies.h"
#include "sidecar/spool/committer.h"
#include "sidecar/spool/group.h"
#include "sidecar/spool/pager.h"
#include "sidecar/spool/recovery.h"
#include "sidecar/spool/time_index.h"

namespace pannier::spool {

struct SpoolOptions {
  SegmentFilesLimits files;
  std::uint64_t cache_bytes_max = 4u << 20;              // entries paged in
  std::uint64_t waiting_bytes_max = 8u << 20;            // journaled, not yet written
  std::uint64_t unfinished_body_bytes_max = 256u << 20;  // parts without their message
  std::chrono::milliseconds settle_delay_max{100};       // until a settle causes a sync by itself
  std::shared_ptr<const KeyRing> keys;                   // null: nothing is encrypted
  bool requires_encryption = false;                      // refuses to open what is not encrypted
};

struct SpoolThreads {
  Executor& loop;
  Executor& committer;  // one thread
  Executor& pool;
};

struct SpoolCallbacks {
  // After synced_commit() has moved on. Confirms are released here.
  std::function<void(const SyncReport&)> on_synced;
  // A write or sync failed: nothing more will ever be synced. Called on the committer's thread; the
  // process must end (decision 0004).
  std::function<void(const Error&)> on_failed;
  // There is room again after append() answered spool_full or spool_busy; or a horizon has moved.
  std::function<void()> on_room;
};

struct SpoolStatus {
  std::uint64_t disk_bytes = 0;  // every file of the folder
  std::uint64_t bytes_max = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t waiting_bytes = 0;
  std::size_t segments = 0;
  std::size_t spare_segments = 0;
  std::uint64_t corrupt_records = 0;
  std::uint64_t compacted_bytes = 0;
  std::uint64_t cached_bytes = 0;  // entries paged in
  std::size_t held_entries = 0;    // by fetches by time that are under way
  bool is_low_on_space = false;
};

struct LaneTotals {
  std::uint64_t messages = 0;
  std::uint64_t message_bytes = 0;
};

class Spool {
 public:
  // Recovers the folder, or makes a new spool in it. Blocks. Errors: spool_locked, wrong_version,
  // io_error, no_space, bad_argument (limits that leave no room to work), bad_config (keys: see
  // recover).
  static Result<std::unique_ptr<Spool>> open(Disk& disk, const SpoolOptions& options,
                                             SpoolThreads threads, const Clock& clock,
                                             SpoolCallbacks callbacks);
  ~Spool();

  const Uuid& id() const;
  const RecoveryReport& recovery() const;

  // Takes the group or answers an error and takes nothing: spool_full, spool_busy, too_large,
  // not_found (a target's queue). Groups that only settle, change and put are never refused for
  // fullness unless even the reserve is used up. Sequences are given here.
  Result<Commit> append(Group& group);
  // One entry is finished. Rides with the next sync and causes one after settle_delay_max.
  void settle(const Entry& entry);
  // The caller no longer keeps the entry, which stays as it is: it will be fetched again.
  void release(const Entry& entry);

  // End of a loop turn: hands what was appended to the committer.
  void flush();
  // Like flush, with the settles: for answers that wait for one. Returns the commit to wait for.
  // spool_busy: there was no room for all of them yet.
  Result<Commit> flush_settles();
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  Commit synced_commit() const;
  Commit last_commit() const;
  // The committer is behind: stop reading from sockets until on_synced or on_room.
  bool is_behind() const;
  // Would a publish be refused now, and how.
  Result<void> may_publish() const;

  // Queues. create_queue adds to `group` and the queue exists once append has taken it. What the
  // value says is the caller's.
  QueueId create_queue(Group& group, ByteView value);
  void update_queue(Group& group, QueueId queue, ByteView value);
  void drop_queue(Group& group, QueueId queue);
  void for_each_queue(const std::function<void(QueueId, ByteView value)>&) const;
  void for_each_state(StateKind kind,
                      const std::function<void(ByteView key, ByteView value)>&) const;
  Sequence last_sequence(QueueId queue) const;
  // A sequence for a message that is not journaled (a Memory queue).
  Sequence take_sequence(QueueId queue);
  std::vector<Priority> priorities(QueueId queue) const;
  LaneTotals totals(Lane lane) const;

  // The delivery horizon. True: the sequence may be delivered now; it is durably known that it may
  // have been. False: on_room comes once it may.
  bool may_deliver(Lane lane, Sequence sequence);
  // Messages of the lane up to here may have been delivered before an unclean stop.
  Sequence suspect_up_to(Lane lane) const;

  // See Pager::fetch. The entries are in the caller's hands until settled, released or purged.
  void fetch(Lane lane, Sequence after, std::size_t max, Pager::OnEntries done);
  using OnTimed = TimeIndex::OnTimed;
  // The live entries of all lanes of the queue that have such a time (not 0), above `after` by
  // (time, sequence), lowest first, at most `max`. As they stand when it calls back, later, never
  // from within. Fewer than `max` although `matching` says there are more: some were finished
  // meanwhile; what is there has no gap, and a fetch after the last of it goes on.
  // An entry that is in the caller's hands already is there once more for it, as with fetch: settle
  // it once, and give every other one back with release(), each as it was handed out, for
  // compaction may have put another place into the later one. Settling twice is such a release.
  void fetch_by_time(QueueId queue, TimeColumn column, TimeKey after, std::size_t max,
                     OnTimed done);
  // Conservative: false only if no live entry of the queue has such a time. Cheap.
  bool has_times(QueueId queue, TimeColumn column) const;
  // The message of an entry; calls back later. corrupt: it is lost; the caller settles it.
  void read(const Entry& entry, std::function<void(Result<StoredMessage>)> done);

  // Large bodies. Parts are journaled as they arrive and become a message by Content::body_id. For
  // as long as an entry of a message with the body is not settled, others may be published with it,
  // in the group that settles the last one too: a dead letter has the body of what it was. append
  // answers not_found once the body is gone, and whenever its number of parts is not
  // Content::parts.
  Result<BodyId> begin_body(Codec codec = Codec::none);
  Result<void> append_part(BodyId body, Slice bytes);
  // Nothing for a body that has its message.
  void abort_body(BodyId body);
  void read_part(BodyId body, std::uint32_t index, std::function<void(Result<Slice>)> done);

  // The keys have changed: from the next group on, a new segment has the current one, and what has
  // others moves, as room allows, until no segment names them. Errors: bad_config, and nothing
  // changes, if a key that a segment needs is missing or has become another.
  Result<void> use_keys(std::shared_ptr<const KeyRing> keys);
  // The keys that segments need, rising; 0 stands for plain ones. Others may be thrown away.
  std::vector<std::uint32_t> key_ids() const;

  SpoolStatus status() const;
  // Appends what waits and the mark of a clean stop, and takes nothing afterwards. The stop is
  // clean once the commit that it returns is synced.
  Result<Commit> close();

  class Impl;  // the spool's own rooms

 private:
  explicit Spool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pannier::spool
