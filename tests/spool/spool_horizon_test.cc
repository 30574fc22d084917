// The delivery horizon and sequences over clean and unclean stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

constexpr Sequence kStep = 4096;

class SpoolHorizon : public testing::Test {
 protected:
  // Publishes so many, and delivers as far as the spool lets; returns the last one delivered.
  Sequence deliver(SpoolHarness& spool, int messages) {
    if (queue_ == 0) queue_ = spool.make_queue();
    Sequence delivered = 0;
    for (int i = 0; i < messages; ++i) {
      const Sequence sequence = spool.publish(queue_, "a message")->sequence;
      if (!spool->may_deliver(lane(), sequence)) {
        spool.settle_down();
        EXPECT_TRUE(spool->may_deliver(lane(), sequence));
      }
      delivered = sequence;
    }
    spool.settle_down();
    return delivered;
  }
  Lane lane() const { return {queue_, 0}; }

  QueueId queue_ = 0;
};

TEST_F(SpoolHorizon, NothingIsDeliveredBeforeItIsDurablyKnownThatItMayHaveBeen) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  queue_ = spool.make_queue();
  const Sequence sequence = spool.publish(queue_, "a message")->sequence;
  EXPECT_FALSE(spool->may_deliver(lane(), sequence));
  const int rooms = spool.rooms;
  spool.settle_down();
  EXPECT_GT(spool.rooms, rooms);
  EXPECT_TRUE(spool->may_deliver(lane(), sequence));
}

TEST_F(SpoolHorizon, AfterAnUncleanStopWhatMayHaveBeenDeliveredIsSuspectAndNoMoreThanAStep) {
  for (const int messages : {1, 100, 3000, 5000}) {
    MemoryDisk disk;
    queue_ = 0;
    Sequence delivered = 0;
    {
      SpoolHarness spool(disk);
      delivered = deliver(spool, messages);
      for (int i = 0; i < 6000; ++i) {
        ASSERT_TRUE(spool.publish(queue_, "never delivered"));
        if (i % 100 == 0) spool.settle_down();
      }
      spool.settle_down();
    }
    const auto after = disk.restart(1, Keep::nothing);
    SpoolHarness again(*after);
    ASSERT_TRUE(again.is_open());
    EXPECT_FALSE(again->recovery().was_clean);
    EXPECT_GE(again->suspect_up_to(lane()), delivered);
    EXPECT_LE(again->suspect_up_to(lane()), delivered + kStep);
  }
}

TEST_F(SpoolHorizon, AfterACleanStopNewDeliveriesAreNotSuspect) {
  MemoryDisk disk;
  {
    SpoolHarness spool(disk);
    deliver(spool, 10);
    ASSERT_TRUE(spool->close());
    spool.run();
  }
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  EXPECT_TRUE(again->recovery().was_clean);
  EXPECT_EQ(again->suspect_up_to(lane()), 0u);
  EXPECT_GT(again.publish(queue_, "new")->sequence, again->suspect_up_to(lane()));
}

TEST_F(SpoolHorizon, WhatWasSuspectStaysSoThroughACleanStopButNothingNewIs) {
  MemoryDisk disk;
  {
    SpoolHarness spool(disk);
    deliver(spool, 10);
  }
  const auto second_disk = disk.restart(1, Keep::nothing);
  Sequence suspect = 0;
  Sequence fresh = 0;
  {
    SpoolHarness second(*second_disk);
    suspect = second->suspect_up_to(lane());
    fresh = deliver(second, 5);
    EXPECT_GT(fresh, suspect);
    ASSERT_TRUE(second->close());
    second.run();
  }
  SpoolHarness third(*second_disk);
  ASSERT_TRUE(third.is_open());
  EXPECT_TRUE(third->recovery().was_clean);
  EXPECT_EQ(third->suspect_up_to(lane()), suspect);
}

TEST_F(SpoolHorizon, ASequenceThatWasDeliveredIsNeverUsedAgainAfterACrash) {
  MemoryDisk disk;
  Sequence delivered = 0;
  {
    SpoolHarness spool(disk);
    deliver(spool, 3);
    // Delivered before their sync, which never comes.
    for (int i = 0; i < 50; ++i) {
      const Sequence sequence = spool.publish(queue_, "unsynced")->sequence;
      ASSERT_TRUE(spool->may_deliver(lane(), sequence));
      delivered = sequence;
    }
  }
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  EXPECT_GT(again.publish(queue_, "new")->sequence, delivered);
}

TEST_F(SpoolHorizon, SequencesGoOnThoughAllMessagesAreGone) {
  MemoryDisk disk;
  Sequence last = 0;
  {
    SpoolHarness spool(disk);
    queue_ = spool.make_queue();
    for (int round = 0; round < 30; ++round) {
      for (int i = 0; i < 30; ++i) {
        const auto entry = spool.publish(queue_, std::string(1000, 'x'));
        last = entry->sequence;
        if (!spool->may_deliver(lane(), last)) {
          spool.settle_down();
          ASSERT_TRUE(spool->may_deliver(lane(), last));
        }
        spool->settle(*entry);
      }
      spool.settle_down();
    }
    ASSERT_LE(spool->status().segments, 3u);
  }
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  EXPECT_GT(again.publish(queue_, "new")->sequence, last);
}

}  // namespace
}  // namespace pannier::spool
