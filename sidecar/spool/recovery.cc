#include "sidecar/spool/recovery.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "common/log.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/scanner.h"
#include "sidecar/spool/sealer.h"

namespace pannier::spool {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";

// One file of the folder that may be a segment.
struct Candidate {
  SegmentFile file;
  std::uint64_t size = 0;
  std::optional<SegmentHeader> header;
  std::optional<SegmentTrailer> trailer;
  std::optional<Core> core;        // readable footer: sealed
  std::optional<Survey> survey;    // scanned: not sealed
  std::vector<Entry> entries;      // of a scanned one, until its queues are known
  std::vector<BodyInfo> bodies;    // of a scanned one
  std::vector<PartInfo> parts;     // of a scanned one
  std::map<SegmentNumber, SettleTarget> settles;
  std::vector<StateItem> states;
  Offset cut = 0;                  // end of what is kept of a scanned one
  std::uint32_t next_ordinal = 0;
  bool is_cut = false;
};

Result<ByteView> read_page(const File& file, std::uint64_t at, std::array<std::byte, kPageSize>& page) {
  auto got = file.read(at, page);
  if (!got) return got.error();
  return ByteView(page).first(*got);
}

class Recovery {
 public:
  Recovery(Disk& disk, const Uuid& spool_id, RecoveryInto into)
      : disk_(disk), spool_id_(spool_id), into_(into) {}

  Result<Recovered> run() {
    using Step = Result<void> (Recovery::*)();
    for (const Step step :
         {&Recovery::find_segments, &Recovery::survey_unsealed, &Recovery::cut_tail,
          &Recovery::replay_unsealed, &Recovery::keep_listed, &Recovery::apply_states,
          &Recovery::apply_entries, &Recovery::apply_settles, &Recovery::recount_runs,
          &Recovery::apply_bodies, &Recovery::seal_unsealed, &Recovery::set_spares})
      if (auto done = (this->*step)(); !done) return done.error();
    for (const auto& [id, queue] : into_.index.queues())
      for (const auto& [priority, lane] : queue.lanes) result_.report.messages += lane.live;
    result_.report.segments = into_.index.segments().size();
    return result_;
  }

 private:
  Result<void> find_segments();
  Result<std::optional<SegmentHeader>> header_from_batches(const File& file, std::uint64_t size);
  Result<void> read_core(Candidate& candidate);
  Result<void> survey_unsealed();
  Result<void> cut_tail();
  Result<void> replay_unsealed();
  Result<void> replay_one(Candidate& candidate);
  void take_group(Candidate& candidate, const std::vector<std::pair<StoredRecord, Offset>>& group);
  void take_message(Candidate& candidate, const StoredRecord& record, Offset at);
  Result<void> keep_listed();
  Result<void> apply_states();
  Result<void> apply_entries();
  Result<void> apply_settles();
  Result<void> recount_runs();
  Result<void> apply_bodies();
  Result<void> seal_unsealed();
  Result<void> wipe_cut(Candidate& candidate);
  Result<void> set_spares();

  void lost(const Candidate& candidate, const std::string& what) {
    result_.report.losses.push_back(candidate.file.name + ": " + what);
    log::error("spool: data is missing", {{"file", candidate.file.name}, {"what", what}});
  }

  Disk& disk_;
  Uuid spool_id_;
  RecoveryInto into_;
  Recovered result_;
  std::map<SegmentNumber, Candidate> segments_;
  std::vector<SegmentFile> unused_;
  std::map<BodyId, std::map<std::uint32_t, Bodies::Part>> parts_;
};

Result<void> Recovery::find_segments() {
  auto files = disk_.list();
  if (!files) return files.error();
  for (const FileInfo& info : *files) {
    if (!info.name.ends_with(kSegmentSuffix)) continue;
    auto opened = disk_.open(info.name);
    if (!opened) return opened.error();
    Candidate candidate;
    candidate.file = {info.name, std::shared_ptr<File>(std::move(*opened))};
    candidate.size = info.size;
    std::array<std::byte, kPageSize> page;
    auto first = read_page(*candidate.file.file, 0, page);
    if (!first) return first.error();
    candidate.header = SegmentHeader::decode(*first);
    if (candidate.size >= 2 * kPageSize) {
      auto last = read_page(*candidate.file.file, candidate.size - kPageSize, page);
      if (!last) return last.error();
      candidate.trailer = SegmentTrailer::decode(*last);
    }
    if (candidate.header && candidate.trailer &&
        (candidate.trailer->header.number != candidate.header->number ||
         candidate.trailer->header.salt != candidate.header->salt))
      candidate.trailer.reset();  // of the file's last life
    if (!candidate.header) {
      auto found = header_from_batches(*candidate.file.file, candidate.size);
      if (!found) return found.error();
      if (candidate.trailer && *found && candidate.trailer->header.number != (*found)->number)
        candidate.trailer.reset();
      candidate.header = candidate.trailer ? candidate.trailer->header : *found;
    }
    if (candidate.header && candidate.header->version > kFormatVersion)
      return Error{Errc::wrong_version,
                   info.name + " has format version " + std::to_string(candidate.header->version) +
                       ", this release reads up to " + std::to_string(kFormatVersion) +
                       ": run the release that wrote it"};
    const bool ours = candidate.header && candidate.header->spool_id == spool_id_ &&
                      candidate.header->segment_bytes == candidate.size;
    if (!ours) {
      unused_.push_back(candidate.file);
      continue;
    }
    result_.last_number = std::max(result_.last_number, candidate.header->number);
    if (auto done = read_core(candidate); !done) return done;
    segments_.insert_or_assign(candidate.header->number, std::move(candidate));
  }
  return {};
}

// The header page is damaged: every batch says which segment it belongs to.
Result<std::optional<SegmentHeader>> Recovery::header_from_batches(const File& file,
                                                                   std::uint64_t size) {
  for (Offset at = kPageSize; at + kPageSize < size; at += kPageSize) {
    std::array<std::byte, BatchHeader::kSize> bytes;
    auto got = file.read(at, bytes);
    if (!got) return got.error();
    const auto batch = BatchHeader::decode(ByteView(bytes).first(*got), at);
    if (!batch) continue;
    SegmentHeader header;
    header.number = batch->number;
    header.salt = batch->salt;
    header.spool_id = spool_id_;
    header.segment_bytes = static_cast<std::uint32_t>(size);
    header.created_ms = batch->written_ms;
    return std::optional(header);
  }
  return std::optional<SegmentHeader>();
}

Result<void> Recovery::read_core(Candidate& candidate) {
  if (!candidate.trailer) return {};
  const SegmentTrailer& trailer = *candidate.trailer;
  const std::uint64_t end = std::uint64_t{trailer.core_offset} + trailer.core_bytes;
  if (end > candidate.size || trailer.core_bytes < RecordHeader::kSize) return {};
  const std::uint32_t seed = checksum_seed(trailer.header.number, trailer.header.salt);
  auto record = read_record(*candidate.file.file, seed, trailer.core_offset, trailer.core_bytes,
                            RecordType::core);
  if (!record) {
    if (record.error().code == Errc::io_error) return record.error();
    log::warn("spool: a footer is damaged; the segment is scanned instead",
              {{"file", candidate.file.name}, {"error", record.error().detail}});
    return {};
  }
  auto core = Core::decode(record->meta());
  if (!core && core.error().code == Errc::wrong_version) return core.error();
  if (core) candidate.core = std::move(*core);
  return {};
}

Result<void> Recovery::survey_unsealed() {
  for (auto& [number, candidate] : segments_) {
    if (candidate.core) continue;
    auto surveyed = survey(*candidate.file.file, *candidate.header);
    if (!surveyed) return surveyed.error();
    candidate.survey = std::move(*surveyed);
    candidate.cut = candidate.survey->data_end;
    ++result_.report.scanned_segments;
  }
  return {};
}

// Finds the highest synced position, and cuts everything from the first gap at or above it.
Result<void> Recovery::cut_tail() {
  Position synced;
  for (const auto& [number, candidate] : segments_) {
    if (candidate.trailer) synced = std::max(synced, {number, candidate.trailer->data_end});
    if (candidate.survey) synced = std::max(synced, candidate.survey->synced);
  }
  bool is_cut = false;
  for (auto& [number, candidate] : segments_) {
    if (!candidate.survey) continue;
    Survey& found = *candidate.survey;
    if (is_cut) {
      result_.report.cut_bytes += found.data_end - kPageSize;
      candidate.cut = kPageSize;
      candidate.is_cut = true;
      continue;
    }
    for (const Stretch& gap : found.gaps) {
      if (Position{number, gap.begin} < synced) {
        result_.report.corrupt_bytes += gap.end - gap.begin;
        lost(candidate, "bytes " + std::to_string(gap.begin) + " to " + std::to_string(gap.end) +
                            " were synced and are damaged");
        continue;
      }
      candidate.cut = gap.begin;
      candidate.is_cut = is_cut = true;
      result_.report.cut_bytes += found.data_end - gap.begin;
      break;
    }
  }
  return {};
}

Result<void> Recovery::replay_unsealed() {
  for (auto& [number, candidate] : segments_)
    if (candidate.survey)
      if (auto done = replay_one(candidate); !done) return done;
  return {};
}

Result<void> Recovery::replay_one(Candidate& candidate) {
  std::vector<std::pair<StoredRecord, Offset>> group;
  Offset whole_until = kPageSize;
  const auto visit = [&](const StoredRecord& record, Offset at, bool after_gap) {
    if (after_gap && !group.empty()) {
      lost(candidate, "a group that began at byte " + std::to_string(group.front().second) +
                          " is not whole");
      group.clear();
    }
    StoredRecord kept = record;
    if (record.header.type == RecordType::message || record.header.type == RecordType::part)
      kept.payload = Slice::copy_of(record.meta());  // not the body
    group.emplace_back(std::move(kept), at);
    if ((record.header.flags & RecordHeader::kGroupGoesOn) != 0) return;
    take_group(candidate, group);
    group.clear();
    whole_until = at + record.header.bytes_on_disk();
  };
  auto done = replay(*candidate.file.file, *candidate.header, candidate.cut, visit);
  if (!done) return done;
  if (!group.empty()) {  // the tail broke off within a group
    candidate.is_cut = true;
    candidate.cut = whole_until;
  }
  return {};
}

void Recovery::take_group(Candidate& candidate,
                          const std::vector<std::pair<StoredRecord, Offset>>& group) {
  for (const auto& [record, at] : group) {
    switch (record.header.type) {
      case RecordType::message:
        take_message(candidate, record, at);
        break;
      case RecordType::part:
        if (auto part = PartMeta::decode(record.meta()))
          candidate.parts.push_back(
              {part->body_id, part->index, at, record.header.bytes_on_disk()});
        break;
      case RecordType::settle:
        if (auto targets = decode_settles(record.meta()))
          for (const SettleTarget& target : *targets) {
            SettleTarget& into = candidate.settles[target.segment];
            into.segment = target.segment;
            into.settled.insert(into.settled.end(), target.settled.begin(), target.settled.end());
            into.changed.insert(into.changed.end(), target.changed.begin(), target.changed.end());
          }
        break;
      case RecordType::state: {
        ByteReader in(record.meta());
        while (in.left() > 0) {
          auto item = StateItem::decode(in);
          if (!item) break;
          if (item->kind == StateKind::snapshot && item->key.size() == sizeof(SegmentNumber))
            candidate.settles.erase(load_le<std::uint64_t>(item->key.data()));
          candidate.states.push_back(std::move(*item));
        }
        break;
      }
      case RecordType::run:
      case RecordType::core:
        break;
    }
  }
}

void Recovery::take_message(Candidate& candidate, const StoredRecord& record, Offset at) {
  auto meta = MessageMeta::decode(record.meta());
  if (!meta) {
    lost(candidate, "the message at byte " + std::to_string(at) + " has no meaning");
    return;
  }
  const std::uint32_t first = record.header.first_ordinal;
  if (first > candidate.next_ordinal) {
    result_.report.lost_entries += first - candidate.next_ordinal;
    lost(candidate, std::to_string(first - candidate.next_ordinal) + " messages before byte " +
                        std::to_string(at));
  }
  if (first + meta->targets.size() > kEntriesPerSegmentMax) return;
  candidate.next_ordinal = first + static_cast<std::uint32_t>(meta->targets.size());
  const auto count = static_cast<std::uint32_t>(meta->targets.size());
  std::uint32_t ordinal = first;
  for (const Target& target : meta->targets)
    candidate.entries.push_back(
        entry_of(target, *meta, candidate.header->number, at, record.header.bytes_on_disk(),
                 static_cast<Ordinal>(ordinal++)));
  if (meta->parts > 0)
    candidate.bodies.push_back({meta->body_id, meta->parts, static_cast<Ordinal>(first),
                                static_cast<std::uint16_t>(count)});
}

// Only segments that the latest list names are alive: the others were given up, and what they say may
// no longer be true.
Result<void> Recovery::keep_listed() {
  std::set<SegmentNumber> listed;
  SegmentNumber lister = 0;
  for (auto at = segments_.rbegin(); at != segments_.rend() && lister == 0; ++at) {
    const auto& states = at->second.core ? at->second.core->states : at->second.states;
    for (const StateItem& item : states) {
      if (item.kind != StateKind::segments) continue;
      auto numbers = segments_from(item.value);
      if (!numbers) continue;
      listed = {numbers->begin(), numbers->end()};
      lister = at->first;
    }
  }
  for (auto at = segments_.begin(); at != segments_.end();) {
    const bool empty = at->second.is_cut && at->second.cut <= kPageSize;
    const bool alive = !empty && (at->first > lister || listed.contains(at->first));
    listed.erase(at->first);
    if (alive) {
      ++at;
      continue;
    }
    if (at->second.is_cut)
      if (auto done = wipe_cut(at->second); !done) return done;
    unused_.push_back(at->second.file);
    at = segments_.erase(at);
  }
  for (const SegmentNumber missing : listed) {
    result_.report.losses.push_back("segment " + std::to_string(missing) + " is missing whole");
    log::error("spool: a segment is missing", {{"segment", missing}});
  }
  return {};
}

Result<void> Recovery::apply_states() {
  for (auto& [number, candidate] : segments_) {
    auto& states = candidate.core ? candidate.core->states : candidate.states;
    for (const StateItem& item : states) into_.states.note(item, number);
  }
  into_.states.for_each(StateKind::queue, [this](ByteView key, ByteView) {
    if (key.size() == sizeof(QueueId)) into_.index.add_queue(load_le<std::uint32_t>(key.data()));
  });
  const Bytes* counters = into_.states.find(StateKind::counters, {});
  if (counters != nullptr && counters->size() == sizeof(QueueId))
    result_.last_queue = load_le<std::uint32_t>(counters->data());
  const Bytes* state = into_.states.find(StateKind::run_state, {});
  result_.report.was_clean = state == nullptr || (state->size() == 1 && (*state)[0] == std::byte{0});
  return {};
}

Result<void> Recovery::apply_entries() {
  for (auto& [number, candidate] : segments_) {
    Segment& segment = into_.index.add_segment(*candidate.header, candidate.file);
    into_.files.adopt_used(candidate.file);
    if (candidate.core) {
      segment.entries = candidate.trailer->entries;
      segment.data_end = candidate.trailer->data_end;
      for (const RunInfo& run : candidate.core->runs) into_.index.add_sealed(segment, run);
      segment.bodies = candidate.core->bodies;
      segment.parts = candidate.core->parts;
      for (const SettleTarget& target : candidate.core->settles)
        segment.settles_of.push_back(target.segment);
      segment.become_sealed();
      continue;
    }
    segment.data_end = aligned(std::max(candidate.cut, kPageSize), kPageSize);
    for (const Entry& entry : candidate.entries)
      if (into_.index.queue(entry.queue) != nullptr) into_.index.add(segment, entry);
    segment.entries = candidate.next_ordinal;
    segment.bodies = candidate.bodies;
    segment.parts = candidate.parts;
    for (const StateItem& item : candidate.states) segment.note_state(item);
    for (const auto& [target, settles] : candidate.settles) segment.note_settles(settles);
    segment.state = Segment::State::closed;
  }
  return {};
}

void apply_settles_to(Index& index, const SettleTarget& settles) {
  Segment* target = index.segment(settles.segment);
  if (target == nullptr) return;
  for (const OrdinalRange& range : settles.settled) target->mark_settled(range);
  for (const Change& change : settles.changed) target->change(change);
}

Result<void> Recovery::apply_settles() {
  for (auto& [number, candidate] : segments_) {
    const auto& states = candidate.core ? candidate.core->states : candidate.states;
    for (const StateItem& item : states) {
      if (item.kind != StateKind::snapshot || item.erased) continue;
      auto targets = decode_settles(item.value);
      if (!targets) continue;
      for (const SettleTarget& target : *targets) apply_settles_to(into_.index, target);
    }
    if (candidate.core)
      for (const SettleTarget& target : candidate.core->settles)
        apply_settles_to(into_.index, target);
    for (const auto& [target, settles] : candidate.settles)
      apply_settles_to(into_.index, settles);
  }
  into_.states.for_each(StateKind::purge, [this](ByteView key, ByteView value) {
    if (key.size() != sizeof(QueueId)) return;
    QueueState* queue = into_.index.queue(load_le<std::uint32_t>(key.data()));
    if (queue == nullptr) return;
    ByteReader in(value);
    queue->purged_up_to = in.le<std::uint64_t>();
    while (in.left() >= 8) queue->purge_kept.push_back(in.le<std::uint64_t>());
    queue->last_sequence = std::max(queue->last_sequence, queue->purged_up_to);
  });
  return {};
}

// Counts of runs were taken whole; corrects those of segments of which something is settled or purged.
Result<void> Recovery::recount_runs() {
  for (auto& [number, held] : into_.index.segments()) {
    Segment& segment = *held;
    for (Run& run : segment.runs()) {
      const QueueState* queue = into_.index.queue(run.info.lane.queue);
      const bool purged = queue != nullptr && run.info.first <= queue->purged_up_to;
      if (!segment.has_settled() && !purged && !run.info.transient) continue;
      std::vector<Entry> entries = run.resident;
      if (entries.empty()) {
        auto record = read_record(*segment.file().file, segment.seed(), run.info.offset,
                                  run.info.record_bytes, RecordType::run);
        if (!record && record.error().code == Errc::io_error) return record.error();
        auto decoded = record ? decode_run(record->meta(), number) : record.error();
        if (!decoded) {
          lost(segments_.at(number), "an index of " + std::to_string(run.info.count) +
                                         " messages is damaged: " + decoded.error().detail);
          continue;
        }
        entries = std::move(*decoded);
      }
      for (const Entry& entry : entries)
        if (entry.transient) segment.mark_settled({entry.ordinal, entry.ordinal});
      into_.index.recount(segment, run, entries);
    }
  }
  return {};
}

Result<void> Recovery::apply_bodies() {
  for (auto& [number, held] : into_.index.segments())
    for (const PartInfo& part : held->parts)
      parts_[part.body_id][part.index] = {number, part.offset, part.record_bytes};
  for (auto& [number, held] : into_.index.segments()) {
    for (const BodyInfo& body : held->bodies) {
      std::vector<Bodies::Reader> live;
      Offset message_at = 0;
      for (const Run& run : held->runs()) {
        std::vector<Entry> entries = run.resident;
        if (entries.empty() && run.live > 0) {
          auto record = read_record(*held->file().file, held->seed(), run.info.offset,
                                    run.info.record_bytes, RecordType::run);
          if (record)
            if (auto decoded = decode_run(record->meta(), number)) entries = std::move(*decoded);
        }
        for (const Entry& entry : entries) {
          if (entry.ordinal < body.first_ordinal ||
              entry.ordinal >= body.first_ordinal + body.entries)
            continue;
          message_at = entry.offset;
          if (into_.index.is_live(*held, entry)) live.push_back({entry.queue, entry.sequence});
        }
      }
      if (live.empty()) continue;
      into_.bodies.begin(body.body_id);
      for (const auto& [index, part] : parts_[body.body_id])
        into_.bodies.place(body.body_id, index, part);
      into_.bodies.finish(body.body_id, std::move(live), {number, message_at});
    }
  }
  return {};
}

Result<void> Recovery::wipe_cut(Candidate& candidate) {
  static constexpr std::array<std::byte, kPageSize> kZeros{};
  const Offset cut = std::max(candidate.cut, kPageSize);
  const auto zero = [&](Offset from, Offset to) -> Result<void> {
    for (Offset at = from; at < to; at += kPageSize) {
      const ByteView view = ByteView(kZeros).first(std::min<Offset>(kPageSize, to - at));
      if (auto done = candidate.file.file->write(at, {&view, 1}); !done) return done;
    }
    return {};
  };
  if (auto done = zero(cut, aligned(cut, kPageSize)); !done) return done;
  for (Offset at = aligned(cut, kPageSize); at < candidate.survey->data_end; at += kPageSize)
    if (auto done = zero(at, at + kPageSize); !done) return done;
  return candidate.file.file->sync();
}

Result<void> Recovery::seal_unsealed() {
  for (auto& [number, candidate] : segments_) {
    if (!candidate.survey) continue;
    if (candidate.is_cut)
      if (auto done = wipe_cut(candidate); !done) return done;
    Segment& segment = *into_.index.segment(number);
    auto runs = write_footer(prepare_footer(segment), *candidate.file.file);
    if (!runs) return runs.error();
    for (std::size_t i = 0; i < runs->size(); ++i) segment.runs()[i].info = (*runs)[i];
    segment.become_sealed();
  }
  return {};
}

Result<void> Recovery::set_spares() {
  for (SegmentFile& file : unused_) {
    auto size = file.file->size();
    if (!size) return size.error();
    if (*size == into_.files.limits().segment_bytes) {
      into_.files.adopt_spare(std::move(file));
      continue;
    }
    if (auto removed = disk_.remove(file.name); !removed) return removed;
  }
  return {};
}

}  // namespace

Result<Recovered> recover(Disk& disk, const Uuid& spool_id, RecoveryInto into) {
  return Recovery(disk, spool_id, into).run();
}

}  // namespace pannier::spool
