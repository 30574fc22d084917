#include "sidecar/spool/pager.h"

#include <algorithm>
#include <queue>

namespace pannier::spool {
namespace {

std::uint64_t bytes_of(const Entries& entries) { return entries.size() * sizeof(Entry) + 128; }

auto first_above(const Entries& entries, Sequence after) {
  return std::upper_bound(entries.begin(), entries.end(), after,
                          [](Sequence key, const Entry& entry) { return key < entry.sequence; });
}

}  // namespace

Pager::Pager(Index& index, Executor& loop, Executor& pool, std::uint64_t cache_bytes_max,
             OnDamage on_damage)
    : index_(index),
      loop_(loop),
      pool_(pool),
      cache_bytes_max_(cache_bytes_max),
      on_damage_(std::move(on_damage)),
      alive_(std::make_shared<Pager*>(this)) {}

Pager::~Pager() { *alive_ = nullptr; }

void Pager::fetch(Lane lane, Sequence after, std::size_t max, OnEntries done) {
  auto fetch = std::make_shared<Fetch>(Fetch{lane, after, max, std::move(done), {}});
  loop_.post([alive = alive_, fetch] {
    if (*alive != nullptr) (*alive)->step(fetch);
  });
}

// Merges what is in memory; where a run is not, reads it and merges anew.
void Pager::step(std::shared_ptr<Fetch> fetch) {
  Entries found;
  const auto missing = merge(*fetch, found);
  if (!missing) {
    fetch->done(std::move(found));
    return;
  }
  load(*missing, fetch->lane, [this, fetch, number = *missing](auto run) {
    if (!run) {
      fetch->done(run.error());
      return;
    }
    fetch->held[number] = std::move(*run);
    step(fetch);
  });
}

const Entries* Pager::resident(Fetch& fetch, SegmentNumber number) {
  Run* run = index_.segment(number)->find(fetch.lane);
  if (run != nullptr && !run->resident.empty()) return &run->ordered();
  if (const auto held = fetch.held.find(number); held != fetch.held.end())
    return held->second.get();
  const auto cached = cache_.find({number, fetch.lane});
  if (cached == cache_.end()) return nullptr;
  by_age_.splice(by_age_.end(), by_age_, cached->second.age);
  fetch.held[number] = cached->second.entries;
  return cached->second.entries.get();
}

// Lowest sequences first over all runs. A run takes part once the merge has come to where it may
// begin; only then must it be in memory. Returns the segment whose run is needed and is not there.
std::optional<SegmentNumber> Pager::merge(Fetch& fetch, Entries& found) {
  const QueueState* queue = index_.queue(fetch.lane.queue);
  if (queue == nullptr) return {};
  const auto lane = queue->lanes.find(fetch.lane.priority);
  if (lane == queue->lanes.end()) return {};
  struct Head {
    Sequence from = 0;  // no live entry of the run between `after` and here
    SegmentNumber segment = 0;
    bool exact = false;
    bool operator>(const Head& other) const { return from > other.from; }
  };
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  for (const SegmentNumber number : lane->second.segments) {
    const Run* run = index_.segment(number)->find(fetch.lane);
    if (run != nullptr && run->live > 0 && run->info.last > fetch.after)
      heads.push({std::max(run->info.first, fetch.after + 1), number, false});
  }
  Sequence after = fetch.after;
  while (!heads.empty() && found.size() < fetch.max) {
    const Head head = heads.top();
    heads.pop();
    const Entries* entries = resident(fetch, head.segment);
    if (entries == nullptr) return head.segment;
    const Segment& segment = *index_.segment(head.segment);
    const Sequence until = heads.empty() ? ~Sequence{0} : heads.top().from;
    for (auto at = first_above(*entries, after); at != entries->end(); ++at) {
      if (!index_.is_live(segment, *at)) continue;
      if (at->sequence > until || found.size() == fetch.max) {
        heads.push({at->sequence, head.segment, true});
        break;
      }
      found.push_back(segment.current(*at));
      after = at->sequence;
    }
  }
  return {};
}

void Pager::load(SegmentNumber number, Lane lane, OnRun done) {
  Segment* segment = index_.segment(number);
  const Run* run = segment == nullptr ? nullptr : segment->find(lane);
  if (run == nullptr) {
    loop_.post([alive = alive_, done = std::move(done)] {
      if (*alive != nullptr) done(std::make_shared<const Entries>());
    });
    return;
  }
  if (const auto cached = cache_.find({number, lane}); cached != cache_.end()) {
    by_age_.splice(by_age_.end(), by_age_, cached->second.age);
    loop_.post([alive = alive_, entries = cached->second.entries, done = std::move(done)] {
      if (*alive != nullptr) done(entries);
    });
    return;
  }
  ++segment->readers;
  pool_.post([alive = alive_, &loop = loop_, file = segment->file().file,
              sealed = SealedPart{segment->header(), segment->data_end, segment->keys().key},
              info = run->info, number, done = std::move(done)]() mutable {
    auto loaded = load_run(*file, sealed, info);
    loop.post([alive, number, info, loaded = std::move(loaded), done = std::move(done)]() mutable {
      if (*alive != nullptr) (*alive)->on_loaded(number, info, std::move(loaded), done);
    });
  });
}

void Pager::on_loaded(SegmentNumber number, const RunInfo& info, Result<LoadedRun> loaded,
                      const OnRun& done) {
  Segment* segment = index_.segment(number);
  if (segment != nullptr) --segment->readers;
  if (!loaded) {
    done(loaded.error());
    return;
  }
  if (loaded->damage && segment != nullptr) {
    on_damage_(number, {info.offset, info.offset + info.record_bytes}, *loaded->damage);
    Run* run = segment->find(info.lane);
    if (run != nullptr && loaded->entries.size() < info.count)
      index_.recount(*segment, *run, loaded->entries);
  }
  auto entries = std::make_shared<const Entries>(std::move(loaded->entries));
  keep({number, info.lane}, entries);
  done(std::move(entries));
}

void Pager::keep(const Key& key, std::shared_ptr<const Entries> entries) {
  if (cache_.contains(key)) return;
  cached_bytes_ += bytes_of(*entries);
  by_age_.push_back(key);
  cache_[key] = {std::move(entries), std::prev(by_age_.end())};
  while (cached_bytes_ > cache_bytes_max_ && by_age_.size() > 1) {
    const auto oldest = cache_.find(by_age_.front());
    cached_bytes_ -= bytes_of(*oldest->second.entries);
    cache_.erase(oldest);
    by_age_.pop_front();
  }
}

void Pager::forget(SegmentNumber segment) {
  for (auto at = cache_.lower_bound({segment, Lane{}});
       at != cache_.end() && at->first.first == segment;) {
    cached_bytes_ -= bytes_of(*at->second.entries);
    by_age_.erase(at->second.age);
    at = cache_.erase(at);
  }
}

}  // namespace pannier::spool
