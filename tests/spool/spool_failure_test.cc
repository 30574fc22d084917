// Disks that fail or are full, and the limit on bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/log.h"
#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

constexpr std::uint64_t kSegment = kSegmentBytesMin;

class SpoolFailure : public testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([](std::string_view) {});
  }
  void TearDown() override { log::set_sink({}); }

  static SpoolOptions options_of(std::uint64_t segments) {
    SpoolOptions options = small_options();
    options.files.segment_bytes = kSegmentBytesMin;
    options.files.bytes_max = segments * kSegment + 4096;  // and the other files
    return options;
  }
  static std::uint64_t bytes_of(const MemoryDisk& disk) {
    std::uint64_t sum = 0;
    const auto listed = disk.list();
    for (const FileInfo& info : *listed) sum += info.size;
    return sum;
  }
  // Publishes until the spool refuses.
  static std::vector<Entry> fill(SpoolHarness& spool, QueueId queue) {
    std::vector<Entry> entries;
    while (entries.size() < 100'000) {
      auto entry = spool.publish(queue, std::string(1000, 'x'));
      if (!entry && spool.refused->code != Errc::spool_busy) break;
      if (entry) entries.push_back(*entry);
      if (!entry || entries.size() % 8 == 0) spool.settle_down();
    }
    spool.settle_down();
    return entries;
  }
  // As a loop does, for so many seconds.
  static void let_time_pass(SpoolHarness& spool, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      spool.clock.advance(std::chrono::milliseconds(1001));
      spool->on_time(spool.clock.now());
      spool.settle_down();
    }
  }
};

TEST_F(SpoolFailure, AFailedSyncIsSaidOnceAndNothingIsSyncedAfterwards) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  spool.settle_down();
  const Commit synced = spool->synced_commit();
  disk.fail_next(DiskCall::sync);
  ASSERT_TRUE(spool.publish(queue, "lost"));
  spool.settle_down();
  EXPECT_EQ(spool.failures, 1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(spool.publish(queue, "later"));
    spool.settle_down();
  }
  EXPECT_EQ(spool.failures, 1);
  EXPECT_EQ(spool->synced_commit(), synced);
}

TEST_F(SpoolFailure, AFailedWriteIsSaidOnceAndNothingIsSyncedAfterwards) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  spool.settle_down();
  const Commit synced = spool->synced_commit();
  disk.fail_next(DiskCall::write);
  ASSERT_TRUE(spool.publish(queue, "lost"));
  spool.settle_down();
  ASSERT_TRUE(spool.publish(queue, "later"));
  spool.settle_down();
  EXPECT_EQ(spool.failures, 1);
  EXPECT_EQ(spool->synced_commit(), synced);
}

TEST_F(SpoolFailure, AtItsLimitASpoolRefusesPublishesAndGoesOnWithEverythingElse) {
  MemoryDisk disk;
  SpoolHarness spool(disk, options_of(10));
  const QueueId queue = spool.make_queue();
  const auto entries = fill(spool, queue);
  EXPECT_EQ(spool.refused->code, Errc::spool_full);
  EXPECT_FALSE(spool->may_publish());
  ASSERT_GT(entries.size(), 100u);
  const int rooms = spool.rooms;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    spool->settle(entries[i]);
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  EXPECT_GT(spool.rooms, rooms);
  EXPECT_TRUE(spool->may_publish());
  EXPECT_TRUE(spool.publish(queue, "again"));
  EXPECT_FALSE(spool.failed);
}

TEST_F(SpoolFailure, AFullSpoolLetsAQueueBeDropped) {
  MemoryDisk disk;
  SpoolHarness spool(disk, options_of(10));
  const QueueId queue = spool.make_queue();
  const QueueId other = spool.make_queue();
  for (const Entry& entry : fill(spool, queue)) spool->release(entry);
  Group group;
  spool->drop_queue(group, queue);
  ASSERT_TRUE(spool->append(group));
  spool.settle_down();
  let_time_pass(spool, 3);
  EXPECT_TRUE(spool.publish(other, "there is room"));
}

TEST_F(SpoolFailure, AFullVolumeRefusesPublishesSettlesGoOnAndPublishingResumesByItself) {
  MemoryDisk disk;
  SpoolHarness spool(disk, options_of(100));
  const QueueId queue = spool.make_queue();
  spool.settle_down();
  disk.set_capacity(bytes_of(disk) + 2 * kSegment);
  const auto entries = fill(spool, queue);
  EXPECT_EQ(spool.refused->code, Errc::spool_full);
  EXPECT_TRUE(spool->status().is_low_on_space);
  // From the reserve.
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    spool->settle(entries[i]);
    if (i % 20 == 0) spool.settle_down();
  }
  spool.settle_down();
  EXPECT_FALSE(spool.failed);
  disk.set_capacity(MemoryDisk::kCapacityDefault);
  let_time_pass(spool, 3);
  EXPECT_TRUE(spool->may_publish());
  EXPECT_TRUE(spool.publish(queue, "again"));
  EXPECT_FALSE(spool.failed);
}

TEST_F(SpoolFailure, AFullSpoolOpensAgainHoweverOftenItCrashesAtStart) {
  auto disk = std::make_unique<MemoryDisk>();
  QueueId queue = 0;
  std::size_t count = 0;
  {
    SpoolHarness spool(*disk, options_of(10));
    queue = spool.make_queue();
    count = fill(spool, queue).size();
  }
  for (std::uint64_t i = 0; i < 60; ++i) {
    disk = disk->restart(i, i % 3 == 0 ? Keep::everything : Keep::random);
    SpoolHarness spool(*disk, options_of(10));
    ASSERT_TRUE(spool.is_open()) << i << " " << spool.opened().error().detail;
    spool.committer.run_one();  // the first batch is synced, and nobody hears of it
    EXPECT_EQ(spool->totals({queue, 0}).messages, count);
    EXPECT_LE(bytes_of(*disk), options_of(10).files.bytes_max);
  }
}

TEST_F(SpoolFailure, FilesThatWaitToBeRemovedStillCount) {
  MemoryDisk disk;
  const SpoolOptions options = options_of(10);
  SpoolHarness spool(disk, options);
  const QueueId queue = spool.make_queue();
  for (const Entry& entry : fill(spool, queue)) spool->settle(entry);
  const auto run_all_but_the_pool = [&] {
    static_cast<void>(spool->flush_settles());
    while (spool.loop.run_one() || spool.committer.run_one()) {}
  };
  for (int i = 0; i < 5; ++i) run_all_but_the_pool();
  ASSERT_EQ(bytes_of(disk) / kSegment, 10u);
  for (int i = 0; i < 300; ++i) {
    static_cast<void>(spool.publish(queue, std::string(1000, 'x')));
    run_all_but_the_pool();
    // The newest first: what makes files overtakes what removes them.
    if (spool.pool.size() > 1) spool.pool.run_at(spool.pool.size() - 1);
    ASSERT_LE(bytes_of(disk), options.files.bytes_max);
  }
}

TEST_F(SpoolFailure, AllFilesTogetherNeverExceedTheLimit) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto disk = std::make_unique<MemoryDisk>(seed);
    const SpoolOptions options = options_of(9 + seed % 4);
    std::vector<std::unique_ptr<MemoryDisk>> old;
    for (int life = 0; life < 3; ++life) {
      SpoolHarness spool(*disk, options);
      ASSERT_TRUE(spool.is_open()) << spool.opened().error().detail;
      const QueueId queue = life == 0 ? spool.make_queue() : spool.queues().front();
      std::vector<Entry> entries = spool.fetch_all(queue);
      for (int step = 0; step < 3000; ++step) {
        const auto draw = random() % 100;
        if (draw < 40) {
          if (auto entry = spool.publish(queue, std::string(random() % 3000, 'x')))
            entries.push_back(*entry);
        } else if (draw < 55 && !entries.empty()) {
          std::swap(entries[random() % entries.size()], entries.back());
          spool->settle(entries.back());
          entries.pop_back();
        } else if (draw < 60) {
          spool->flush();
        } else if (draw < 62) {
          spool.clock.advance(std::chrono::milliseconds(400));
          spool->on_time(spool.clock.now());
        } else if (draw < 75) {
          spool.pool.run_at(random() % 3);
        } else if (draw < 88) {
          spool.committer.run_one();
        } else {
          spool.loop.run_one();
        }
        ASSERT_LE(bytes_of(*disk), options.files.bytes_max) << "life " << life << " step " << step;
      }
      auto next = disk->restart(seed * 31 + static_cast<std::uint64_t>(life));
      old.push_back(std::move(disk));
      disk = std::move(next);
    }
  }
}

}  // namespace
}  // namespace pannier::spool
