#include "sidecar/spool/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> numbered(int from, int to) {
  std::vector<std::string> names;
  for (int i = from; i <= to; ++i) names.push_back("message " + std::to_string(i));
  return names;
}

TEST(Spool, GivesBackInOrderWhatWasPublished) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  ASSERT_TRUE(spool.is_open()) << spool.opened().error().detail;
  const QueueId queue = spool.make_queue();
  for (const std::string& body : numbered(1, 500)) ASSERT_TRUE(spool.publish(queue, body));
  spool.settle_down();
  EXPECT_EQ(spool.bodies_in(queue), numbered(1, 500));
}

TEST(Spool, KeepsWhatWasSyncedWhenThePowerGoes) {
  MemoryDisk disk;
  QueueId queue = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue("orders");
    for (const std::string& body : numbered(1, 3)) ASSERT_TRUE(spool.publish(queue, body));
    spool.settle_down();
    ASSERT_GE(spool->synced_commit(), spool.last_commit);
    ASSERT_TRUE(spool.publish(queue, "unsynced"));
  }
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_THAT(again.queues(), ElementsAre(queue));
  EXPECT_EQ(again.bodies_in(queue), numbered(1, 3));
  EXPECT_FALSE(again->recovery().was_clean);
}

TEST(Spool, NeverGivesBackWhatWasSettled) {
  MemoryDisk disk;
  QueueId queue = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    std::vector<Entry> entries;
    for (const std::string& body : numbered(1, 10)) entries.push_back(*spool.publish(queue, body));
    for (int i = 0; i < 10; i += 2) spool->settle(entries[static_cast<std::size_t>(i)]);
    spool.settle_down();
    EXPECT_THAT(spool.bodies_in(queue), SizeIs(5));
    ASSERT_TRUE(spool->close());
    spool.run();
  }
  SpoolHarness again(disk);
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_TRUE(again->recovery().was_clean);
  EXPECT_THAT(again.bodies_in(queue),
              ElementsAre("message 2", "message 4", "message 6", "message 8", "message 10"));
}

TEST(Spool, GoesOnThroughManySegmentsAndGivesThemBack) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  const std::string body(1000, 'x');
  for (int round = 0; round < 40; ++round) {
    std::vector<Entry> entries;
    for (int i = 0; i < 100; ++i) {
      auto entry = spool.publish(queue, body);
      ASSERT_TRUE(entry) << spool.refused->detail;
      entries.push_back(*entry);
    }
    spool.settle_down();
    for (const Entry& entry : entries) spool->settle(entry);
    spool.settle_down();
  }
  EXPECT_LE(spool->status().segments, 4u);
  EXPECT_LE(spool->status().disk_bytes, 16u * (128 << 10));
  EXPECT_THAT(spool.bodies_in(queue), IsEmpty());
}

TEST(Spool, CompactsOldSegmentsOfWhichLittleIsLeft) {
  MemoryDisk disk;
  QueueId queue = 0;
  std::vector<std::string> kept;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    const std::string filler(1000, 'x');
    std::vector<Entry> held;
    for (int i = 0; i < 4000; ++i) {
      const std::string body = std::to_string(i) + filler;
      auto entry = spool.publish(queue, body);
      ASSERT_TRUE(entry) << spool.refused->detail;
      if (i % 200 == 0) {
        kept.push_back(body);
        held.push_back(*entry);
      } else {
        spool->settle(*entry);
      }
      if (i % 50 == 0) spool.settle_down();
    }
    spool.settle_down();
    EXPECT_GT(spool->status().compacted_bytes, 0u);
    EXPECT_LE((spool->status().segments) * (128u << 10),
              2 * spool->status().live_bytes + 5 * (128u << 10));
    EXPECT_EQ(spool.bodies_in(queue), kept);
    // What is held by its old place is settled at its new one.
    spool->settle(held.front());
    kept.erase(kept.begin());
    spool.settle_down();
    EXPECT_EQ(spool.bodies_in(queue), kept);
  }
  const auto after = disk.restart(7);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(queue), kept);
}

}  // namespace
}  // namespace pannier::spool
