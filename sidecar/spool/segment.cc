#include "sidecar/spool/segment.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace pannier::spool {
namespace {

std::uint64_t key_of(Lane lane) { return std::uint64_t{lane.queue} << 8 | lane.priority; }

Milliseconds earlier(Milliseconds a, Milliseconds b) {
  if (a == 0 || b == 0) return a + b;
  return std::min(a, b);
}

}  // namespace

const std::vector<Entry>& Run::ordered() {
  if (!in_order)
    std::sort(resident.begin(), resident.end(),
              [](const Entry& a, const Entry& b) { return a.sequence < b.sequence; });
  in_order = true;
  return resident;
}

Segment::Segment(const SegmentHeader& header, SegmentFile file,
                 std::shared_ptr<const SegmentKey> key)
    : header_(header),
      file_(std::move(file)),
      keys_(checksum_seed(header.number, header.salt), std::move(key)) {}

Run& Segment::run_for(Lane lane) {
  const auto [at, is_new] =
      run_at_.try_emplace(key_of(lane), static_cast<std::uint32_t>(runs_.size()));
  if (is_new) {
    runs_.emplace_back().info.lane = lane;
    index_bytes_ += kRunIndexSizeMax;
  }
  return runs_[at->second];
}

void Segment::add(const Entry& entry) {
  assert(entry.ordinal >= entries);
  entries = entry.ordinal + 1u;
  Run& run = run_for(lane_of(entry));
  RunInfo& info = run.info;
  info.first = info.count == 0 ? entry.sequence : std::min(info.first, entry.sequence);
  info.last = std::max(info.last, entry.sequence);
  info.first_published = earlier(info.first_published, entry.published);
  info.first_due = earlier(info.first_due, entry.due);
  info.first_expiry = earlier(info.first_expiry, entry.expiry);
  info.transient = info.transient || entry.transient;
  info.share_bytes += entry.share_bytes;
  info.message_bytes += entry.message_bytes;
  ++info.count;
  ++run.live;
  run.live_share_bytes += entry.share_bytes;
  run.live_message_bytes += entry.message_bytes;
  run.in_order = run.in_order && (run.resident.empty() || info.last == entry.sequence);
  run.resident.push_back(entry);
  ++live_entries_;
  live_share_bytes_ += entry.share_bytes;
  index_bytes_ += run_bytes_max(entry);
}

void Segment::add_sealed(const RunInfo& info) {
  Run& run = runs_.emplace_back();
  run.info = info;
  run.live = info.count;
  run.live_share_bytes = info.share_bytes;
  run.live_message_bytes = info.message_bytes;
  live_entries_ += info.count;
  live_share_bytes_ += info.share_bytes;
}

bool Segment::is_settled(Ordinal ordinal) const {
  const std::size_t word = ordinal / 64u;
  return word < settled_.size() && (settled_[word] >> (ordinal % 64u) & 1) != 0;
}

void Segment::mark_settled(OrdinalRange range) {
  if (settled_.size() <= range.last / 64u) settled_.resize(range.last / 64u + 1);
  for (unsigned at = range.first; at <= range.last; ++at) {
    const std::uint64_t bit = std::uint64_t{1} << (at % 64);
    if ((settled_[at / 64] & bit) == 0) ++settled_count_;
    settled_[at / 64] |= bit;
    changes_.erase(static_cast<Ordinal>(at));
  }
}

bool Segment::settle(const Entry& entry) {
  if (is_settled(entry.ordinal)) return false;
  mark_settled({entry.ordinal, entry.ordinal});
  Run* run = find(lane_of(entry));
  assert(run != nullptr);
  if (run->live == 0) return true;  // purged before
  --run->live;
  run->live_share_bytes -= entry.share_bytes;
  run->live_message_bytes -= entry.message_bytes;
  --live_entries_;
  live_share_bytes_ -= entry.share_bytes;
  return true;
}

void Segment::change_to(const Entry& now) {
  if (is_settled(now.ordinal)) return;
  changes_.put(change_of(now));
  if (Run* run = find(lane_of(now)); run != nullptr && now.due != 0) run->changed_due = true;
}

std::uint64_t Segment::count_unsettled(const std::vector<std::uint64_t>& of) const {
  std::uint64_t count = 0;
  for (std::size_t word = 0; word < of.size(); ++word)
    count += static_cast<std::uint64_t>(
        std::popcount(of[word] & ~(word < settled_.size() ? settled_[word] : 0)));
  return count;
}

Entry Segment::current(Entry entry) const {
  if (const auto change = changed(entry.ordinal)) apply_change(*change, entry);
  return entry;
}

Run* Segment::find(Lane lane) {
  if (!run_at_.empty()) {
    const auto found = run_at_.find(key_of(lane));
    return found == run_at_.end() ? nullptr : &runs_[found->second];
  }
  const auto at = std::lower_bound(runs_.begin(), runs_.end(), lane,
                                   [](const Run& run, Lane key) { return run.info.lane < key; });
  return at == runs_.end() || at->info.lane != lane ? nullptr : &*at;
}

void Segment::drop(Run& run, std::uint32_t kept, std::uint64_t kept_share,
                   std::uint64_t kept_message) {
  live_entries_ -= run.live - kept;
  live_share_bytes_ -= run.live_share_bytes - kept_share;
  run.live = kept;
  run.live_share_bytes = kept_share;
  run.live_message_bytes = kept_message;
}

void Segment::note_settles(const SettleTarget& target) {
  const auto [at, is_new] = settles.try_emplace(target.segment);
  if (is_new) {
    at->second.segment = target.segment;
    settles_of.push_back(target.segment);
    index_bytes_ += 16;
  }
  std::vector<OrdinalRange>& ranges = at->second.settled;
  for (const OrdinalRange& range : target.settled) {
    if (!ranges.empty() && range.first == ranges.back().last + 1u) {
      ranges.back().last = range.last;
      continue;
    }
    ranges.push_back(range);
    index_bytes_ += 4;
  }
  for (const Change& change : target.changed) {
    at->second.changed.push_back(change);  // the last of an ordinal counts
    index_bytes_ += 16;
  }
}

void Segment::note_state(const StateItem& item) {
  index_bytes_ += item.encoded_size();
  if (item.kind == StateKind::snapshot && item.key.size() == sizeof(SegmentNumber))
    settles.erase(load_le<std::uint64_t>(item.key.data()));  // the snapshot says all of it
  states.insert_or_assign({item.kind, std::string(as_text(item.key))}, item);
}

std::uint64_t Segment::footer_bytes() const {
  constexpr std::uint64_t kSections =
      5 * 8 + RecordHeader::kSize + kRecordAlignment + RecordHeader::kSealSize;
  return index_bytes_ + parts.size() * 20 + bodies.size() * 16 + kSections + 2 * kPageSize;
}

SettleTarget Segment::snapshot() const {
  SettleTarget target{number(), {}, {}};
  for (std::uint32_t at = 0; at < entries; ++at) {
    const auto ordinal = static_cast<Ordinal>(at);
    if (!is_settled(ordinal)) continue;
    if (!target.settled.empty() && target.settled.back().last + 1u == at)
      target.settled.back().last = ordinal;
    else
      target.settled.push_back({ordinal, ordinal});
  }
  changes_.for_each([&](const Change& change) { target.changed.push_back(change); });
  return target;
}

void Segment::sort_runs() {
  std::sort(runs_.begin(), runs_.end(),
            [](const Run& a, const Run& b) { return a.info.lane < b.info.lane; });
  run_at_.clear();
  for (Run& run : runs_) run.ordered();
}

void Segment::become_sealed() {
  state = State::sealed;
  settles.clear();
  states.clear();
  parts.shrink_to_fit();
  for (Run& run : runs_) std::vector<Entry>().swap(run.resident);
  runs_.shrink_to_fit();
}

}  // namespace pannier::spool
