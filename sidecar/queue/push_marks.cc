#include "sidecar/queue/push_marks.h"

#include <algorithm>
#include <iterator>

#include "common/log.h"
#include "sidecar/queue/definition.h"

namespace pannier::queue {
namespace {

using spool::Sequence;

constexpr std::size_t kRangeSize = 16;
constexpr std::size_t kKeySize = 24;
constexpr std::size_t kMarksPerGroup = 16;  // half a MiB, should each of them be at its limit

// queue u32 | spool 16 | number u32
Bytes key_of(const PushSource& source) {
  Bytes key;
  ByteWriter out(key);
  out.le(source.queue);
  out.bytes(source.spool);
  out.le(source.number);
  return key;
}

std::optional<PushSource> source_from(ByteView key) {
  if (key.size() != kKeySize) return {};
  ByteReader in(key);
  PushSource source;
  source.queue = in.le<spool::QueueId>();
  std::ranges::copy(in.bytes(source.spool.size()), source.spool.begin());
  source.number = in.le<std::uint32_t>();
  return source;
}

}  // namespace

// The first range that ends there or later.
std::vector<SequenceRanges::Range>::iterator SequenceRanges::at_or_after(Sequence sequence) {
  return std::ranges::lower_bound(ranges_, sequence, {}, &Range::last);
}

bool SequenceRanges::contains(Sequence sequence) const {
  const auto at = const_cast<SequenceRanges*>(this)->at_or_after(sequence);
  return at != ranges_.end() && at->first <= sequence;
}

bool SequenceRanges::insert(Sequence sequence) {
  const auto next = at_or_after(sequence);
  if (next != ranges_.end() && next->first <= sequence) return false;
  const bool touches_next = next != ranges_.end() && next->first - 1 == sequence;
  const bool touches_last = next != ranges_.begin() && std::prev(next)->last + 1 == sequence;
  if (touches_last && touches_next) {
    std::prev(next)->last = next->last;
    ranges_.erase(next);
  } else if (touches_last) {
    std::prev(next)->last = sequence;
  } else if (touches_next) {
    next->first = sequence;
  } else {
    ranges_.insert(next, {sequence, sequence});
  }
  return true;
}

bool SequenceRanges::erase(Sequence sequence) {
  const auto at = at_or_after(sequence);
  if (at == ranges_.end() || at->first > sequence) return false;
  const Range was = *at;
  if (was.first == was.last) {
    ranges_.erase(at);
  } else if (sequence == was.first) {
    ++at->first;
  } else if (sequence == was.last) {
    --at->last;
  } else {
    at->first = sequence + 1;
    ranges_.insert(at, {was.first, sequence - 1});
  }
  return true;
}

bool SequenceRanges::erase_below(Sequence floor) {
  const auto first_left = at_or_after(floor);
  bool is_changed = first_left != ranges_.begin();
  if (first_left != ranges_.end() && first_left->first < floor) {
    first_left->first = floor;
    is_changed = true;
  }
  ranges_.erase(ranges_.begin(), first_left);
  return is_changed;
}

Bytes SequenceRanges::encode() const {
  Bytes bytes;
  bytes.reserve(ranges_.size() * kRangeSize);
  ByteWriter out(bytes);
  for (const Range& range : ranges_) {
    out.le(range.first);
    out.le(range.last);
  }
  return bytes;
}

Result<SequenceRanges> SequenceRanges::decode(ByteView value) {
  const Error malformed{Errc::corrupt, "a mark of pushes is malformed"};
  if (value.size() % kRangeSize != 0) return malformed;
  SequenceRanges decoded;
  ByteReader in(value);
  Sequence last = 0;
  while (in.left() > 0) {
    Range range;
    range.first = in.le<Sequence>();
    range.last = in.le<Sequence>();
    const bool is_apart = decoded.ranges_.empty() ? range.first > 0 : range.first - 1 > last;
    if (!is_apart || range.first == 0 || range.last < range.first) return malformed;
    last = range.last;
    decoded.ranges_.push_back(range);
  }
  return decoded;
}

bool PushMarks::Growth::add(Sequence sequence) {
  if (!ranges_.insert(sequence)) return true;
  if (ranges_.size() <= ranges_max_) return true;
  ranges_.erase(sequence);
  return false;
}

PushMarks::PushMarks(spool::Spool& spool, const Clock& clock, const PushMarkLimits& limits)
    : spool_(spool), clock_(clock), limits_(limits) {}

// A mark of a queue that is gone may be left behind by a release that knows no marks.
void PushMarks::recover() {
  std::set<spool::QueueId> queues;
  spool_.for_each_queue([&queues](spool::QueueId id, ByteView) { queues.insert(id); });
  spool_.for_each_state(kPushMarkState, [this, &queues](ByteView key, ByteView value) {
    const auto source = source_from(key);
    auto ranges = SequenceRanges::decode(value);
    if (!source || !ranges) {
      log::error("a mark of pushes in the journal cannot be read",
                 {{"error", ranges ? "its key is malformed" : ranges.error().detail}});
      return;
    }
    Mark& mark = marks_[*source];
    if (queues.contains(source->queue)) mark.ranges = std::move(*ranges);
    ranges_ += mark.ranges.size();
    if (mark.ranges.empty()) shrunk_.insert(*source);
  });
  if (!shrunk_.empty()) journal_at_ = clock_.now() + kMarkDelay;
}

bool PushMarks::holds(const PushSource& source, Sequence sequence) const {
  const auto found = marks_.find(source);
  return found != marks_.end() && found->second.ranges.contains(sequence);
}

spool::Commit PushMarks::commit_of(const PushSource& source) const {
  const auto found = marks_.find(source);
  return found == marks_.end() ? 0 : found->second.commit;
}

PushMarks::Growth PushMarks::grow(const PushSource& source) const {
  Growth growth;
  growth.source_ = source;
  growth.ranges_max_ = limits_.ranges_per_mark;
  if (const auto found = marks_.find(source); found != marks_.end())
    growth.ranges_ = found->second.ranges;
  return growth;
}

// With those that give way to it.
void PushMarks::put(spool::Group& group, Growth& growth) const {
  group.put(kPushMarkState, key_of(growth.source_), growth.ranges_.encode());
  const auto own = marks_.find(growth.source_);
  std::size_t marks = marks_.size() + (own == marks_.end() ? 1 : 0);
  std::size_t ranges = ranges_ + growth.ranges_.size();
  if (own != marks_.end()) ranges -= own->second.ranges.size();
  if (marks <= limits_.marks && ranges <= limits_.ranges) return;
  std::vector<Marks::const_iterator> others;
  for (auto at = marks_.begin(); at != marks_.end(); ++at)
    if (at != own) others.push_back(at);
  std::ranges::sort(others, {}, [](const auto& at) { return at->second.touched; });
  for (const auto& other : others) {
    if (marks <= limits_.marks && ranges <= limits_.ranges) return;
    --marks;
    ranges -= other->second.ranges.size();
    growth.evicted_.push_back(other->first);
    group.erase(kPushMarkState, key_of(other->first));
  }
}

void PushMarks::apply(Growth growth, spool::Commit commit) {
  for (const PushSource& evicted : growth.evicted_) {
    log::warn("what an agent has pushed is not remembered any more: there are too many of them",
              {{"queue_id", evicted.queue}, {"spool", to_text(evicted.spool)}});
    forget_mark(evicted);
  }
  Mark& mark = marks_[growth.source_];
  ranges_ += growth.ranges_.size() - mark.ranges.size();
  mark.ranges = std::move(growth.ranges_);
  mark.commit = commit;
  mark.touched = ++last_touch_;
  shrunk_.erase(growth.source_);
}

void PushMarks::forget_mark(const PushSource& source) {
  const auto found = marks_.find(source);
  ranges_ -= found->second.ranges.size();
  shrunk_.erase(source);
  marks_.erase(found);
}

template <typename Change>
void PushMarks::shrink(const PushSource& source, Change&& change) {
  const auto found = marks_.find(source);
  if (found == marks_.end()) return;
  Mark& mark = found->second;
  const std::size_t before = mark.ranges.size();
  const bool is_changed = change(mark.ranges);
  ranges_ += mark.ranges.size() - before;
  mark.touched = ++last_touch_;
  if (!is_changed) return;
  shrunk_.insert(source);
  if (!journal_at_) journal_at_ = clock_.now() + kMarkDelay;
}

void PushMarks::forget(const PushSource& source, std::span<const Sequence> sequences) {
  shrink(source, [&](SequenceRanges& ranges) {
    bool is_changed = false;
    for (const Sequence sequence : sequences) is_changed = ranges.erase(sequence) || is_changed;
    return is_changed;
  });
}

void PushMarks::forget_below(const PushSource& source, Sequence floor) {
  shrink(source, [floor](SequenceRanges& ranges) { return ranges.erase_below(floor); });
}

std::pair<PushMarks::Marks::const_iterator, PushMarks::Marks::const_iterator> PushMarks::of_queue(
    spool::QueueId queue) const {
  const auto begin = marks_.lower_bound(PushSource{queue, {}, 0});
  auto end = begin;
  while (end != marks_.end() && end->first.queue == queue) ++end;
  return {begin, end};
}

void PushMarks::put_drop(spool::Group& group, spool::QueueId queue) const {
  const auto [begin, end] = of_queue(queue);
  for (auto at = begin; at != end; ++at) group.erase(kPushMarkState, key_of(at->first));
}

void PushMarks::drop(spool::QueueId queue) {
  std::vector<PushSource> sources;
  const auto [begin, end] = of_queue(queue);
  for (auto at = begin; at != end; ++at) sources.push_back(at->first);
  for (const PushSource& source : sources) forget_mark(source);
}

// What the spool cannot note now is tried again; a mark that has no room in a group stays as it is
// there: it says more than it has to.
void PushMarks::on_time(Clock::time_point now) {
  if (!journal_at_ || *journal_at_ > now) return;
  journal_at_.reset();
  std::size_t most = kMarksPerGroup;
  while (!shrunk_.empty()) {
    spool::Group group;
    std::vector<PushSource> written;
    for (auto at = shrunk_.begin(); at != shrunk_.end() && written.size() < most; ++at) {
      const SequenceRanges& ranges = marks_.find(*at)->second.ranges;
      if (ranges.empty())
        group.erase(kPushMarkState, key_of(*at));
      else
        group.put(kPushMarkState, key_of(*at), ranges.encode());
      written.push_back(*at);
    }
    const auto commit = spool_.append(group);
    const bool is_too_large = !commit && commit.error().code == Errc::too_large;
    if (is_too_large && written.size() > 1) {
      most = 1;
      continue;
    }
    if (!commit && !is_too_large) {
      journal_at_ = now + kMarkDelay;
      return;
    }
    for (const PushSource& source : written) {
      shrunk_.erase(source);
      if (marks_.find(source)->second.ranges.empty()) forget_mark(source);
    }
  }
}

}  // namespace pannier::queue
