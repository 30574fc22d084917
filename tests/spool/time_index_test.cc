#include "sidecar/spool/time_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Times {
  Milliseconds due = 0;
  Milliseconds expiry = 0;
};

std::optional<Entry> publish(SpoolHarness& spool, QueueId queue, Times times, Priority priority = 0,
                             std::size_t size = 40) {
  Target target;
  target.queue = queue;
  target.priority = priority;
  target.due = times.due;
  target.expiry = times.expiry;
  Content content;
  content.body = Slice::copy_of(std::string(size, 'x'));
  Group group;
  group.publish(std::move(content), {&target, 1});
  if (!spool->append(group)) return {};
  return group.entries().front();
}

TimedEntries fetch(SpoolHarness& spool, QueueId queue, TimeColumn column, TimeKey after = {},
                   std::size_t max = 100) {
  std::optional<Result<TimedEntries>> got;
  spool->fetch_by_time(queue, column, after, max, [&](auto timed) { got = std::move(timed); });
  EXPECT_FALSE(got) << "it called back from within";
  spool.run();
  if (!got || !*got) {
    ADD_FAILURE() << (got ? got->error().detail : "no answer");
    return {};
  }
  for (const Entry& entry : (**got).entries) spool->release(entry);
  return std::move(**got);
}

std::vector<Milliseconds> dues_of(const TimedEntries& timed) {
  std::vector<Milliseconds> dues;
  for (const Entry& entry : timed.entries) dues.push_back(entry.due);
  return dues;
}

TEST(TimeIndex, FindsTheLowestTimesOverAllLanesAndSegments) {
  MemoryDisk disk;
  SpoolHarness spool(disk, tiny_options());
  const QueueId queue = spool.make_queue();
  const QueueId other = spool.make_queue();
  EXPECT_FALSE(spool->has_times(queue, TimeColumn::due));
  for (int i = 0; i < 300; ++i) {
    const Milliseconds due = i % 3 == 0 ? 1'000 - i : 0;
    ASSERT_TRUE(publish(spool, queue, {due, 0}, static_cast<Priority>(i % 2), 900));
    spool.settle_down();
  }
  EXPECT_TRUE(spool->has_times(queue, TimeColumn::due));
  EXPECT_FALSE(spool->has_times(queue, TimeColumn::expiry));
  EXPECT_FALSE(spool->has_times(other, TimeColumn::due));
  const TimedEntries first = fetch(spool, queue, TimeColumn::due, {}, 3);
  EXPECT_EQ(first.matching, 100u);
  EXPECT_THAT(dues_of(first), ElementsAre(703, 706, 709));
  const Entry& last = first.entries.back();
  const TimedEntries next = fetch(spool, queue, TimeColumn::due, {last.due, last.sequence}, 2);
  EXPECT_EQ(next.matching, 97u);
  EXPECT_THAT(dues_of(next), ElementsAre(712, 715));
  EXPECT_EQ(fetch(spool, other, TimeColumn::due).matching, 0u);
  EXPECT_THAT(fetch(spool, 99, TimeColumn::due).entries, IsEmpty());
}

TEST(TimeIndex, KnowsWhatWasGivenADueAfterItsSegmentWasSealed) {
  MemoryDisk disk;
  QueueId queue = 0;
  {
    SpoolHarness spool(disk, tiny_options());
    queue = spool.make_queue();
    std::vector<Entry> entries;
    for (int i = 0; i < 200; ++i) entries.push_back(*publish(spool, queue, {}, 0, 900));
    spool.settle_down();
    ASSERT_GT(spool->status().segments, 2u);
    EXPECT_FALSE(spool->has_times(queue, TimeColumn::due));
    Group group;
    group.change(entries[7], 1, true, 500);
    group.change(entries[150], 1, true, 400);
    ASSERT_TRUE(spool->append(group));
    EXPECT_TRUE(spool->has_times(queue, TimeColumn::due));
    spool.settle_down();
    EXPECT_THAT(dues_of(fetch(spool, queue, TimeColumn::due)), ElementsAre(400, 500));
  }
  const auto after = disk.restart(3);
  SpoolHarness again(*after, tiny_options());
  ASSERT_TRUE(again.is_open());
  EXPECT_TRUE(again->has_times(queue, TimeColumn::due));
  EXPECT_THAT(dues_of(fetch(again, queue, TimeColumn::due)), ElementsAre(400, 500));
}

TEST(TimeIndex, HoldsNoMoreThanWasAskedForAndReadsOneRunAtATime) {
  MemoryDisk disk;
  SpoolOptions options = tiny_options();
  options.files.bytes_max = 32u << 20;
  options.cache_bytes_max = 1;
  SpoolHarness spool(disk, options);
  const QueueId queue = spool.make_queue();
  constexpr std::uint64_t kEntries = 40'000;
  for (std::uint64_t i = 0; i < kEntries; ++i) {  // the worst order: always lower than all before
    const auto due = static_cast<Milliseconds>(2 * kEntries - i);
    ASSERT_TRUE(publish(spool, queue, {due, 0}, 0, 8));
    if (i % 100 == 0) spool.settle_down();
  }
  spool.settle_down();
  const std::size_t segments = spool->status().segments;
  ASSERT_GT(segments, 50u);
  std::optional<Result<TimedEntries>> got;
  spool->fetch_by_time(queue, TimeColumn::due, {}, 50, [&](auto timed) { got = std::move(timed); });
  std::size_t held_max = 0;
  int runs = 0;
  while (!got) {
    while (spool.loop.run_one()) held_max = std::max(held_max, spool->status().held_entries);
    ASSERT_LE(spool.pool.size(), 1u);
    runs += spool.pool.run_one() ? 1 : 0;
    EXPECT_LE(spool->status().cached_bytes, 1200 * sizeof(Entry));
  }
  ASSERT_TRUE(*got);
  EXPECT_EQ((**got).matching, kEntries);
  EXPECT_THAT((**got).entries, SizeIs(50));
  EXPECT_EQ((**got).entries.front().due, static_cast<Milliseconds>(kEntries + 1));
  EXPECT_GE(runs, static_cast<int>(segments) - 4);
  EXPECT_LE(held_max, 50 + 12 + TimeIndex::kSlack);
  EXPECT_EQ(spool->status().held_entries, 0u);
}

TEST(TimeIndex, AnEntryInHandTwiceIsSettledOnceAndReleasedOnceAlsoWhenItHasMoved) {
  MemoryDisk disk;
  SpoolHarness spool(disk, tiny_options());
  const QueueId queue = spool.make_queue();
  const Entry held = *publish(spool, queue, {700, 0});
  for (int i = 0; i < 2000; ++i) {
    spool->settle(*publish(spool, queue, {}, 0, 900));
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  std::optional<Result<TimedEntries>> got;
  spool->fetch_by_time(queue, TimeColumn::due, {}, 9, [&](auto timed) { got = std::move(timed); });
  spool.run();
  ASSERT_TRUE(got && *got);
  ASSERT_THAT((**got).entries, SizeIs(1));
  const Entry timed = (**got).entries.front();
  ASSERT_NE(timed.segment, held.segment) << "it was not moved";
  spool->settle(timed);
  spool->release(held);
  spool->settle(held);  // by now nothing
  EXPECT_EQ(spool->totals({queue, 0}).messages, 0u);
  EXPECT_EQ(fetch(spool, queue, TimeColumn::due).matching, 0u);
}

// Random publishes, changes, settles, purges and restarts, with fetches under way all the while.
class TimeModel {
 public:
  explicit TimeModel(std::uint64_t seed) : random_(seed), seed_(seed) {}

  void run() {
    for (int life = 0; life < 3 && !testing::Test::HasFatalFailure(); ++life) {
      const auto disk = std::move(disk_);
      SpoolHarness spool(*disk, options());
      ASSERT_TRUE(spool.is_open()) << spool.opened().error().detail;
      spool_ = &spool;
      while (queues_.size() < 2) queues_.push_back(spool.make_queue());
      take_back();
      for (int i = 0; i < 120; ++i) act();
      spool.settle_down();
      compacted_ += spool->status().compacted_bytes;
      disk_ = disk->restart(seed_ + static_cast<std::uint64_t>(life), Keep::nothing);
    }
  }
  std::uint64_t compacted() const { return compacted_; }

 private:
  using Name = std::pair<QueueId, Sequence>;
  static SpoolOptions options() {
    SpoolOptions options = tiny_options();
    options.cache_bytes_max = 40'000;
    return options;
  }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  Milliseconds time() { return below(3) == 0 ? 0 : static_cast<Milliseconds>(1 + below(200)); }
  QueueId queue() { return queues_[below(2)]; }

  void take_back() {
    std::map<Name, Entry> found;
    for (const QueueId id : queues_)
      for (const Priority priority : (*spool_)->priorities(id))
        for (const Entry& entry : spool_->fetch_all(id, priority, 50))
          found[{id, entry.sequence}] = entry;
    ASSERT_EQ(found.size(), entries_.size());
    for (auto& [name, entry] : entries_) {
      ASSERT_TRUE(found.contains(name));
      EXPECT_EQ(found[name].due, entry.due);
      entry = found[name];
    }
  }

  void act() {
    const auto draw = below(100);
    if (draw < 40) return publish_some();
    if (draw < 60) return change_some();
    if (draw < 85) return settle_some();
    if (draw < 88) return purge();
    check_fetch();
  }

  void publish_some() {
    for (std::uint64_t n = below(200); n > 0; --n) {
      const auto entry =
          publish(*spool_, queue(), {time(), time()}, static_cast<Priority>(below(3)), below(900));
      if (entry) entries_[{entry->queue, entry->sequence}] = *entry;
    }
  }
  Name any() {
    auto at = entries_.lower_bound({queue(), below(12'000)});
    return at == entries_.end() ? entries_.begin()->first : at->first;
  }
  void change_some() {
    Group group;
    std::vector<std::pair<Name, Milliseconds>> changed;
    for (std::uint64_t n = below(20); n > 0 && !entries_.empty(); --n) {
      changed.emplace_back(any(), time());
      group.change(entries_[changed.back().first], 1, true, changed.back().second);
    }
    if (group.empty() || !(*spool_)->append(group)) return;
    for (const auto& [name, due] : changed) entries_[name].due = due;
  }
  void settle_some() {
    for (std::uint64_t n = below(60); n > 0 && !entries_.empty(); --n) {
      const Name name = any();
      (*spool_)->settle(entries_[name]);
      entries_.erase(name);
    }
  }
  void purge() {
    const QueueId id = queue();
    std::vector<Entry> kept;
    std::vector<Name> gone;
    for (const auto& [name, entry] : entries_) {
      if (name.first != id) continue;
      if (below(3) == 0)
        kept.push_back(entry);
      else
        gone.push_back(name);
    }
    Group group;
    group.purge(id, kept);
    if (!(*spool_)->append(group)) return;
    for (const Name& name : gone) {
      (*spool_)->release(entries_[name]);
      entries_.erase(name);
    }
  }

  std::vector<TimeKey> expected(QueueId id, TimeColumn column, TimeKey after) const {
    std::vector<TimeKey> keys;
    for (const auto& [name, entry] : entries_) {
      const TimeKey key{column == TimeColumn::due ? entry.due : entry.expiry, entry.sequence};
      if (name.first == id && key.time != 0 && key > after) keys.push_back(key);
    }
    std::ranges::sort(keys);
    return keys;
  }

  void check_fetch() {
    const QueueId id = queue();
    const auto column = below(2) == 0 ? TimeColumn::due : TimeColumn::expiry;
    const TimeKey after{static_cast<Milliseconds>(below(150)), below(50)};
    const std::size_t max = below(2) == 0 ? 1 + below(20) : 5000;
    bool is_done = false;
    (*spool_)->fetch_by_time(id, column, after, max, [&](Result<TimedEntries> timed) {
      is_done = true;
      check(id, column, after, max, timed);
    });
    const bool is_quiet = below(2) == 0;
    calm_ = true;
    for (int turn = 0; !is_done && turn < 100'000; ++turn) {
      if (below(3) == 0) spool_->pool.run_one();
      if (below(3) == 0) spool_->loop.run_one();
      if (below(3) == 0) spool_->committer.run_one();
      if (below(9) == 0) (*spool_)->flush();
      if (is_quiet || below(30) != 0) continue;
      calm_ = false;
      const auto draw = below(20);
      if (draw == 0)
        purge();
      else if (draw < 6)
        publish_some();
      else
        draw < 12 ? change_some() : settle_some();
    }
    ASSERT_TRUE(is_done);
  }

  void check(QueueId id, TimeColumn column, TimeKey after, std::size_t max,
             const Result<TimedEntries>& timed) {
    ASSERT_TRUE(timed) << timed.error().detail;
    std::vector<TimeKey> keys = expected(id, column, after);
    EXPECT_EQ(timed->matching, keys.size());
    EXPECT_TRUE(keys.empty() || (*spool_)->has_times(id, column));
    const std::size_t got = timed->entries.size();
    EXPECT_LE(got, std::min(max, keys.size()));
    EXPECT_EQ(got == 0, keys.empty());
    if (calm_ || max > keys.size() + 2000) {
      EXPECT_EQ(got, std::min(max, keys.size()));
    }
    keys.resize(std::min(got, keys.size()));
    std::vector<TimeKey> found;
    for (const Entry& entry : timed->entries) {
      const Entry& model = entries_.at({id, entry.sequence});
      EXPECT_EQ(entry.due, model.due);
      EXPECT_EQ(entry.expiry, model.expiry);
      found.push_back({column == TimeColumn::due ? entry.due : entry.expiry, entry.sequence});
      if (below(4) != 0) {
        (*spool_)->release(entry);
        continue;
      }
      (*spool_)->release(model);  // the later one is kept
      entries_[{id, entry.sequence}] = entry;
    }
    EXPECT_EQ(found, keys);
  }

  std::mt19937_64 random_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<MemoryDisk> disk_ = std::make_unique<MemoryDisk>();
  SpoolHarness* spool_ = nullptr;
  std::vector<QueueId> queues_;
  std::map<Name, Entry> entries_;
  bool calm_ = true;
  std::uint64_t compacted_ = 0;
};

TEST(TimeIndex, SaysWhatIsThereWhateverHappensWhileItReads) {
  std::uint64_t compacted = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TimeModel model(seed);
    model.run();
    compacted += model.compacted();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(compacted, 0u);
}

}  // namespace
}  // namespace pannier::spool
