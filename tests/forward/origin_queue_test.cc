#include "sidecar/forward/origin_queue.h"

#include <gtest/gtest.h>

namespace pannier::forward {
namespace {

// It may be told no limit that it was told before, so the first can be above what has come.
TEST(OriginQueue, IsStalledUntilItHasNoCreditLeft) {
  OriginQueue origin("orders", "uid-orders", nullptr);
  origin.start_anew(5);
  origin.grant(1);
  origin.grant(2);
  origin.stall();
  EXPECT_GT(origin.limit(), 0u);
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_TRUE(origin.on_ready(5, 0, origin.limit()));
  EXPECT_TRUE(origin.is_stalled());
  EXPECT_TRUE(origin.is_asked());
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_EQ(origin.limit(), 0u);
  EXPECT_TRUE(origin.on_ready(5, 0, 0));
  EXPECT_FALSE(origin.is_stalled());
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_FALSE(origin.may_come());
}

TEST(OriginQueue, SaysThatSettlesAreDurableOnceThoseMadeBeforeAre) {
  OriginQueue origin("orders", "uid-orders", nullptr);
  std::vector<bool> said;
  const auto note = [&said](bool durable) { said.push_back(durable); };
  origin.when_durable(note);
  EXPECT_EQ(said, std::vector<bool>{false}) << "nobody is told";
  origin.on_settle = [] {};
  origin.when_durable(note);
  EXPECT_TRUE(said.back()) << "nothing is open";
  const queue::Receipt first{1, 1};
  const queue::Receipt second{2, 2};
  origin.settle_stray(first, OriginQueue::Settle::ack);
  origin.when_durable(note);
  origin.settle_stray(second, OriginQueue::Settle::failed);
  origin.take_settles();
  origin.on_durable({second}, OriginQueue::Settle::failed);
  EXPECT_EQ(said.size(), 2u) << "the first is not durable yet";
  origin.on_durable({first}, OriginQueue::Settle::ack);
  EXPECT_EQ(said, (std::vector<bool>{false, true, true}));
}

TEST(OriginQueue, SaysThatSettlesAreDurableAfterALostLinkHasTakenThemAgain) {
  OriginQueue origin("orders", "uid-orders", nullptr);
  origin.on_settle = [] {};
  const queue::Receipt receipt{1, 1};
  std::vector<bool> said;
  const auto note = [&said](bool durable) { said.push_back(durable); };
  origin.settle_stray(receipt, OriginQueue::Settle::ack);
  origin.when_durable(note);
  origin.take_settles();
  origin.on_lost({receipt}, OriginQueue::Settle::ack);
  EXPECT_TRUE(said.empty()) << "it is sent again";
  origin.keep_only({receipt});
  EXPECT_EQ(origin.take_settles().size(), 1u);
  origin.on_durable({receipt}, OriginQueue::Settle::ack);
  EXPECT_EQ(said, std::vector<bool>{true});
}

TEST(OriginQueue, SaysThatNothingIsKnownWhenTheOriginNoLongerKnowsWhatWasSettled) {
  OriginQueue origin("orders", "uid-orders", nullptr);
  origin.on_settle = [] {};
  const queue::Receipt receipt{1, 1};
  std::vector<bool> said;
  origin.settle_stray(receipt, OriginQueue::Settle::ack);
  origin.when_durable([&said](bool durable) { said.push_back(durable); });
  origin.take_settles();
  origin.on_lost({receipt}, OriginQueue::Settle::ack);
  origin.keep_only({});
  EXPECT_EQ(said, std::vector<bool>{false});
}

}  // namespace
}  // namespace pannier::forward
