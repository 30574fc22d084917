#include "sidecar/spool/compactor.h"

#include <algorithm>
#include <set>

#include "common/log.h"
#include "sidecar/spool/compaction_group.h"

namespace pannier::spool {
namespace {

constexpr std::uint64_t kTargetGrowth = 24;  // what a target of a copy may grow by
constexpr std::uint64_t kRecordGrowth = 64 + RecordHeader::kSealSize;
constexpr std::uint64_t kEntryFooter = 64;  // an entry's part of the footer
constexpr std::uint64_t kRunFooter = 144 + RecordHeader::kSealSize;  // of a run

}  // namespace

Compactor::Compactor(Spool::Impl& spool)
    : spool_(spool), alive_(std::make_shared<Compactor*>(this)) {}

Compactor::~Compactor() { *alive_ = nullptr; }

// What share of a segment the live content would take up in a new one, in 1/1000: by its bytes with
// its part of the footer and what it says by key, or by its entries, of which a segment holds only
// so many.
std::uint64_t Compactor::occupancy(const Segment& segment) const {
  constexpr std::uint64_t kRunBytes = RunInfo::kSize + RecordHeader::kSize + kRunFixedSize;
  std::uint64_t runs = 0;
  for (const Run& run : segment.runs()) runs += run.live > 0 ? 1 : 0;
  const std::uint64_t bytes = segment.live_bytes() + segment.live_entries() * kRunEntrySize +
                              runs * kRunBytes + 2 * spool_.states.bytes_in(segment.number());
  return std::max(bytes * 1000 / segment.header().segment_bytes,
                  segment.live_entries() * 1000 / kEntriesPerSegmentMax);
}

// Mostly copies that compaction made, and mostly alive: copying them again would win nothing.
bool Compactor::is_copy_of_living(const Segment& segment) {
  std::uint64_t held = 0;
  for (const Run& run : segment.runs()) held += run.info.share_bytes;
  for (const PartInfo& part : segment.parts) held += part.record_bytes;
  return segment.moved_in_bytes * 2 > held && segment.live_bytes() * 2 > held;
}

// Not encrypted as new segments are: what lives there moves, so that its key can be thrown away.
bool Compactor::has_old_key(const Segment& segment) const {
  return segment.header().key_id != spool_.journal.current_key();
}

bool Compactor::may_move(const Segment& segment) {
  return segment.state == Segment::State::sealed && segment.readers == 0 && !segment.is_damaged &&
         (segment.live_entries() > 0 || segment.part_bytes > 0);
}

bool Compactor::has_old_keys() const {
  return std::ranges::any_of(spool_.index.segments(), [this](const auto& held) {
    return has_old_key(*held.second) && may_move(*held.second);
  });
}

// The oldest sealed segment of which at least half would be won; with a full spool, the one of
// which most is won, if it is a quarter. Else the oldest that has an old key.
Segment* Compactor::pick() const {
  Segment* best = nullptr;
  Segment* old_key = nullptr;
  std::uint64_t least = 750;
  for (const auto& [number, held] : spool_.index.segments()) {
    if (!may_move(*held)) continue;
    if (old_key == nullptr && has_old_key(*held)) old_key = held.get();
    if (is_copy_of_living(*held)) continue;
    const std::uint64_t taken = occupancy(*held);
    if (taken <= 500) return held.get();
    if (taken >= least) continue;
    least = taken;
    best = held.get();
  }
  return spool_.is_full() ? best : old_key;
}

void Compactor::start() {
  if (spool_.clock.now() < retry_at_) return;
  Segment* victim = pick();
  if (victim == nullptr) return;
  victim_ = victim->number();
  ++victim->readers;
  live_.clear();
  records_.clear();
  lanes_left_.clear();
  for (const Run& run : victim->runs())
    if (run.live > 0) lanes_left_.push_back(run.info.lane);
  load_runs();
}

void Compactor::stop() {
  if (Segment* victim = spool_.index.segment(victim_)) --victim->readers;
  victim_ = 0;
  waits_for_ = 0;
  std::vector<Entry>().swap(live_);
  spool_.check_dead = true;
}

void Compactor::load_runs() {
  if (lanes_left_.empty()) {
    list_records();
    return;
  }
  const Lane lane = lanes_left_.back();
  lanes_left_.pop_back();
  spool_.pager.load(victim_, lane, [this](auto run) {
    if (!run) {
      log::error("spool: an index is damaged; its segment stays as it is",
                 {{"segment", victim_}, {"error", run.error().detail}});
      spool_.index.segment(victim_)->is_damaged = true;
      stop();
      return;
    }
    const Segment& victim = *spool_.index.segment(victim_);
    for (const Entry& entry : **run)
      if (spool_.index.is_live(victim, entry)) live_.push_back(entry);
    load_runs();
  });
}

void Compactor::list_records() {
  std::sort(live_.begin(), live_.end(), [](const Entry& a, const Entry& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.ordinal < b.ordinal;
  });
  for (const Entry& entry : live_) {
    if (records_.empty() || records_.back().offset != entry.offset)
      records_.push_back({entry.offset, entry.record_bytes, {}});
    records_.back().entries.push_back(entry);
  }
  std::vector<Entry>().swap(live_);
  for (const PartInfo& part : spool_.index.segment(victim_)->parts)
    if (spool_.bodies.lies_at(part.body_id, part.index, victim_, part.offset))
      records_.push_back({part.offset, part.record_bytes, {}});
  read_chunk();
}

std::uint64_t Compactor::need_of(const Record& record) {
  return record.bytes + RecordHeader::kSealSize +
         record.entries.size() * (kTargetGrowth + kEntryFooter);
}

void Compactor::read_chunk() {
  if (records_.empty()) {
    stop();
    spool_.give_up_dead();
    return;
  }
  std::vector<Record> chunk;
  const std::uint32_t bytes_max = std::min(kChunkBytes, spool_.journal.group_bytes_max() / 2);
  std::uint64_t bytes = 0;
  while (!records_.empty() && (chunk.empty() || bytes + need_of(records_.front()) <= bytes_max)) {
    bytes += need_of(records_.front());
    chunk.push_back(std::move(records_.front()));
    records_.pop_front();
  }
  const Segment& victim = *spool_.index.segment(victim_);
  spool_.threads.pool.post([alive = alive_, &loop = spool_.threads.loop, file = victim.file().file,
                            keys = victim.keys(), chunk = std::move(chunk)]() mutable {
    std::vector<std::pair<Record, Result<StoredRecord>>> read;
    for (Record& record : chunk) {
      const RecordType type = record.entries.empty() ? RecordType::part : RecordType::message;
      auto stored = read_record(*file, keys, record.offset, record.bytes, type);
      read.emplace_back(std::move(record), std::move(stored));
    }
    loop.post([alive, read = std::move(read)]() mutable {
      if (*alive != nullptr) (*alive)->on_chunk(std::move(read));
    });
  });
}

void Compactor::on_chunk(std::vector<std::pair<Record, Result<StoredRecord>>> chunk) {
  std::uint64_t bytes = 0;
  GroupIndex adds;
  std::set<Lane> lanes;
  std::uint16_t needs = 0;
  for (const auto& [record, stored] : chunk) {
    if (stored && stored->header.codec != Codec::none) needs = SegmentHeader::kCompressed;
    bytes += record.bytes + record.entries.size() * kTargetGrowth + kRecordGrowth;
    adds.entries += static_cast<std::uint32_t>(record.entries.size());
    adds.footer_bytes += record.entries.size() * kEntryFooter + 36;
    for (const Entry& entry : record.entries) lanes.insert(lane_of(entry));
  }
  adds.footer_bytes += lanes.size() * kRunFooter;
  if (auto room =
          spool_.journal.make_room(static_cast<std::uint32_t>(bytes), adds, Use::urgent, needs);
      !room) {
    retry_at_ = spool_.clock.now() + std::chrono::seconds(1);
    stop();
    return;
  }
  move_chunk(chunk);
}

// Copies and the settles of their old places are one group; the index follows at once.
void Compactor::move_chunk(std::vector<std::pair<Record, Result<StoredRecord>>>& chunk) {
  CompactionGroup group(spool_, victim_);
  for (auto& [record, stored] : chunk) {
    if (!stored) {
      group.lose(record.entries, {record.offset, record.offset + record.bytes}, stored.error());
      continue;
    }
    if (record.entries.empty())
      group.copy_part(*stored, record.offset);
    else
      group.copy_message(*stored, record.entries);
  }
  const auto commit = group.append();
  moved_bytes_ += group.bytes();
  if (!commit) {
    read_chunk();
    return;
  }
  waits_for_ = *commit;
  spool_.flush();
}

void Compactor::on_synced(Commit synced) {
  if (victim_ == 0 || waits_for_ == 0 || synced < waits_for_) return;
  waits_for_ = 0;
  read_chunk();
}

}  // namespace pannier::spool
