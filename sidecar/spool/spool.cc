#include "sidecar/spool/spool.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "common/log.h"
#include "sidecar/spool/spool_file.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

Spool::Impl::Impl(Disk& with_disk, const SpoolOptions& with_options, SpoolThreads with_threads,
                  const Clock& with_clock, SpoolCallbacks with_callbacks, const Uuid& with_id,
                  std::unique_ptr<FolderLock> with_lock)
    : disk(with_disk),
      options(with_options),
      threads(with_threads),
      clock(with_clock),
      callbacks(std::move(with_callbacks)),
      id(with_id),
      lock(std::move(with_lock)),
      files(disk, threads.loop, threads.pool, options.files,
            [this] {
              check_dead = true;
              callbacks.on_room();
            }),
      quarantine(disk, threads.loop, threads.pool, index, files),
      committer(threads.loop, threads.committer, clock,
                {[this](const SyncReport& report) { on_synced(report); }, callbacks.on_failed},
                lock),
      journal(committer, files, index, states, clock, id,
              [this](Segment& segment) { on_closed(segment); }),
      pager(index, threads.loop, threads.pool, options.cache_bytes_max,
            [this](SegmentNumber number, Stretch stretch, const Error& why) {
              on_damage(number, stretch, why);
            }),
      times(index, pager, threads.loop),
      compactor(*this),
      alive(std::make_shared<Impl*>(this)) {}

Spool::Impl::~Impl() { *alive = nullptr; }

// A lane's horizon runs ahead of its deliveries by half a step to one, so that deliveries do not
// wait.
bool Spool::Impl::may_deliver(Lane lane, Sequence sequence) {
  QueueState* queue = index.queue(lane.queue);
  if (queue == nullptr) return false;
  LaneState& state = queue->lanes[lane.priority];
  if (sequence + kHorizonStep / 2 > state.horizon_wanted) {
    const Sequence wanted = sequence + kHorizonStep;
    auto commit = append_states({horizon_item(lane, wanted, state.suspect)});
    if (commit) {
      state.horizon_wanted = wanted;
      pending_horizons.push_back({*commit, lane, wanted});
    }
  }
  // Not before it is durable that this run has begun: a crash would look like a clean stop.
  return sequence <= state.horizon && committer.synced_commit() >= started;
}

void Spool::Impl::flush() {
  const bool due = settle_deadline && clock.now() >= *settle_deadline;
  if (!pending_settles.empty() && (dirty || due)) stage_pending_settles();
  give_up_dead();
  if (!std::exchange(dirty, false)) return;
  committer.flush();
}

void Spool::Impl::on_time(Clock::time_point now) {
  if (now >= next_refill) {
    next_refill = now + std::chrono::seconds(1);
    files.refill();
    check_dead = true;
  }
  flush();
}

// Runs the task once everything that the segment holds now can be read from its file.
void Spool::Impl::when_written(SegmentNumber segment, Task task) {
  const bool may_be_unwritten =
      (journal.is_open() && segment == journal.open_segment().number()) || !closing.empty();
  if (!may_be_unwritten || committer.synced_commit() >= committer.last_commit()) {
    task();
    return;
  }
  dirty = true;
  waiting.push_back({committer.last_commit(), std::move(task)});
}

void Spool::Impl::read(const Entry& entry, std::function<void(Result<StoredMessage>)> done) {
  when_written(moves.resolved(entry).segment, [this, entry, done = std::move(done)]() mutable {
    const Entry now = moves.resolved(entry);
    Segment* segment = index.segment(now.segment);
    if (segment == nullptr) {
      threads.loop.post([done = std::move(done)] {
        done(Error{Errc::not_found, "the message was settled meanwhile"});
      });
      return;
    }
    ++segment->readers;
    threads.pool.post([alive = alive, &loop = threads.loop, file = segment->file().file,
                       keys = segment->keys(), now, done = std::move(done)]() mutable {
      auto record = read_record(*file, keys, now.offset, now.record_bytes, RecordType::message);
      auto message = record ? message_from(*record) : Result<StoredMessage>(record.error());
      loop.post([alive, now, message = std::move(message), done = std::move(done)]() mutable {
        if (*alive == nullptr) return;
        Impl& self = **alive;
        if (Segment* read = self.index.segment(now.segment))
          if (--read->readers == 0) self.check_dead = true;
        if (!message && message.error().code == Errc::corrupt)
          self.on_damage(now.segment, {now.offset, now.offset + now.record_bytes}, message.error());
        done(std::move(message));
      });
    });
  });
}

void Spool::Impl::read_part(BodyId body_id, std::uint32_t part_index,
                            std::function<void(Result<Slice>)> done) {
  const Bodies::Body* body = bodies.find(body_id);
  if (body == nullptr || part_index >= body->parts.size()) {
    threads.loop.post([done = std::move(done)] {
      done(Error{Errc::not_found, "no such part of a body"});
    });
    return;
  }
  if (body->is_finished() && body->parts[part_index].record_bytes == 0) {
    threads.loop.post([done = std::move(done)] {
      done(Error{Errc::corrupt, "a part of the body was damaged and is lost"});
    });
    return;
  }
  when_written(body->parts[part_index].segment, [this, body_id, part_index,
                                                 done = std::move(done)]() mutable {
    const Bodies::Body* now = bodies.find(body_id);
    Segment* segment = now == nullptr ? nullptr : index.segment(now->parts[part_index].segment);
    if (segment == nullptr) {
      done(Error{Errc::not_found, "the body was settled meanwhile"});
      return;
    }
    const Bodies::Part part = now->parts[part_index];
    ++segment->readers;
    threads.pool.post([alive = alive, &loop = threads.loop, file = segment->file().file,
                       keys = segment->keys(), part, done = std::move(done)]() mutable {
      auto record = read_record(*file, keys, part.offset, part.record_bytes, RecordType::part);
      auto bytes = record ? record->unfolded() : Result<Slice>(record.error());
      loop.post([alive, part, bytes = std::move(bytes), done = std::move(done)]() mutable {
        if (*alive == nullptr) return;
        if (Segment* read = (*alive)->index.segment(part.segment))
          if (--read->readers == 0) (*alive)->check_dead = true;
        if (!bytes && bytes.error().code == Errc::corrupt)
          (*alive)->on_damage(part.segment, {part.offset, part.offset + part.record_bytes},
                              bytes.error());
        done(std::move(bytes));
      });
    });
  });
}

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::~Spool() = default;

Result<std::unique_ptr<Spool>> Spool::open(Disk& disk, const SpoolOptions& options,
                                           SpoolThreads threads, const Clock& clock,
                                           SpoolCallbacks callbacks) {
  if (options.requires_encryption && (!options.keys || options.keys->current() == 0))
    return Error{Errc::bad_config, "encryption is required, and no key is named to encrypt with"};
  auto lock = disk.lock();
  if (!lock) return lock.error();
  auto file = load_or_make_spool_file(disk, options.files.segment_bytes);
  if (!file) return file.error();
  SpoolOptions settled = options;
  settled.files.segment_bytes = file->segment_bytes;
  const std::uint64_t segments = options.files.bytes_max / file->segment_bytes;
  if (segments < options.files.reserve + 3u)
    return Error{Errc::bad_argument,
                 "a spool of " + std::to_string(options.files.bytes_max) + " bytes has room for " +
                     std::to_string(segments) + " segments of " +
                     std::to_string(file->segment_bytes) + " bytes; it needs " +
                     std::to_string(options.files.reserve + 3) + ": raise the limit"};
  if (segments > segments_max(file->segment_bytes))
    return Error{Errc::bad_argument, "a spool of " + std::to_string(options.files.bytes_max) +
                                         " bytes would have " + std::to_string(segments) +
                                         " segments of " + std::to_string(file->segment_bytes) +
                                         " bytes, whose list fits no segment; " + "the most is " +
                                         std::to_string(segments_max(file->segment_bytes)) +
                                         ": lower the limit"};
  auto impl = std::make_unique<Impl>(disk, settled, threads, clock, std::move(callbacks), file->id,
                                     std::move(*lock));
  if (auto started = impl->recover_and_start(); !started) return started.error();
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

const Uuid& Spool::id() const { return impl_->id; }
const RecoveryReport& Spool::recovery() const { return impl_->recovery; }
Result<Commit> Spool::append(Group& group) { return impl_->append(group); }
void Spool::settle(const Entry& entry) { impl_->settle(entry); }
void Spool::release(const Entry& entry) { impl_->release(entry); }
void Spool::flush() { impl_->flush(); }

Result<Commit> Spool::flush_settles() {
  impl_->stage_pending_settles();
  impl_->dirty = true;
  impl_->flush();
  if (!impl_->pending_settles.empty())
    return Error{Errc::spool_busy, "no room for all settles yet"};
  return impl_->committer.last_commit();
}

void Spool::on_time(Clock::time_point now) { impl_->on_time(now); }

std::optional<Clock::time_point> Spool::deadline() const {
  if (impl_->settle_deadline) return std::min(*impl_->settle_deadline, impl_->next_refill);
  return impl_->next_refill;
}

Commit Spool::synced_commit() const { return impl_->committer.synced_commit(); }
Commit Spool::last_commit() const { return impl_->committer.last_commit(); }

bool Spool::is_behind() const {
  return impl_->committer.waiting_bytes() > impl_->options.waiting_bytes_max ||
         impl_->closing.size() > 2;
}

Result<void> Spool::may_publish() const { return impl_->files.may_take(Use::publish); }

QueueId Spool::create_queue(Group& group, ByteView value) {
  const QueueId id = ++impl_->last_queue;
  Bytes counters;
  ByteWriter(counters).le(id);
  group.put(StateKind::counters, {}, counters);
  group.put(StateKind::queue, key_of_queue(id), value);
  return id;
}

void Spool::update_queue(Group& group, QueueId queue, ByteView value) {
  group.put(StateKind::queue, key_of_queue(queue), value);
}

void Spool::drop_queue(Group& group, QueueId queue) {
  group.erase(StateKind::queue, key_of_queue(queue));
  if (impl_->states.find(StateKind::purge, key_of_queue(queue)) != nullptr)
    group.erase(StateKind::purge, key_of_queue(queue));
  if (impl_->states.find(StateKind::sequence, key_of_queue(queue)) != nullptr)
    group.erase(StateKind::sequence, key_of_queue(queue));
  const QueueState* state = impl_->index.queue(queue);
  if (state == nullptr) return;
  for (const auto& [priority, lane] : state->lanes)
    if (lane.horizon_wanted > 0) group.erase(StateKind::horizon, key_of_lane({queue, priority}));
}

void Spool::for_each_queue(const std::function<void(QueueId, ByteView value)>& visit) const {
  impl_->states.for_each(StateKind::queue, [&](ByteView key, ByteView value) {
    if (key.size() == sizeof(QueueId)) visit(load_le<std::uint32_t>(key.data()), value);
  });
}

void Spool::for_each_state(StateKind kind,
                           const std::function<void(ByteView key, ByteView value)>& visit) const {
  impl_->states.for_each(kind, visit);
}

Sequence Spool::last_sequence(QueueId queue) const {
  const QueueState* state = impl_->index.queue(queue);
  return state == nullptr ? 0 : state->last_sequence;
}

Sequence Spool::take_sequence(QueueId queue) {
  return ++impl_->index.add_queue(queue).last_sequence;
}

std::vector<Priority> Spool::priorities(QueueId queue) const {
  std::vector<Priority> priorities;
  if (const QueueState* state = impl_->index.queue(queue))
    for (const auto& [priority, lane] : state->lanes) priorities.push_back(priority);
  return priorities;
}

LaneTotals Spool::totals(Lane lane) const {
  const QueueState* state = impl_->index.queue(lane.queue);
  if (state == nullptr) return {};
  const auto found = state->lanes.find(lane.priority);
  if (found == state->lanes.end()) return {};
  return {found->second.live, found->second.message_bytes};
}

bool Spool::may_deliver(Lane lane, Sequence sequence) { return impl_->may_deliver(lane, sequence); }

Sequence Spool::suspect_up_to(Lane lane) const {
  const QueueState* state = impl_->index.queue(lane.queue);
  if (state == nullptr) return 0;
  const auto found = state->lanes.find(lane.priority);
  return found == state->lanes.end() ? 0 : found->second.suspect;
}

void Spool::fetch(Lane lane, Sequence after, std::size_t max, Pager::OnEntries done) {
  impl_->pager.fetch(lane, after, max, [impl = impl_.get(), done = std::move(done)](auto entries) {
    if (entries)
      for (const Entry& entry : *entries) ++impl->index.segment(entry.segment)->outstanding;
    done(std::move(entries));
  });
}

void Spool::fetch_by_time(QueueId queue, TimeColumn column, TimeKey after, std::size_t max,
                          OnTimed done) {
  impl_->times.fetch(queue, column, after, max,
                     [impl = impl_.get(), done = std::move(done)](Result<TimedEntries> timed) {
                       if (timed)
                         for (const Entry& entry : timed->entries)
                           ++impl->index.segment(entry.segment)->outstanding;
                       done(std::move(timed));
                     });
}

bool Spool::has_times(QueueId queue, TimeColumn column) const {
  return impl_->times.has_times(queue, column);
}

void Spool::read(const Entry& entry, std::function<void(Result<StoredMessage>)> done) {
  impl_->read(entry, std::move(done));
}

Result<BodyId> Spool::begin_body(Codec codec) {
  if (!impl_->journal.is_open()) return Error{Errc::closed, "the spool is closed"};
  const BodyId id = impl_->journal.open_segment().number() << 24 | (++impl_->last_body & 0xFFFFFF);
  impl_->bodies.begin(id).codec = codec;
  return id;
}

Result<void> Spool::append_part(BodyId body, Slice bytes) {
  return impl_->append_part(body, std::move(bytes));
}

void Spool::abort_body(BodyId body) {
  impl_->bodies.abort(body);
  impl_->check_dead = true;
}

void Spool::read_part(BodyId body, std::uint32_t index, std::function<void(Result<Slice>)> done) {
  impl_->read_part(body, index, std::move(done));
}

Result<void> Spool::use_keys(std::shared_ptr<const KeyRing> keys) {
  return impl_->use_keys(std::move(keys));
}

std::vector<std::uint32_t> Spool::key_ids() const {
  std::set<std::uint32_t> ids;
  for (const auto& [number, segment] : impl_->index.segments())
    ids.insert(segment->header().key_id);
  return {ids.begin(), ids.end()};
}

SpoolStatus Spool::status() const {
  SpoolStatus status;
  status.disk_bytes = impl_->files.disk_bytes();
  status.bytes_max = impl_->files.bytes_max();
  status.live_bytes = impl_->index.live_bytes();
  status.waiting_bytes = impl_->committer.waiting_bytes();
  status.segments = impl_->index.segments().size();
  status.spare_segments = impl_->files.spares();
  status.corrupt_records = impl_->corrupt_records;
  status.compacted_bytes = impl_->compactor.moved_bytes();
  status.cached_bytes = impl_->pager.cached_bytes();
  status.held_entries = impl_->times.held();
  status.is_low_on_space = impl_->files.is_low_on_space();
  return status;
}

Result<Commit> Spool::close() {
  impl_->stage_pending_settles();
  if (!impl_->pending_settles.empty())
    return Error{Errc::spool_busy, "no room for all settles yet: this stop is not clean"};
  auto commit = impl_->append_states({{StateKind::run_state, false, {}, {std::byte{0}}}});
  impl_->closed = true;
  impl_->flush();
  return commit;
}

}  // namespace pannier::spool
