#include "sidecar/spool/time_index.h"

#include <algorithm>

namespace pannier::spool {

TimeIndex::TimeIndex(Index& index, Pager& pager, Executor& loop)
    : index_(index), pager_(pager), loop_(loop), alive_(std::make_shared<TimeIndex*>(this)) {}

TimeIndex::~TimeIndex() { *alive_ = nullptr; }

TimeKey TimeIndex::key_of(const Entry& entry, TimeColumn column) {
  return {column == TimeColumn::due ? entry.due : entry.expiry, entry.sequence};
}

bool TimeIndex::may_have(const Run& run, TimeColumn column) {
  if (run.live == 0) return false;
  if (column == TimeColumn::expiry) return run.info.first_expiry != 0;
  return run.info.first_due != 0 || run.changed_due;
}

bool TimeIndex::has_times(QueueId id, TimeColumn column) const {
  const QueueState* queue = index_.queue(id);
  if (queue == nullptr) return false;
  for (const auto& [priority, lane] : queue->lanes)
    for (const SegmentNumber number : lane.segments)
      if (const Run* run = index_.segment(number)->find({id, priority});
          run != nullptr && may_have(*run, column))
        return true;
  return false;
}

// The runs that may have such times and were not read yet.
template <typename Visit>
void TimeIndex::each_run(const Fetch& fetch, Visit&& visit) const {
  const QueueState* queue = index_.queue(fetch.queue);
  if (queue == nullptr) return;
  for (const auto& [priority, lane] : queue->lanes)
    for (const SegmentNumber number : lane.segments) {
      const RunName name{number, {fetch.queue, priority}};
      Run* run = index_.segment(number)->find(name.second);
      if (run == nullptr || !may_have(*run, fetch.column) || fetch.scanned.contains(name)) continue;
      visit(name, *run);
    }
}

void TimeIndex::fetch(QueueId queue, TimeColumn column, TimeKey after, std::size_t max,
                      OnTimed done) {
  auto fetch = std::make_shared<Fetch>();
  fetch->queue = queue;
  fetch->column = column;
  fetch->after = after;
  fetch->max = max;
  fetch->done = std::move(done);
  loop_.post([alive = alive_, fetch] {
    if (*alive == nullptr) return;
    (*alive)->fetches_.push_back(fetch);
    (*alive)->begin(fetch);
  });
}

void TimeIndex::begin(const Shared& fetch) {
  fetch->left.clear(), fetch->scanned.clear(), fetch->lowest.clear(), fetch->counted.clear();
  fetch->cut.reset();
  fetch->start_over = false;
  step(fetch);
}

void TimeIndex::plan(Fetch& fetch) const {
  each_run(fetch, [&](const RunName& name, const Run& run) {
    if (run.resident.empty()) fetch.left.push_back(name);
  });
  std::ranges::sort(fetch.left);
}

// One run at a time. When none is left, others may have been sealed in the meantime.
void TimeIndex::step(const Shared& fetch) {
  if (fetch->start_over) return begin(fetch);
  if (fetch->left.empty()) plan(*fetch);
  if (fetch->left.empty()) return finish(fetch);
  const RunName name = fetch->left.front();
  fetch->left.pop_front();
  pager_.load(name.first, name.second, [this, fetch, name](auto run) {
    if (!run) return answer(fetch, run.error());
    scan(*fetch, name, **run);
    step(fetch);
  });
}

void TimeIndex::scan(Fetch& fetch, RunName name, const Entries& entries) const {
  fetch.scanned.insert(name);
  const Segment* segment = index_.segment(name.first);
  if (segment == nullptr) return;  // given up while it was read: nothing was alive
  for (const Entry& entry : entries) {
    if (!index_.is_live(*segment, entry)) continue;
    const Entry now = segment->current(entry);
    const TimeKey key = key_of(now, fetch.column);
    if (key.time != 0 && key > fetch.after) note(fetch, now, true);
  }
}

void TimeIndex::note(Fetch& fetch, const Entry& now, bool matches) const {
  std::vector<std::uint64_t>& bits = fetch.counted[now.segment];
  const std::size_t word = now.ordinal / 64u;
  const std::uint64_t bit = std::uint64_t{1} << (now.ordinal % 64u);
  if (bits.size() <= word) bits.resize(word + 1);
  bits[word] = matches ? bits[word] | bit : bits[word] & ~bit;
  if (matches) keep(fetch, now);
}

// By the place that it was found at: not if it has moved since.
bool TimeIndex::is_live(const Entry& entry) const {
  const Segment* segment = index_.segment(entry.segment);
  return segment != nullptr && index_.is_live(*segment, entry);
}

// Sorting out now and then what is not among the lowest costs less than a heap. What has moved or
// is finished takes no place away from others.
void TimeIndex::keep(Fetch& fetch, const Entry& entry) const {
  const auto key = [&](const Entry& of) { return key_of(of, fetch.column); };
  if (fetch.cut && key(entry) >= *fetch.cut) return;
  fetch.lowest.push_back(entry);
  if (fetch.lowest.size() < fetch.max + fetch.max / 4 + kSlack) return;
  std::erase_if(fetch.lowest, [this](const Entry& kept) { return !is_live(kept); });
  if (fetch.lowest.size() <= fetch.max) return;
  const auto end = fetch.lowest.begin() + static_cast<std::ptrdiff_t>(fetch.max);
  std::ranges::nth_element(fetch.lowest, end, {}, key);
  fetch.cut = key(*end);
  fetch.lowest.erase(end, fetch.lowest.end());
}

void TimeIndex::finish(const Shared& fetch) {
  std::vector<RunName> resident;
  each_run(*fetch, [&](const RunName& name, const Run&) { resident.push_back(name); });
  for (const RunName& name : resident)
    scan(*fetch, name, index_.segment(name.first)->find(name.second)->resident);
  TimedEntries timed = gather(*fetch);
  // All that was kept is gone since: there are others.
  if (timed.entries.empty() && fetch->cut && timed.matching > 0 && fetch->max > 0)
    return begin(fetch);
  answer(fetch, std::move(timed));
}

TimedEntries TimeIndex::gather(Fetch& fetch) const {
  TimedEntries timed;
  if (index_.queue(fetch.queue) == nullptr) return timed;
  for (const auto& [number, bits] : fetch.counted)
    if (const Segment* segment = index_.segment(number))
      timed.matching += segment->count_unsettled(bits);
  const auto key = [&](const Entry& of) { return key_of(of, fetch.column); };
  for (const Entry& entry : fetch.lowest) {
    if (!is_live(entry)) continue;
    const Entry now = index_.segment(entry.segment)->current(entry);
    const bool is_whole = !fetch.cut || key(now) < *fetch.cut;
    if (key(now) == key(entry) && is_whole) timed.entries.push_back(now);
  }
  std::ranges::sort(timed.entries, {}, key);
  const auto same = [&](const Entry& a, const Entry& b) { return key(a) == key(b); };
  timed.entries.erase(std::unique(timed.entries.begin(), timed.entries.end(), same),
                      timed.entries.end());
  if (timed.entries.size() > fetch.max) timed.entries.resize(fetch.max);
  return timed;
}

void TimeIndex::answer(const Shared& fetch, Result<TimedEntries> result) {
  std::erase(fetches_, fetch);
  fetch->done(std::move(result));
}

void TimeIndex::on_change(const Entry& now) {
  for (const Shared& fetch : fetches_) {
    if (fetch->queue != now.queue || fetch->column != TimeColumn::due) continue;
    if (!fetch->scanned.contains({now.segment, lane_of(now)})) continue;
    if (!is_live(now)) continue;
    const TimeKey key = key_of(now, TimeColumn::due);
    note(*fetch, now, key.time != 0 && key > fetch->after);
  }
}

void TimeIndex::on_purge(QueueId queue) {
  for (const Shared& fetch : fetches_)
    if (fetch->queue == queue) fetch->start_over = true;
}

std::size_t TimeIndex::held() const {
  std::size_t held = 0;
  for (const Shared& fetch : fetches_) held += fetch->lowest.size();
  return held;
}

}  // namespace pannier::spool
