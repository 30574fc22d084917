#include <algorithm>
#include <utility>

#include "common/log.h"
#include "sidecar/spool/found_segments.h"

namespace pannier::spool {
namespace {

std::string place_of(Stretch bytes) {
  return "bytes " + std::to_string(bytes.begin) + " to " + std::to_string(bytes.end);
}

// Takes the records of one scanned segment, group by group.
//
// Groups of which a part is damaged were confirmed: their messages and states are kept. What they
// settle is not taken: the other half of the group may be what is missing, and twice is better than
// never. A group that the tail broke off in was not confirmed, and nothing of it is kept.
class Replay {
 public:
  explicit Replay(FoundSegment& segment) : segment_(segment) {}

  Result<void> run() {
    auto done = replay(
        *segment_.file.file, segment_.header, segment_.known_end, segment_.cut,
        [this](const Scanned& found) { visit(found); }, segment_.key);
    if (!done) return done;
    if (!group_.empty() && segment_.is_cut)
      segment_.cut = whole_until_;
    else if (!group_.empty())
      take_group(true);
    if (segment_.trailer) expect_ordinal(segment_.trailer->entries, segment_.cut);
    return {};
  }

 private:
  void visit(const Scanned& found) {
    if (found.after_gap && !group_.empty()) take_group(true);
    if (group_.empty()) is_broken_ = !found.starts_group;
    StoredRecord kept = found.record;
    if (kept.header.type == RecordType::message || kept.header.type == RecordType::part)
      kept.payload = Slice::copy_of(found.record.meta());  // not the body
    group_.emplace_back(std::move(kept), found.at);
    if ((found.record.header.flags & RecordHeader::kGroupGoesOn) != 0) return;
    take_group(is_broken_);
    whole_until_ = found.at + found.record.header.bytes_on_disk();
  }

  void take_group(bool is_broken) {
    for (const auto& [record, at] : std::exchange(group_, {})) {
      expect_ordinal(record.header.first_ordinal, at);
      if (record.header.type == RecordType::message) take_message(record, at);
      if (record.header.type == RecordType::part) take_part(record, at);
      if (record.header.type == RecordType::settle && !is_broken) take_settles(record, at);
      if (record.header.type == RecordType::settle && is_broken)
        segment_.losses.push_back(
            "the settles at byte " + std::to_string(at) +
            " may be of a group that is not whole: those messages come again");
      if (record.header.type == RecordType::state) take_states(record, at);
    }
  }

  // Ordinals that no record has belong to messages that are gone.
  void expect_ordinal(std::uint32_t ordinal, Offset at) {
    if (ordinal <= segment_.next_ordinal || ordinal > kEntriesPerSegmentMax) return;
    const std::uint32_t missing = ordinal - segment_.next_ordinal;
    segment_.lost_entries += missing;
    segment_.losses.push_back(std::to_string(missing) + " messages before byte " +
                              std::to_string(at));
    segment_.next_ordinal = ordinal;
  }

  void take_message(const StoredRecord& record, Offset at) {
    auto meta = MessageMeta::decode(record.meta());
    const std::uint32_t first = record.header.first_ordinal;
    if (!meta || first < segment_.next_ordinal ||
        first + meta->targets.size() > kEntriesPerSegmentMax) {
      segment_.losses.push_back("the message at byte " + std::to_string(at) + " has no meaning");
      return;
    }
    const auto count = static_cast<std::uint32_t>(meta->targets.size());
    segment_.next_ordinal = first + count;
    std::uint32_t ordinal = first;
    for (const Target& target : meta->targets)
      segment_.entries.push_back(entry_of(target, *meta, segment_.header.number, at,
                                          record.header.bytes_on_disk(),
                                          static_cast<Ordinal>(ordinal++)));
    if (meta->parts > 0)
      segment_.bodies.push_back({meta->body_id, meta->parts, static_cast<Ordinal>(first),
                                 static_cast<std::uint16_t>(count)});
  }

  void take_part(const StoredRecord& record, Offset at) {
    if (auto part = PartMeta::decode(record.meta()))
      segment_.parts.push_back({part->body_id, part->index, at, record.header.bytes_on_disk()});
    else
      segment_.losses.push_back("the part at byte " + std::to_string(at) + " has no meaning");
  }

  void take_settles(const StoredRecord& record, Offset at) {
    auto targets = decode_settles(record.meta());
    if (!targets) {
      segment_.losses.push_back("the settles at byte " + std::to_string(at) + " have no meaning");
      return;
    }
    for (const SettleTarget& target : *targets) {
      SettleTarget& into = segment_.settles[target.segment];
      into.segment = target.segment;
      into.settled.insert(into.settled.end(), target.settled.begin(), target.settled.end());
      into.changed.insert(into.changed.end(), target.changed.begin(), target.changed.end());
    }
  }

  void take_states(const StoredRecord& record, Offset at) {
    ByteReader in(record.meta());
    while (in.left() > 0) {
      auto item = StateItem::decode(in);
      if (!item) {
        segment_.losses.push_back("the values at byte " + std::to_string(at) + " have no meaning");
        return;
      }
      if (item->kind == StateKind::snapshot && item->key.size() == sizeof(SegmentNumber))
        segment_.settles.erase(load_le<std::uint64_t>(item->key.data()));
      segment_.states.push_back(std::move(*item));
    }
  }

  FoundSegment& segment_;
  std::vector<std::pair<StoredRecord, Offset>> group_;
  bool is_broken_ = false;
  Offset whole_until_ = kPageSize;
};

class Scan {
 public:
  explicit Scan(FoundFiles& found) : found_(found) {}

  Result<void> run() {
    find_known_ends();
    for (auto& [number, segment] : found_.segments) {
      if (segment.core || !segment.locked.empty()) continue;
      auto surveyed = survey(*segment.file.file, segment.header, segment.known_end, segment.key);
      if (!surveyed) return surveyed.error();
      segment.is_scanned = true;
      segment.survey_end = segment.cut = surveyed->data_end;
      // What an earlier recovery cut off, and had not yet wiped.
      if (segment.known_end > 0) segment.cut = std::min(segment.cut, segment.known_end);
      synced_ = std::max(synced_, surveyed->synced);
      gaps_[number] = std::move(surveyed->gaps);
    }
    for (auto& [number, gaps] : gaps_) judge(found_.segments.at(number), gaps);
    for (auto& [number, segment] : found_.segments)
      if (segment.is_scanned)
        if (auto done = Replay(segment).run(); !done) return done;
    return {};
  }

 private:
  // Where synced data of a segment ends says its trailer, or the first batch of a later one.
  void find_known_ends() {
    const auto note = [this](Position end) {
      synced_ = std::max(synced_, end);
      const auto named = found_.segments.find(end.segment);
      if (named == found_.segments.end() || end.offset % kPageSize != 0) return;
      named->second.known_end = std::max(named->second.known_end, end.offset);
    };
    for (const auto& [number, segment] : found_.segments) {
      if (segment.trailer) note({number, segment.trailer->data_end});
      note(segment.first_synced);
    }
  }

  // A gap below the highest synced position is damage. The first one at or above it is where the
  // tail broke off: nothing behind it was ever confirmed.
  void judge(FoundSegment& segment, const std::vector<Stretch>& gaps) {
    const SegmentNumber number = segment.header.number;
    if (is_cut_) {
      segment.cut_bytes = segment.survey_end - kPageSize;
      segment.cut = kPageSize;
      segment.is_cut = true;
      return;
    }
    for (const Stretch& gap : gaps) {
      if (Position{number, gap.begin} < synced_) {
        segment.damage.push_back(gap);
        segment.losses.push_back(place_of(gap) + " were synced and are damaged");
        continue;
      }
      segment.cut = gap.begin;
      segment.is_cut = is_cut_ = true;
      segment.cut_bytes = segment.survey_end - gap.begin;
      return;
    }
  }

  FoundFiles& found_;
  Position synced_;
  std::map<SegmentNumber, std::vector<Stretch>> gaps_;
  bool is_cut_ = false;
};

}  // namespace

Result<void> scan_segments(FoundFiles& found) { return Scan(found).run(); }

}  // namespace pannier::spool
