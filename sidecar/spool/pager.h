// Pager: brings entries of sealed segments back into memory, one run at a time, through one cache
// with a limit on bytes.
//
// Owned by Spool; loop thread; reads on the pool. A segment with a read in flight is not given up
// (Segment::readers). A run whose record is damaged is made anew from the segment's messages; what
// is missing then is lost, and taken off the counts.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>

#include "common/executor.h"
#include "sidecar/spool/index.h"
#include "sidecar/spool/run_reader.h"
#include "sidecar/spool/scanner.h"

namespace pannier::spool {

using Entries = std::vector<Entry>;

class Pager {
 public:
  using OnRun = std::function<void(Result<std::shared_ptr<const Entries>>)>;
  using OnEntries = std::function<void(Result<Entries>)>;

  // These bytes of a segment are damaged.
  using OnDamage = std::function<void(SegmentNumber, Stretch, const Error&)>;

  Pager(Index& index, Executor& loop, Executor& pool, std::uint64_t cache_bytes_max,
        OnDamage on_damage);
  ~Pager();

  // The live entries of the lane with a sequence above `after`, lowest first, as they stand now; at
  // most `max`, fewer only when there are no more. Calls back later, never from within.
  void fetch(Lane lane, Sequence after, std::size_t max, OnEntries done);
  // All entries of a run of a sealed segment, live or not, as they were published. Calls back
  // later.
  void load(SegmentNumber segment, Lane lane, OnRun done);
  void forget(SegmentNumber segment);

  std::uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  using Key = std::pair<SegmentNumber, Lane>;
  struct Cached {
    std::shared_ptr<const Entries> entries;
    std::list<Key>::iterator age;
  };
  struct Missing {
    SegmentNumber segment = 0;
  };
  struct Fetch {
    Lane lane;
    Sequence after = 0;
    std::size_t max = 0;
    OnEntries done;
    // Runs read for this fetch stay with it, so that a small cache cannot make it start over for
    // ever.
    std::map<SegmentNumber, std::shared_ptr<const Entries>> held;
  };
  void step(std::shared_ptr<Fetch> fetch);
  std::optional<SegmentNumber> merge(Fetch& fetch, Entries& found);
  const Entries* resident(Fetch& fetch, SegmentNumber number);
  void on_loaded(SegmentNumber number, const RunInfo& info, Result<LoadedRun> loaded,
                 const OnRun& done);
  void keep(const Key& key, std::shared_ptr<const Entries> entries);

  Index& index_;
  Executor& loop_;
  Executor& pool_;
  std::uint64_t cache_bytes_max_;
  OnDamage on_damage_;
  std::uint64_t cached_bytes_ = 0;
  std::map<Key, Cached> cache_;
  std::list<Key> by_age_;  // oldest first
  std::shared_ptr<Pager*> alive_;
};

}  // namespace pannier::spool
