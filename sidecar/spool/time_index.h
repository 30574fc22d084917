// TimeIndex: the entries of a queue by the time at which they are due or expire, over all of its
// lanes: what a queue refills its delayed and its expiring messages from.
//
// There is no such order on disk. A fetch reads every run that has such times, one at a time, and
// keeps only the lowest: memory is a little more than `max` entries, and a bit an entry for what
// was counted. Sealed runs come first and those in memory last, in one go, so that what moves
// meanwhile (compaction writes behind everything) is seen at its new place; what is settled, purged
// or changed meanwhile is put right at the end. Owned by Spool; loop thread; reads on the pool.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "sidecar/spool/pager.h"

namespace pannier::spool {

enum class TimeColumn : std::uint8_t { due, expiry };

struct TimeKey {
  Milliseconds time = 0;
  Sequence sequence = 0;
  auto operator<=>(const TimeKey&) const = default;
};

struct TimedEntries {
  Entries entries;
  std::uint64_t matching = 0;  // live ones above `after`, in all
};

class TimeIndex {
 public:
  using OnTimed = std::function<void(Result<TimedEntries>)>;
  static constexpr std::size_t kSlack = 1024;  // entries that a fetch holds beyond 5/4 of its max

  TimeIndex(Index& index, Pager& pager, Executor& loop);
  ~TimeIndex();

  // See Spool::fetch_by_time and Spool::has_times.
  void fetch(QueueId queue, TimeColumn column, TimeKey after, std::size_t max, OnTimed done);
  bool has_times(QueueId queue, TimeColumn column) const;

  // An entry stands as it does here from now on; an entry of the queue was purged.
  void on_change(const Entry& now);
  void on_purge(QueueId queue);

  // Entries that fetches under way hold.
  std::size_t held() const;

 private:
  using RunName = std::pair<SegmentNumber, Lane>;
  struct Fetch {
    QueueId queue = 0;
    TimeColumn column = TimeColumn::due;
    TimeKey after;
    std::size_t max = 0;
    OnTimed done;

    std::deque<RunName> left;    // to be read, as far as is known
    std::set<RunName> scanned;   // read, and kept up to date by on_change
    Entries lowest;              // in any order; some may be gone or have moved meanwhile
    std::optional<TimeKey> cut;  // lowest key that was left out of `lowest`
    std::map<SegmentNumber, std::vector<std::uint64_t>> counted;  // ordinals that matched
    bool start_over = false;
  };
  using Shared = std::shared_ptr<Fetch>;

  static bool may_have(const Run& run, TimeColumn column);
  static TimeKey key_of(const Entry& entry, TimeColumn column);
  template <typename Visit>
  void each_run(const Fetch& fetch, Visit&& visit) const;
  void begin(const Shared& fetch);
  void step(const Shared& fetch);
  void plan(Fetch& fetch) const;
  void scan(Fetch& fetch, RunName name, const Entries& entries) const;
  void note(Fetch& fetch, const Entry& now, bool matches) const;
  void keep(Fetch& fetch, const Entry& entry) const;
  bool is_live(const Entry& entry) const;
  void finish(const Shared& fetch);
  void answer(const Shared& fetch, Result<TimedEntries> result);
  TimedEntries gather(Fetch& fetch) const;

  Index& index_;
  Pager& pager_;
  Executor& loop_;
  std::vector<Shared> fetches_;  // under way
  std::shared_ptr<TimeIndex*> alive_;
};

}  // namespace pannier::spool
