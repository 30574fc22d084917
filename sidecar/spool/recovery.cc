#include "sidecar/spool/recovery.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "common/log.h"
#include "sidecar/spool/found_segments.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/recover_bodies.h"
#include "sidecar/spool/run_reader.h"
#include "sidecar/spool/sealer.h"

namespace pannier::spool {
namespace {

class Recovery {
 public:
  Recovery(Disk& disk, const Uuid& spool_id, RecoveryInto into)
      : disk_(disk), spool_id_(spool_id), into_(into) {}

  Result<Recovered> run() {
    using Step = Result<void> (Recovery::*)();
    for (const Step step :
         {&Recovery::find, &Recovery::keep_listed, &Recovery::adopt_others, &Recovery::apply_states,
          &Recovery::apply_entries, &Recovery::apply_settles, &Recovery::recount_runs,
          &Recovery::apply_bodies, &Recovery::count_bytes, &Recovery::quarantine_damage,
          &Recovery::seal_scanned, &Recovery::set_spares})
      if (auto done = (this->*step)(); !done) return done.error();
    finish_report();
    return std::move(result_);
  }

 private:
  Result<void> find();
  Result<void> keep_listed();
  Result<void> adopt_others();
  bool is_alive(const FoundSegment& segment) const;
  Result<void> apply_states();
  Result<void> apply_entries();
  void apply_scanned(FoundSegment& found, Segment& segment);
  void apply_sealed(FoundSegment& found, Segment& segment);
  void miss_queue(QueueId queue, std::uint64_t messages);
  Result<void> apply_settles();
  void apply_purges();
  Result<void> recount_runs();
  Result<void> recount_run(Segment& segment, Run& run);
  Result<void> apply_bodies();
  Result<void> count_bytes();
  Result<void> make_room_for(std::uint64_t bytes);
  Result<void> quarantine_damage();
  Result<void> seal_scanned();
  Result<void> wipe_cut(const FoundSegment& segment);
  Result<void> set_spares();
  void finish_report();

  void lost(const std::string& what) {
    log::error("spool: data is missing", {{"what", what}});
    if (result_.report.losses.size() < RecoveryReport::kLossesMax)
      result_.report.losses.push_back(what);
  }
  void lost(const FoundSegment& segment, const std::string& what) {
    lost(segment.file.name + ": " + what);
  }

  Disk& disk_;
  Uuid spool_id_;
  RecoveryInto into_;
  Recovered result_;
  FoundFiles found_;
  std::vector<FoundSegment> cut_off_;  // whole segments behind the tail's end
  std::uint64_t other_bytes_ = 0;
  std::set<SegmentNumber> listed_;
  SegmentNumber lister_ = 0;
  std::map<QueueId, std::uint64_t> missed_queues_;
};

Result<void> Recovery::find() {
  auto found = find_segments(disk_, spool_id_, into_.files.limits().segment_bytes, into_.keys);
  if (!found) return found.error();
  found_ = std::move(*found);
  return scan_segments(found_);
}

Result<void> Recovery::adopt_others() {
  for (const FileInfo& other : found_.others) {
    auto is_quarantine = into_.quarantine.adopt(other);
    if (!is_quarantine) return is_quarantine.error();
    if (!*is_quarantine) other_bytes_ += other.size;
    into_.files.adopt_other(other.name);
  }
  return {};
}

// Only segments that the latest list names are alive: the others were given up, and what they say
// may no longer be true.
Result<void> Recovery::keep_listed() {
  for (auto at = found_.segments.rbegin(); at != found_.segments.rend() && lister_ == 0; ++at) {
    for (const StateItem& item : at->second.said()) {
      if (item.kind != StateKind::segments) continue;
      auto numbers = segments_from(item.value);
      if (!numbers) continue;
      listed_ = {numbers->begin(), numbers->end()};
      lister_ = at->first;
    }
  }
  std::set<SegmentNumber> missing = listed_;
  for (auto at = found_.segments.begin(); at != found_.segments.end();) {
    FoundSegment& segment = at->second;
    missing.erase(at->first);
    result_.report.cut_bytes += segment.cut_bytes;
    if (is_alive(segment)) {
      if (auto done = check_key(segment, into_.requires_encryption); !done) return done;
      for (const std::string& what : segment.losses) lost(segment, what);
      result_.report.scanned_segments += segment.is_scanned ? 1 : 0;
      result_.report.lost_entries += segment.lost_entries;
      ++at;
      continue;
    }
    if (listed_.contains(at->first) && !segment.is_cut) lost(segment, "holds nothing any more");
    if (segment.is_cut)
      cut_off_.push_back(std::move(segment));
    else
      found_.unused.push_back(std::move(segment.file));
    at = found_.segments.erase(at);
  }
  for (const SegmentNumber number : missing) {
    lost("segment " + std::to_string(number) + " is missing whole");
    result_.last_number = std::max(result_.last_number, number);
  }
  result_.last_number = std::max(result_.last_number, found_.last_number);
  return {};
}

bool Recovery::is_alive(const FoundSegment& segment) const {
  const bool is_listed = segment.header.number > lister_ || listed_.contains(segment.header.number);
  return is_listed && (!segment.is_scanned || segment.cut > kPageSize);
}

Result<void> Recovery::apply_states() {
  for (auto& [number, found] : found_.segments)
    for (const StateItem& item : found.said()) {
      into_.states.note(item, number);
      if (item.kind == StateKind::queue && item.key.size() == sizeof(QueueId))
        result_.last_queue = std::max(result_.last_queue, load_le<std::uint32_t>(item.key.data()));
    }
  into_.states.end_recovery();
  into_.states.for_each(StateKind::queue, [this](ByteView key, ByteView) {
    if (key.size() == sizeof(QueueId)) into_.index.add_queue(load_le<std::uint32_t>(key.data()));
  });
  const Bytes* counters = into_.states.find(StateKind::counters, {});
  if (counters != nullptr && counters->size() == sizeof(QueueId))
    result_.last_queue = std::max(result_.last_queue, load_le<std::uint32_t>(counters->data()));
  const Bytes* state = into_.states.find(StateKind::run_state, {});
  result_.report.was_clean =
      state == nullptr || (state->size() == 1 && (*state)[0] == std::byte{0});
  return {};
}

// A queue that was dropped has left a tombstone for as long as there may be messages of it. Without
// one its record is lost, and its messages with it: nobody knows any more what queue that was.
void Recovery::miss_queue(QueueId queue, std::uint64_t messages) {
  result_.last_queue = std::max(result_.last_queue, queue);
  if (!into_.states.segment_of(StateKind::queue, key_of_queue(queue)))
    missed_queues_[queue] += messages, result_.report.lost_entries += messages;
}

void Recovery::apply_sealed(FoundSegment& found, Segment& segment) {
  segment.entries = found.trailer->entries;
  segment.data_end = found.trailer->data_end;
  for (const RunInfo& run : std::exchange(found.core->runs, {})) {
    if (into_.index.queue(run.lane.queue) == nullptr)
      miss_queue(run.lane.queue, run.count);
    else
      into_.index.add_sealed(segment, run);
  }
  segment.bodies = std::exchange(found.core->bodies, {});
  segment.parts = std::exchange(found.core->parts, {});
  for (const SettleTarget& target : found.core->settles)
    segment.settles_of.push_back(target.segment);
  segment.become_sealed();
}

void Recovery::apply_scanned(FoundSegment& found, Segment& segment) {
  segment.data_end = aligned(std::max(found.cut, kPageSize), kPageSize);
  for (const Entry& entry : std::exchange(found.entries, {})) {
    if (into_.index.queue(entry.queue) == nullptr)
      miss_queue(entry.queue, 1);
    else
      into_.index.add(segment, entry);
  }
  segment.entries = found.next_ordinal;
  segment.bodies = std::exchange(found.bodies, {});
  segment.parts = std::exchange(found.parts, {});
  for (const StateItem& item : found.states) segment.note_state(item);
  for (const auto& [target, settles] : found.settles) segment.note_settles(settles);
  segment.state = Segment::State::closed;
}

Result<void> Recovery::apply_entries() {
  for (auto& [number, found] : found_.segments) {
    Segment& segment = into_.index.add_segment(found.header, found.file, found.key);
    into_.files.adopt_used(found.file);
    if (found.core)
      apply_sealed(found, segment);
    else
      apply_scanned(found, segment);
    result_.end = {number, segment.data_end};
  }
  for (const auto& [queue, messages] : missed_queues_)
    lost("queue " + std::to_string(queue) + " is not known any more: up to " +
         std::to_string(messages) + " messages");
  return {};
}

void apply_settles_to(Index& index, const SettleTarget& settles) {
  Segment* target = index.segment(settles.segment);
  if (target == nullptr) return;
  for (const OrdinalRange& range : settles.settled) target->mark_settled(range);
  for (const Change& change : settles.changed) target->change(change);
}

Result<void> Recovery::apply_settles() {
  for (auto& [number, found] : found_.segments) {
    for (const StateItem& item : found.said()) {
      if (item.kind != StateKind::snapshot || item.erased) continue;
      auto targets = decode_settles(item.value);
      if (!targets) continue;
      for (const SettleTarget& target : *targets) apply_settles_to(into_.index, target);
    }
    if (found.core)
      for (const SettleTarget& target : found.core->settles) apply_settles_to(into_.index, target);
    for (const auto& [target, settles] : std::exchange(found.settles, {}))
      apply_settles_to(into_.index, settles);
    found.core.reset();
    std::vector<StateItem>().swap(found.states);
  }
  apply_purges();
  return {};
}

void Recovery::apply_purges() {
  into_.states.for_each(StateKind::purge, [this](ByteView key, ByteView value) {
    if (key.size() != sizeof(QueueId)) return;
    QueueState* queue = into_.index.queue(load_le<std::uint32_t>(key.data()));
    if (queue == nullptr) return;
    ByteReader in(value);
    queue->purged_up_to = in.le<std::uint64_t>();
    while (in.left() >= 8) queue->purge_kept.push_back(in.le<std::uint64_t>());
    std::sort(queue->purge_kept.begin(), queue->purge_kept.end());
    queue->last_sequence = std::max(queue->last_sequence, queue->purged_up_to);
  });
}

// Counts of runs were taken whole; corrects those of segments of which something is settled or
// purged.
Result<void> Recovery::recount_runs() {
  for (auto& [number, segment] : into_.index.segments())
    for (Run& run : segment->runs()) {
      const QueueState* queue = into_.index.queue(run.info.lane.queue);
      const bool purged = queue != nullptr && run.info.first <= queue->purged_up_to;
      if (!segment->has_settled() && !purged && !run.info.transient) continue;
      if (auto done = recount_run(*segment, run); !done) return done;
    }
  return {};
}

Result<void> Recovery::recount_run(Segment& segment, Run& run) {
  LoadedRun loaded;
  const std::vector<Entry>* entries = &run.resident;
  if (run.resident.empty()) {
    auto read = load_run(*segment.file().file,
                         {segment.header(), segment.data_end, segment.keys().key}, run.info);
    if (!read) return read.error();
    loaded = std::move(*read);
    entries = &loaded.entries;
  }
  if (loaded.damage) {
    FoundSegment& found = found_.segments.at(segment.number());
    found.damage.push_back({run.info.offset, run.info.offset + run.info.record_bytes});
    log::warn("spool: an index is damaged; its messages were found by scanning",
              {{"file", found.file.name}, {"error", loaded.damage->detail}});
    if (entries->size() < run.info.count)
      lost(found, std::to_string(run.info.count - entries->size()) + " messages of queue " +
                      std::to_string(run.info.lane.queue) + ": " + loaded.damage->detail);
  }
  for (const Entry& entry : *entries) {
    if (entry.transient) segment.mark_settled({entry.ordinal, entry.ordinal});
    const auto change = segment.changed(entry.ordinal);
    run.changed_due = run.changed_due || (change && change->due != 0);
  }
  into_.index.recount(segment, run, *entries);
  return {};
}

Result<void> Recovery::apply_bodies() {
  return recover_bodies(into_.index, into_.bodies,
                        [this](SegmentNumber number, const std::string& what) {
                          lost(found_.segments.at(number), what);
                        });
}

// What counts against the limit besides segments.
Result<void> Recovery::count_bytes() {
  std::uint64_t excess = 0;
  for (const auto& [number, found] : found_.segments)
    excess += found.size - std::min<std::uint64_t>(found.size, found.header.segment_bytes);
  into_.files.set_other_bytes(other_bytes_ + into_.quarantine.bytes() + excess);
  return {};
}

// Spares go, if they must, so that the copies stay within the limit.
Result<void> Recovery::make_room_for(std::uint64_t bytes) {
  const SegmentFilesLimits& limits = into_.files.limits();
  const auto used = [&] {
    const std::size_t files = found_.segments.size() + cut_off_.size() + found_.unused.size();
    return files * std::uint64_t{limits.segment_bytes} + other_bytes_ + into_.quarantine.bytes();
  };
  while (!found_.unused.empty() && used() + bytes > limits.bytes_max) {
    if (auto removed = disk_.remove(found_.unused.back().name); !removed) return removed;
    found_.unused.pop_back();
  }
  return {};
}

Result<void> Recovery::quarantine_damage() {
  for (const auto& [number, found] : found_.segments) {
    for (const Stretch& stretch : found.damage) {
      const std::uint32_t bytes = stretch.end - stretch.begin;
      result_.report.corrupt_bytes += bytes;
      if (auto done = make_room_for(bytes); !done) return done;
      auto copied = into_.quarantine.copy_now(*found.file.file, number, stretch);
      if (!copied) return copied.error();
    }
  }
  result_.report.quarantined_bytes = into_.quarantine.bytes();
  return {};
}

Result<void> Recovery::wipe_cut(const FoundSegment& segment) {
  static constexpr std::array<std::byte, kPageSize> kZeros{};
  const Offset cut = std::max(segment.cut, kPageSize);
  for (Offset at = cut; at < segment.survey_end;) {
    const Offset next = aligned(at + 1, kPageSize);
    const ByteView view = ByteView(kZeros).first(next - at);
    if (auto done = segment.file.file->write(at, {&view, 1}); !done) return done;
    at = next;
  }
  return segment.file.file->sync();
}

Result<void> Recovery::seal_scanned() {
  for (FoundSegment& segment : cut_off_) {
    if (auto done = wipe_cut(segment); !done) return done;
    found_.unused.push_back(std::move(segment.file));
  }
  for (auto& [number, found] : found_.segments) {
    if (!found.is_scanned) continue;
    if (found.size < found.header.segment_bytes)
      if (auto done = found.file.file->allocate(found.header.segment_bytes); !done) return done;
    if (found.is_cut)
      if (auto done = wipe_cut(found); !done) return done;
    Segment& segment = *into_.index.segment(number);
    auto runs = write_footer(prepare_footer(segment), *found.file.file);
    if (!runs) return runs.error();
    for (std::size_t i = 0; i < runs->size(); ++i) segment.runs()[i].info = (*runs)[i];
    segment.become_sealed();
  }
  return {};
}

Result<void> Recovery::set_spares() {
  for (SegmentFile& file : found_.unused) {
    auto size = file.file->size();
    if (!size) return size.error();
    if (*size == into_.files.limits().segment_bytes && into_.files.has_room_for_spare()) {
      into_.files.adopt_spare(std::move(file));
      continue;
    }
    if (auto removed = disk_.remove(file.name); !removed) return removed;
  }
  return {};
}

void Recovery::finish_report() {
  RecoveryReport& report = result_.report;
  for (const auto& [id, queue] : into_.index.queues())
    for (const auto& [priority, lane] : queue.lanes) report.messages += lane.live;
  report.segments = into_.index.segments().size();
  report.was_clean = report.was_clean && report.losses.empty();
}

}  // namespace

Result<Recovered> recover(Disk& disk, const Uuid& spool_id, RecoveryInto into) {
  return Recovery(disk, spool_id, into).run();
}

}  // namespace pannier::spool
