// What a consumer says of a delivery that failed, on its way to the agent that owns the message.
#include <gtest/gtest.h>

#include "tests/forward/pull_harness.h"

namespace pannier::forward {
namespace {

using Is = FakeOrigin::Is;

class PullerFailureTest : public testing::Test {
 protected:
  queue::Queue& orders() { return *agent.orders; }

  MemoryDisk disk;
  PullHarness agent{disk};
};

TEST_F(PullerFailureTest, WhatAConsumerSaysOfAFailureTravelsToTheOriginAlsoAfterACut) {
  FakeOrigin& origin = agent.add_origin("a", 4);
  origin.confirms = false;
  Taker taker(4);
  orders().add_consumer(taker);
  agent.go();
  ASSERT_EQ(taker.got.size(), 4u);
  const queue::Queue::Return later{
      .backs_off = true, .delay = std::chrono::seconds(5), .reason = "busy"};
  orders().give_back(taker.got[0].receipt, later);
  orders().give_back(taker.got[1].receipt, later);
  orders().give_back(taker.got[2].receipt, {});
  agent.go();
  ASSERT_EQ(origin.fails.size(), 1u);
  EXPECT_EQ(origin.fails[0].delay, 5'000u);
  EXPECT_TRUE(origin.fails[0].has_delay && origin.fails[0].backs_off);
  EXPECT_EQ(origin.fails[0].reason, "busy");
  EXPECT_EQ(origin.fails[0].receipts.text.size(), 2 * kReceiptBytes);
  EXPECT_EQ(origin.settles.size(), 2u) << "of the third one nothing was said";
  for (std::uint64_t each : {1, 2, 3}) origin.messages[each].is = Is::leased;  // it has crashed
  agent.dialer.cut(origin);
  agent.pass(std::chrono::seconds(1));
  ASSERT_EQ(origin.fails.size(), 2u);
  EXPECT_EQ(origin.fails[1].reason, "busy");
  orders().remove_consumer(taker);
}

TEST_F(PullerFailureTest, AnOriginOfAnOlderReleaseLearnsThatAMessageHasFailed) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  origin.version = kFailuresSince - 1;
  Taker taker(1);
  orders().add_consumer(taker);
  agent.go();
  ASSERT_EQ(taker.got.size(), 1u);
  orders().remove_consumer(taker);
  orders().give_back(taker.got[0].receipt, {.delay = std::chrono::seconds(5)});
  agent.go();
  EXPECT_TRUE(origin.fails.empty());
  EXPECT_EQ(origin.messages[1].count, 1);
}

}  // namespace
}  // namespace pannier::forward
