// What the queue room's model has found in the spool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;

// Recovery reads the kept sequences as they were written and looks them up by halving.
TEST(SpoolPurge, KeepsWhatItWasToldToKeepInWhateverOrderThroughAPowerCut) {
  MemoryDisk disk;
  {
    SpoolHarness spool(disk);
    const QueueId queue = spool.make_queue();
    for (const char* body : {"1", "2", "3", "4", "5", "6"}) ASSERT_TRUE(spool.publish(queue, body));
    spool.settle_down();
    const std::vector<Entry> all = spool.fetch_all(queue);
    const std::vector<Entry> kept{all[4], all[2], all[0], all[1]};
    Group group;
    group.purge(queue, kept);
    ASSERT_TRUE(spool->append(group));
    spool.settle_down();
  }
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  EXPECT_THAT(again.bodies_in(1), ElementsAre("1", "2", "3", "5"));
}

// More states than a segment holds: every segment is dead once it is sealed and leaves by writing
// its states again, which fills the next, for ever and on the loop thread.
TEST(SpoolStates, ComesToRestWithMoreStateThanASegmentHolds) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  for (int i = 0; i < 2'000; ++i) {
    Group group;
    group.put(StateKind::first_above, as_bytes(std::to_string(i) + std::string(100, 'k')), {});
    ASSERT_TRUE(spool->append(group));
    if (i % 50 != 0) continue;
    spool->flush();
    for (int steps = 0; steps < 1'000; ++steps)
      if (!spool.loop.run_one() && !spool.committer.run_one()) spool.pool.run_one();
  }
  int steps = 0;
  for (; steps < 20'000; ++steps) {
    if (spool.loop.run_one())
      spool->flush();
    else if (!spool.committer.run_one() && !spool.pool.run_one())
      break;
  }
  EXPECT_LT(steps, 20'000);
}

}  // namespace
}  // namespace pannier::spool
