#include <gtest/gtest.h>

#include "tests/forward/pull_harness.h"

namespace pannier::forward {
namespace {

using Is = FakeOrigin::Is;

class PullerTest : public testing::Test {
 protected:
  std::optional<queue::Delivery> ask() {
    answered = false;
    orders().get(false, [this](std::optional<queue::Delivery> delivery) {
      answered = true;
      got = std::move(delivery);
    });
    return got;
  }
  queue::Queue& orders() { return *agent.orders; }

  MemoryDisk disk;
  PullHarness agent{disk};
  bool answered = false;
  std::optional<queue::Delivery> got;
};

TEST_F(PullerTest, DialsNobodyWhileNobodyConsumes) {
  FakeOrigin& origin = agent.add_origin("a", 3);
  agent.go();
  agent.pass(std::chrono::seconds(3));
  EXPECT_EQ(origin.dials, 0);
  EXPECT_FALSE(agent.puller->deadline());
}

TEST_F(PullerTest, MovesMessagesInOrderAndSettlesThemAtTheirOrigin) {
  FakeOrigin& origin = agent.add_origin("a", 20);
  Taker taker(5);
  orders().add_consumer(taker);
  agent.go();
  EXPECT_EQ(taker.got.size(), 5u);
  EXPECT_EQ(origin.count(Is::leased), 5u);
  while (!taker.got.empty()) {
    agent.ack_all(taker);
    agent.go();
  }
  ASSERT_EQ(taker.bodies.size(), 20u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(taker.bodies[i], "a/" + std::to_string(i + 1));
  EXPECT_EQ(origin.count(Is::done), 20u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, SaysLittleForManyMessages) {
  FakeOrigin& origin = agent.add_origin("a", 2'000);
  Taker taker(200);
  orders().add_consumer(taker);
  agent.go();
  while (!taker.got.empty()) {
    agent.ack_all(taker);
    agent.go();
  }
  EXPECT_EQ(origin.count(Is::done), 2'000u);
  EXPECT_LT(origin.credits.size(), 60u);
  EXPECT_LT(origin.settles.size(), 60u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, LocalMessagesComeFirst) {
  FakeOrigin& origin = agent.add_origin("a", 5);
  for (int i = 0; i < 4; ++i) agent.publish("orders", "here");
  Taker taker(4);
  orders().add_consumer(taker);
  agent.go();
  EXPECT_EQ(taker.bodies, std::vector<std::string>(4, "here"));
  EXPECT_EQ(origin.dials, 0);
  agent.ack_all(taker);
  agent.go();
  EXPECT_EQ(taker.bodies.back(), "a/4");
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, SharesFollowWhatIsReady) {
  FakeOrigin& much = agent.add_origin("much", 900);
  FakeOrigin& little = agent.add_origin("little", 100);
  Taker taker(100);
  orders().add_consumer(taker);
  agent.go();
  for (int round = 0; round < 3; ++round) {
    agent.ack_all(taker);
    agent.go();
  }
  EXPECT_GT(much.count(Is::done), 4 * little.count(Is::done));
  EXPECT_GT(little.count(Is::done), 10u);
  while (!taker.got.empty()) {
    agent.ack_all(taker);
    agent.go();
  }
  EXPECT_EQ(much.count(Is::done) + little.count(Is::done), 1'000u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, AStalledOriginDoesNotStarveOthersAndMayStillDeliver) {
  FakeOrigin& stuck = agent.add_origin("stuck", 50);
  stuck.delivers = stuck.answers = false;
  Taker taker(1);
  orders().add_consumer(taker);
  agent.go();
  EXPECT_EQ(stuck.unused(), 1u);
  FakeOrigin& good = agent.add_origin("good", 10);
  agent.go();
  EXPECT_TRUE(taker.got.empty());
  agent.pass(std::chrono::milliseconds(2'300));
  ASSERT_EQ(taker.got.size(), 1u);
  EXPECT_EQ(taker.bodies[0], "good/1");
  stuck.says_deliver(1, 77, "late");
  stuck.messages[1].is = Is::leased;
  stuck.messages[1].delivery = 77;
  agent.go();
  EXPECT_EQ(agent.puller->books(orders()).kept, 0u);  // its credit is another's: it goes back
  EXPECT_EQ(stuck.count(Is::ready), 50u);
  agent.ack_all(taker);
  stuck.says_deliver(2, 78, "in time");
  stuck.messages[2].is = Is::leased;
  stuck.messages[2].delivery = 78;
  good.delivers = false;
  agent.go();
  EXPECT_EQ(taker.bodies.back(), "in time");
  EXPECT_EQ(stuck.closes, 0);
  EXPECT_EQ(good.closes, 0);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, NamesWhatItHoldsAfterACutAndSendsItsLateAcks) {
  FakeOrigin& origin = agent.add_origin("a", 6);
  Taker taker(4);
  orders().add_consumer(taker);
  agent.go();
  ASSERT_EQ(taker.got.size(), 4u);
  agent.dialer.cut(origin);
  agent.ack(taker);
  agent.end_turn();
  agent.pass(std::chrono::seconds(1));
  ASSERT_EQ(origin.pulls.size(), 2u);
  EXPECT_EQ(origin.pulls[1].held.text.size(), 4 * kReceiptBytes);
  EXPECT_EQ(origin.messages[1].acked, 1);
  agent.ack_all(taker);
  agent.go();
  agent.ack_all(taker);
  agent.go();
  EXPECT_EQ(origin.count(Is::done), 6u);
  EXPECT_EQ(taker.taken, 6u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, ASettleThatWasNotKnownDurableIsSentAgain) {
  FakeOrigin& origin = agent.add_origin("a", 2);
  origin.confirms = false;
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  agent.ack(taker);
  agent.go();
  EXPECT_EQ(origin.messages[1].acked, 1);
  origin.messages[1].is = Is::leased;  // it has crashed before that was durable
  agent.dialer.cut(origin);
  agent.pass(std::chrono::seconds(1));
  EXPECT_EQ(origin.messages[1].acked, 2);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, WhatNoLongerStandsIsDroppedAndItsLateAckIsNotSent) {
  FakeOrigin& origin = agent.add_origin("a", 3);
  Taker taker(3);
  orders().add_consumer(taker);
  agent.go();
  agent.dialer.cut(origin);
  origin.expire(2);
  origin.messages[2].is = Is::done;  // somebody else's
  agent.pass(std::chrono::seconds(1));
  origin.settles.clear();
  agent.ack_all(taker);
  agent.go();
  ASSERT_EQ(origin.settles.size(), 1u);
  EXPECT_EQ(origin.settles[0].receipts.text.size(), 2 * kReceiptBytes);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, GivesBackWhatNobodyTakesAndLetsGoLater) {
  FakeOrigin& origin = agent.add_origin("a");
  Taker taker(4);
  orders().add_consumer(taker);
  agent.go();
  origin.answers = false;
  orders().remove_consumer(taker);
  origin.put_some(1);  // with the credit that it still has
  while (agent.dialer.run_once()) {}
  agent.end_turn();
  EXPECT_EQ(agent.puller->books(orders()).kept, 1u);
  agent.pass(std::chrono::seconds(4));
  EXPECT_EQ(origin.count(Is::leased), 1u);
  agent.pass(std::chrono::milliseconds(1'300));
  EXPECT_EQ(origin.count(Is::ready), 1u);
  EXPECT_EQ(origin.messages[1].count, 0u);
  agent.pass(std::chrono::seconds(6));
  EXPECT_EQ(origin.stops, 1);
  EXPECT_EQ(agent.puller->links(), 0u);
  EXPECT_FALSE(agent.puller->deadline());
}

TEST_F(PullerTest, KeepsTheLinkWhileAConsumerHoldsAMessage) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  Taker taker(1);
  orders().add_consumer(taker);
  agent.go();
  agent.pass(std::chrono::seconds(15));
  EXPECT_EQ(agent.puller->links(), 1u);
  agent.ack(taker);
  orders().remove_consumer(taker);
  agent.go();
  EXPECT_EQ(origin.count(Is::done), 1u);
  agent.pass(std::chrono::seconds(11));
  EXPECT_EQ(agent.puller->links(), 0u);
}

TEST_F(PullerTest, NacksTravelBackCountedAndDiscardsDiscard) {
  FakeOrigin& origin = agent.add_origin("a", 2);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  EXPECT_TRUE(orders().give_back(taker.got[0].receipt, {}));
  EXPECT_TRUE(orders().discard(taker.got[1].receipt));
  taker.got.clear();
  orders().pump();
  agent.go();
  EXPECT_EQ(origin.messages[2].discarded, 1);
  ASSERT_EQ(taker.got.size(), 1u);
  EXPECT_EQ(taker.got[0].delivery_count, 1u);
  EXPECT_TRUE(taker.got[0].redelivered);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, AGetWithoutOriginsAnswersAtOnce) {
  ask();
  EXPECT_TRUE(answered);
  EXPECT_FALSE(got);
}

TEST_F(PullerTest, AGetGetsWhatAnotherAgentHas) {
  agent.add_origin("empty");
  FakeOrigin& origin = agent.add_origin("a", 1);
  ask();
  EXPECT_FALSE(answered);
  agent.go();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->message->body.text(), "a/1");
  EXPECT_TRUE(orders().ack(got->receipt));
  agent.go();
  EXPECT_EQ(origin.count(Is::done), 1u);
}

TEST_F(PullerTest, AGetIsAnsweredAsSoonAsAllHaveSaidThatTheyHaveNothing) {
  agent.add_origin("a");
  agent.add_origin("b").is_up = false;
  ask();
  agent.go();
  EXPECT_TRUE(answered);
  EXPECT_FALSE(got);
  ask();
  EXPECT_FALSE(answered);
  agent.go();
  EXPECT_TRUE(answered);
}

TEST_F(PullerTest, AGetWaitsNoLongerThanAHundredMilliseconds) {
  FakeOrigin& origin = agent.add_origin("a");
  origin.answers = false;
  ask();
  agent.go();
  EXPECT_FALSE(answered);
  agent.pass(std::chrono::milliseconds(100));
  EXPECT_TRUE(answered);
  EXPECT_FALSE(got);
  EXPECT_EQ(orders().waiting_gets(), 0u);
}

TEST_F(PullerTest, LargeBodiesComeInPartsThroughTheSpool) {
  FakeOrigin& origin = agent.add_origin("a");
  const std::string large(600'000, 'x');
  origin.put(large);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  ASSERT_EQ(taker.got.size(), 1u);
  const auto& message = *taker.got[0].message;
  EXPECT_EQ(message.body_size, large.size());
  ASSERT_GT(message.parts, 1u);
  EXPECT_EQ(agent.puller->bodies(), 1u);
  std::string read;
  for (std::uint32_t i = 0; i < message.parts; ++i) {
    agent.spool->read_part(message.body_id, i, [&](Result<Slice> part) {
      ASSERT_TRUE(part);
      read += part->text();
    });
    agent.turn();
  }
  EXPECT_EQ(read, large);
  agent.ack_all(taker);
  agent.go();
  EXPECT_EQ(agent.puller->bodies(), 0u);
  EXPECT_EQ(origin.count(Is::done), 1u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, ACutWithinALargeBodyLeavesNothing) {
  FakeOrigin& origin = agent.add_origin("a");
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  origin.put(std::string(900'000, 'x'));
  agent.end_turn();
  agent.dialer.run_once();
  agent.dialer.cut(origin);
  agent.end_turn();
  EXPECT_EQ(agent.puller->bodies(), taker.got.size());
  agent.pass(std::chrono::seconds(1));
  EXPECT_EQ(taker.got.size(), 1u);
  EXPECT_EQ(agent.puller->bodies(), 1u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, DelaysBetweenDialsGrowToThirtySeconds) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  origin.is_up = false;
  Taker taker(1);
  orders().add_consumer(taker);
  agent.go();
  agent.pass(std::chrono::seconds(120));
  EXPECT_LT(agent.dialer.targets.size(), 15u);
  EXPECT_GT(agent.dialer.targets.size(), 9u);
  origin.is_up = true;
  agent.pass(std::chrono::seconds(31));
  EXPECT_EQ(taker.got.size(), 1u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, MembersComeGoAndDrain) {
  FakeOrigin& draining = agent.add_origin("draining", 3);
  agent.members.agents[0].draining = true;
  agent.puller->apply(agent.members);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  EXPECT_EQ(draining.dials, 0);
  FakeOrigin& fresh = agent.add_origin("fresh", 3);
  agent.go();
  EXPECT_EQ(taker.got.size(), 2u);
  agent.members.agents[1].draining = true;  // what has begun goes on
  agent.puller->apply(agent.members);
  agent.ack_all(taker);
  agent.go();
  EXPECT_EQ(taker.bodies.back(), "fresh/3");
  agent.members.agents.pop_back();
  agent.puller->apply(agent.members);
  agent.go();
  EXPECT_EQ(agent.puller->links(), 1u);
  agent.ack_all(taker);
  agent.go();
  EXPECT_EQ(fresh.count(Is::done), 3u);
  EXPECT_EQ(agent.puller->links(), 0u);
  agent.members.queues[0].may_pull.clear();
  agent.members.agents[0].draining = false;
  agent.puller->apply(agent.members);
  agent.go();
  EXPECT_EQ(draining.dials, 0);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, APodThatIsMissingForAMomentKeepsItsLinkAndGetsItsAcks) {
  FakeOrigin& origin = agent.add_origin("a", 5);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  Members without = agent.members;
  without.agents.clear();
  agent.puller->apply(without);
  agent.pass(std::chrono::seconds(29));
  agent.ack(taker);
  agent.go();
  EXPECT_EQ(origin.count(Is::done), 1u);
  EXPECT_EQ(origin.count(Is::leased), 1u);  // nothing new
  agent.puller->apply(agent.members);
  agent.pass(std::chrono::seconds(2));
  EXPECT_EQ(origin.dials, 1);
  EXPECT_EQ(origin.pulls.size(), 2u);
  EXPECT_EQ(taker.bodies.back(), "a/3");
  agent.puller->apply(without);
  agent.pass(std::chrono::milliseconds(30'200));
  EXPECT_EQ(agent.puller->links(), 0u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, AGracefulEndGivesBackWhatIsKeptAndSettlesWhatIsHeld) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  Taker holder(1);
  Taker leaver(3);
  orders().add_consumer(holder);
  agent.go();
  orders().add_consumer(leaver);
  agent.go();
  origin.answers = false;
  orders().remove_consumer(leaver);
  origin.put_some(1);  // with the credit that it still has
  while (agent.dialer.run_once()) {}
  agent.end_turn();
  ASSERT_EQ(agent.puller->books(orders()).kept, 1u);
  origin.confirms = false;
  agent.puller->stop();
  agent.puller->stop();
  EXPECT_FALSE(agent.puller->is_settled());
  agent.go();
  EXPECT_EQ(origin.count(Is::ready), 1u);
  EXPECT_EQ(origin.messages[2].count, 0u);
  EXPECT_FALSE(agent.puller->is_settled());
  origin.confirm_settles();
  agent.go();
  EXPECT_TRUE(agent.puller->is_settled());
  agent.ack_all(holder);
  EXPECT_FALSE(agent.puller->is_settled());
  agent.puller->apply(agent.policy);
  agent.puller->apply(agent.members);
  agent.go();
  EXPECT_EQ(origin.count(Is::done), 1u);
  EXPECT_FALSE(agent.puller->is_settled());
  origin.confirm_settles();
  agent.go();
  EXPECT_TRUE(agent.puller->is_settled());
  EXPECT_EQ(agent.puller->links(), 0u);
  EXPECT_EQ(origin.pulls.size(), 1u);
  orders().remove_consumer(holder);
}

TEST_F(PullerTest, AGracefulEndWaitsForNobodyWhoIsOutOfReach) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  Taker taker(1);
  orders().add_consumer(taker);
  agent.go();
  origin.is_up = false;
  agent.dialer.cut(origin);
  agent.ack_all(taker);
  agent.puller->stop();
  EXPECT_FALSE(agent.puller->is_settled());
  agent.pass(std::chrono::seconds(5));
  EXPECT_TRUE(agent.puller->is_settled());
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, TheNameOfAQueueComesBackWithAnotherUid) {
  FakeOrigin& origin = agent.add_origin("a", 3);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  Policy none;
  none.tombstones = {"uid-orders"};
  EXPECT_TRUE(agent.registry->apply(none));
  agent.puller->apply(none);
  agent.policy.queues[0].uid = agent.members.queues[0].uid = "uid-2";
  EXPECT_TRUE(agent.registry->apply(agent.policy));
  agent.orders = agent.find("orders");
  agent.puller->apply(agent.policy);
  agent.puller->apply(agent.members);
  Taker next(2);
  orders().add_consumer(next);
  origin.says(LinkEnd{"orders", "deleted"});  // of the one before, crossing our stop
  agent.pass(std::chrono::seconds(1));
  EXPECT_EQ(origin.dials, 1);
  ASSERT_EQ(origin.pulls.size(), 2u);
  EXPECT_EQ(origin.pulls[1].uid, "uid-2");
  EXPECT_EQ(next.got.size(), 2u);
  orders().remove_consumer(next);
}

TEST_F(PullerTest, AQueueThatTheOriginEndsIsAskedForAgainLater) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  Taker taker(3);
  orders().add_consumer(taker);
  agent.go();
  origin.says(LinkEnd{"orders", "parked"});
  origin.is_pulled = false;
  agent.go();
  origin.put_some(1);
  agent.pass(std::chrono::seconds(4));
  EXPECT_EQ(origin.pulls.size(), 1u);
  agent.pass(std::chrono::seconds(2));
  EXPECT_EQ(origin.pulls.size(), 2u);
  EXPECT_EQ(taker.got.size(), 2u);
  orders().remove_consumer(taker);
}

TEST_F(PullerTest, TheQueueGoesWhileItIsPulled) {
  FakeOrigin& origin = agent.add_origin("a", 3);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  Policy none;
  none.tombstones = {"uid-orders"};
  EXPECT_TRUE(agent.registry->apply(none));
  agent.puller->apply(none);
  agent.go();
  EXPECT_EQ(origin.count(Is::ready), 3u);
  EXPECT_EQ(agent.puller->links(), 0u);
}

TEST_F(PullerTest, CanGoInEveryState) {
  FakeOrigin& origin = agent.add_origin("a", 3);
  origin.put(std::string(900'000, 'x'));
  for (int steps = 0; steps < 14; ++steps) {
    PullerOptions options;
    options.pod_uid = "me";
    agent.puller.reset();
    agent.puller = std::make_unique<Puller>(*agent.registry, agent.dialer, agent.clock, options);
    agent.puller->apply(agent.members);
    agent.puller->apply(agent.policy);
    Taker taker(10);
    orders().add_consumer(taker);
    ask();
    for (int i = 0; i < steps; ++i) {
      agent.end_turn();
      agent.dialer.run_once();
    }
    agent.puller.reset();
    EXPECT_TRUE(answered);
    for (const auto& delivery : taker.got) EXPECT_TRUE(orders().ack(delivery.receipt));
    EXPECT_TRUE(!got || orders().ack(got->receipt));
    got.reset();
    orders().remove_consumer(taker);
    agent.turn();
  }
}

TEST_F(PullerTest, ShowsItsNumbers) {
  FakeOrigin& origin = agent.add_origin("a", 10);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  agent.ack_all(taker);
  agent.go();
  origin.put_some(1);
  agent.go();
  int shown = 0;
  agent.puller->show([&](std::string_view peer, std::string_view direction, const LinkNumbers& n) {
    ++shown;
    EXPECT_EQ(peer, "a");
    EXPECT_EQ(direction, "pull");
    EXPECT_EQ(n.lag_messages, 7u);
    EXPECT_EQ(n.moved, 2u);
    EXPECT_DOUBLE_EQ(n.oldest_age_seconds, 0.005);
  });
  EXPECT_EQ(shown, 1);
  orders().remove_consumer(taker);
}

// Else the loop would not rest until then.
TEST_F(PullerTest, NothingIsDueThatIsNotDoneWhenItIsDue) {
  FakeOrigin& origin = agent.add_origin("a", 1);
  Taker taker(2);
  orders().add_consumer(taker);
  agent.go();
  agent.clock.advance(std::chrono::milliseconds(50));
  origin.says(LinkEnd{"orders", "parked"});
  agent.go();
  for (int rounds = 0; rounds < 600; ++rounds) {
    agent.clock.advance(std::chrono::milliseconds(10));
    agent.puller->on_time(agent.clock.now());
    agent.go();
    const auto next = agent.puller->deadline();
    ASSERT_TRUE(!next || *next > agent.clock.now()) << rounds;
  }
  orders().remove_consumer(taker);
}

}  // namespace
}  // namespace pannier::forward
