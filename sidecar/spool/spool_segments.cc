#include <algorithm>

#include "common/log.h"
#include "sidecar/spool/sealer.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

void Spool::Impl::on_synced(const SyncReport& report) {
  bool moved = report.commit == started;
  while (!pending_horizons.empty() && pending_horizons.front().commit <= report.commit) {
    const PendingHorizon& pending = pending_horizons.front();
    if (QueueState* queue = index.queue(pending.lane.queue)) {
      LaneState& lane = queue->lanes[pending.lane.priority];
      lane.horizon = std::max(lane.horizon, pending.horizon);
      moved = true;
    }
    pending_horizons.pop_front();
  }
  while (!leaving.empty() && leaving.front().commit <= report.commit) {
    const Leaving gone = leaving.front();
    leaving.pop_front();
    Segment& segment = *index.segment(gone.segment);
    SegmentFile file = segment.file();
    pager.forget(gone.segment);
    moves.segment_left(gone.segment, segment.outstanding);
    states.forget_erased(gone.segment);
    index.remove_segment(gone.segment);
    files.give_back(std::move(file));
  }
  seal_synced();
  while (!waiting.empty() && waiting.front().commit <= report.commit) {
    Task task = std::move(waiting.front().task);
    waiting.pop_front();
    task();
  }
  compactor.on_synced(report.commit);
  callbacks.on_synced(report);
  if (moved) callbacks.on_room();
}

void Spool::Impl::on_closed(Segment& segment) {
  closing.push_back({committer.last_commit(), segment.number()});
  dirty = true;  // its last batch is written soon, and then its footer
}

// Footers of closed segments whose last batch is synced: on the pool.
void Spool::Impl::seal_synced() {
  while (!closing.empty() && closing.front().commit <= committer.synced_commit()) {
    const SegmentNumber number = closing.front().segment;
    closing.pop_front();
    Segment& segment = *index.segment(number);
    segment.state = Segment::State::sealing;
    threads.pool.post([alive = alive, &loop = threads.loop, number, file = segment.file().file,
                       footer = prepare_footer(segment)]() mutable {
      auto runs = write_footer(std::move(footer), *file);
      loop.post([alive, number, runs = std::move(runs)]() mutable {
        if (*alive != nullptr) (*alive)->on_sealed(number, std::move(runs));
      });
    });
  }
}

void Spool::Impl::on_sealed(SegmentNumber number, Result<std::vector<RunInfo>> runs) {
  if (!runs) {
    callbacks.on_failed(runs.error());
    return;
  }
  Segment& segment = *index.segment(number);
  for (std::size_t i = 0; i < runs->size(); ++i) segment.runs()[i].info = (*runs)[i];
  segment.become_sealed();
  ++sealed_count;
  check_dead = true;
  give_up_dead();
}

void Spool::Impl::give_up_dead() {
  if (!std::exchange(check_dead, false)) return;
  std::vector<SegmentNumber> dead;
  for (const auto& [number, segment] : index.segments())
    if (segment->state == Segment::State::sealed && segment->live_entries() == 0 &&
        segment->part_bytes == 0 && segment->readers == 0 &&
        (segment->said_bytes == 0 || segment->said_at != sealed_count))
      dead.push_back(number);
  // A message whose parts lie in a dead segment may be settled in memory only: say so first.
  if (!dead.empty()) stage_pending_settles();
  const bool all_said = pending_settles.empty();
  for (const SegmentNumber number : dead)
    if (!all_said || !leave(*index.segment(number))) {
      check_dead = true;  // no room to say so yet
      return;
    }
  if (!compactor.is_busy() && wants_compaction()) compactor.start();
}

// What only this segment says, of queues, of settles, and of whatever else is kept by key.
std::vector<StateItem> Spool::Impl::what_it_says(const Segment& segment) {
  const SegmentNumber number = segment.number();
  std::vector<StateItem> items;
  const auto any_in = [this](SegmentNumber from, SegmentNumber to) {
    const auto begin = index.segments().lower_bound(from), end = index.segments().lower_bound(to);
    return std::any_of(
        begin, end, [](const auto& held) { return held.second->state != Segment::State::leaving; });
  };
  for (StateItem& item : states.held_by(number, any_in))
    if (item.kind != StateKind::snapshot && item.kind != StateKind::segments)
      items.push_back(std::move(item));
  for (StateItem& item : last_sequences(segment)) items.push_back(std::move(item));
  std::vector<SegmentNumber> spoken_of = segment.settles_of;
  for (const SegmentNumber target : states.snapshots_in(number)) {
    if (index.segment(target) == nullptr)
      states.erase_item(StateKind::snapshot, key_of(target));
    else
      spoken_of.push_back(target);
  }
  std::sort(spoken_of.begin(), spoken_of.end());
  spoken_of.erase(std::unique(spoken_of.begin(), spoken_of.end()), spoken_of.end());
  for (const SegmentNumber target : spoken_of) {
    const Segment* other = index.segment(target);
    if (other == nullptr || target == number || other->state == Segment::State::leaving) continue;
    const auto later = states.segment_of(StateKind::snapshot, key_of(target));
    if (later && *later > number) continue;  // a later snapshot says it all
    StateItem item{StateKind::snapshot, false, key_of(target), {}};
    const SettleTarget snapshot = other->snapshot();
    encode_settles({&snapshot, 1}, item.value);
    items.push_back(std::move(item));
  }
  return items;
}

// What is written again takes its place twice, in a record and in the footer. Were that more than
// half of a segment, the journal would go round for ever with what is never given up.
bool Spool::Impl::is_worth_leaving(Segment& segment, const std::vector<StateItem>& says) const {
  std::uint64_t bytes = 0;
  for (const StateItem& item : says) bytes += item.encoded_size();
  const bool is_worth_it = 4 * bytes <= options.files.segment_bytes;
  segment.said_bytes = is_worth_it ? 0 : 2 * bytes;
  segment.said_at = sealed_count;
  return is_worth_it;
}

// Writes it again, and takes the segment off the list of live ones. Its file is free once that is
// synced.
Result<void> Spool::Impl::leave(Segment& segment) {
  const SegmentNumber number = segment.number();
  std::vector<StateItem> items = what_it_says(segment);
  if (!is_worth_leaving(segment, items)) return {};
  // First everything else, then the list: a crash in between finds both copies.
  if (auto said = append_states(std::move(items), Use::vital); !said) return said.error();
  segment.state = Segment::State::leaving;
  auto commit = append_list();
  if (!commit) {
    segment.state = Segment::State::sealed;
    return commit.error();
  }
  states.erase_item(StateKind::snapshot, key_of(number));
  leaving.push_back({*commit, number});
  return {};
}

// Sequences are never given twice: where this segment holds the last ones of a queue, that outlives
// it.
std::vector<StateItem> Spool::Impl::last_sequences(const Segment& segment) const {
  std::vector<StateItem> items;
  for (const Run& run : segment.runs()) {
    const QueueState* queue = index.queue(run.info.lane.queue);
    if (queue == nullptr || run.info.last < queue->last_sequence) continue;
    StateItem item{StateKind::sequence, false, key_of_queue(run.info.lane.queue), {}};
    ByteWriter(item.value).le(queue->last_sequence);
    items.push_back(std::move(item));
  }
  return items;
}

// The list of live segments. Made once there is room: a new segment must be on it.
Result<Commit> Spool::Impl::append_list() {
  const auto size =
      static_cast<std::uint32_t>(segments_item(index.numbers()).encoded_size() + kRecordOverhead);
  if (auto room = journal.make_room(size, {0, size}, Use::vital); !room) return room.error();
  return append_states({segments_item(index.numbers())}, Use::vital);
}

// Disk bytes stay under twice the live bytes and four segments; with a full spool, whatever is dead
// enough is worth having.
bool Spool::Impl::wants_compaction() const {
  const std::uint64_t segment_bytes = options.files.segment_bytes;
  const std::uint64_t used = (files.in_use() - leaving.size()) * segment_bytes;
  std::uint64_t live = index.live_bytes() + 2 * states.bytes();
  for (const auto& [number, segment] : index.segments()) live += segment->said_bytes;
  if (used > 2 * live + 3 * segment_bytes) return true;
  if (is_full()) return used > live + 3 * segment_bytes;
  return compactor.has_old_keys();
}

bool Spool::Impl::is_full() const {
  const auto may = files.may_take(Use::publish);
  return !may && may.error().code == Errc::spool_full;
}

}  // namespace pannier::spool
