#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/forward/push_harness.h"

namespace pannier::forward {
namespace {

using How = LinkTaken::How;
using testing::ElementsAre;
using namespace std::chrono_literals;

class PusherTest : public testing::Test {
 protected:
  queue::Queue& orders() { return *agent.orders; }
  std::uint64_t ready() { return orders().status().ready; }
  std::uint64_t unacked() { return orders().status().unacked; }

  MemoryDisk disk;
  PushHarness agent{disk};
};

TEST_F(PusherTest, NothingOfModePeersIsPushedBeforeTheDrain) {
  FakeReceiver& a = agent.add("a");
  agent.put_some(3);
  agent.pass(2s);
  EXPECT_EQ(a.dials, 0);
  EXPECT_FALSE(agent.pusher->deadline());
  EXPECT_FALSE(agent.pusher->is_done());
}

TEST_F(PusherTest, ADrainMovesAllInOrderAndIsDoneThen) {
  FakeReceiver& a = agent.add("a");
  agent.put_some(250);
  agent.pusher->drain();
  agent.pusher->drain();
  agent.go();
  ASSERT_EQ(a.got.size(), 250u);
  for (std::size_t i = 0; i < 250; ++i) EXPECT_EQ(a.got[i].body, "orders/" + std::to_string(i + 1));
  EXPECT_TRUE(orders().empty());
  agent.settle_down();
  agent.go();
  EXPECT_EQ(a.queues["orders"].forgotten.size(), 250u);
  EXPECT_TRUE(a.queues["orders"].mark.empty());
  EXPECT_TRUE(agent.pusher->is_done());
  EXPECT_TRUE(a.queues["orders"].push.drains);
  EXPECT_EQ(a.queues["orders"].push.spool.text, as_text(agent.spool->id()));
  EXPECT_EQ(a.queues["orders"].push.number, orders().id());
}

// Who pauses a queue wants it to be kept; without this a pod that goes takes it along.
TEST_F(PusherTest, ADrainMovesWhatIsPausedToo) {
  FakeReceiver& a = agent.add("a");
  queue::QueueSettings paused = orders().settings();
  paused.paused = true;
  orders().change(paused);
  agent.put_some(250);
  agent.pass(2s);
  EXPECT_EQ(a.got.size(), 0u);
  agent.pusher->drain();
  EXPECT_FALSE(agent.pusher->is_done());
  agent.go();
  EXPECT_EQ(a.got.size(), 250u);
  EXPECT_TRUE(orders().empty());
  agent.settle_down();
  agent.go();
  EXPECT_TRUE(agent.pusher->is_done());
}

TEST_F(PusherTest, CarriesWhatBelongsToAMessage) {
  FakeReceiver& a = agent.add("a");
  queue::Message made = *queue::message("body", "", "orders");
  made.published = agent.clock.now_ms();
  made.attributes = Bytes{std::byte{4}, std::byte{0}, std::byte{1}, std::byte{3}};
  ASSERT_TRUE(agent.registry->publish("", "orders", std::make_shared<const queue::Message>(made)));
  agent.turn();
  const auto got = agent.get(orders());
  ASSERT_TRUE(got);
  EXPECT_TRUE(orders().give_back(got->receipt, {.counts = true}));
  agent.clock.advance(1234ms);
  agent.pusher->drain();
  agent.go();
  ASSERT_EQ(a.got.size(), 1u);
  EXPECT_EQ(a.got[0].put.delivery_count, 1);
  EXPECT_TRUE(a.got[0].put.redelivered);
  EXPECT_EQ(a.got[0].put.age, 1234u);
  EXPECT_EQ(a.got[0].put.routing_key, "orders");
  EXPECT_EQ(a.got[0].put.attributes.text, as_text(made.attributes));
}

TEST_F(PusherTest, LocalConsumersComeFirst) {
  FakeReceiver& a = agent.add("a");
  queue::TestConsumer here(2);
  orders().add_consumer(here);
  agent.pusher->drain();
  agent.go();
  agent.put_some(4);
  agent.go();
  EXPECT_EQ(here.got.size(), 2u);
  EXPECT_THAT(a.bodies(), ElementsAre("orders/3", "orders/4"));
  agent.settle_down();
  agent.go();
  EXPECT_TRUE(agent.pusher->is_done()) << "what the app has taken is the app's";
  orders().remove_consumer(here);
}

TEST_F(PusherTest, ARefusalSendsTheMessageElsewhereAndDoesNotCount) {
  FakeReceiver& full = agent.add("full", 9);
  FakeReceiver& other = agent.add("other", 1);
  full.how = How::refused;
  agent.put_some(3);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(other.got.size(), 3u);
  EXPECT_EQ(other.got[0].put.delivery_count, 0);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PusherTest, ARefusalDoesNotSpin) {
  FakeReceiver& full = agent.add("full");
  full.how = How::refused;
  agent.put_some(1);
  agent.pusher->drain();
  agent.go();
  agent.pass(900ms);
  EXPECT_EQ(full.got.size(), 1u);
  EXPECT_EQ(ready(), 1u) << "others may have it meanwhile";
  full.how = How::taken;
  agent.pass(400ms);
  EXPECT_EQ(full.got.size(), 2u);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PusherTest, WhatIsInDoubtStaysWithItsReceiver) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.answers = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  ASSERT_EQ(a.got.size(), 2u);
  a.is_up = false;
  agent.dialer.cut(a);
  agent.put_some(1);
  agent.pass(5s);
  EXPECT_THAT(b.bodies(), ElementsAre("orders/3"));
  EXPECT_EQ(agent.pusher->unanswered(orders()), 2u);
  EXPECT_FALSE(agent.pusher->is_done());
  a.is_up = a.answers = true;
  agent.pass(40s);
  EXPECT_THAT(a.queues["orders"].taken, ElementsAre(1u, 2u));
  EXPECT_EQ(b.got.size(), 1u);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PusherTest, NoTimerTakesAwayWhatIsInDoubt) {
  agent.policy.queues[0].delivery.ack_timeout = 2s;
  FakeReceiver& a = agent.add("a");
  a.answers = false;
  agent.put_some(1);
  agent.pusher->drain();
  agent.go();
  agent.pass(4s);
  EXPECT_EQ(unacked(), 1u);
  EXPECT_EQ(a.got.size(), 1u);
}

TEST_F(PusherTest, AfterTheMemberIsGoneOthersGetItFlagged) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.answers = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  agent.remove("a");
  agent.go();
  ASSERT_EQ(b.got.size(), 2u);
  EXPECT_TRUE(b.got[0].put.redelivered);
  EXPECT_EQ(b.got[0].put.delivery_count, 0);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PusherTest, GivenUpMessagesGoToOthersFlagged) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.answers = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  agent.pusher->give_up_in_doubt();
  agent.go();
  EXPECT_TRUE(b.got.empty()) << "a has just been sent them";
  agent.pass(6s);
  agent.pusher->give_up_in_doubt();
  agent.go();
  ASSERT_EQ(b.got.size(), 2u);
  EXPECT_TRUE(b.got[0].put.redelivered);
}

TEST_F(PusherTest, AReceiverThatDoesNotAnswerGetsNoMore) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.answers = false;
  a.window_messages = 2;
  agent.put_some(4);
  agent.pusher->drain();
  agent.go();
  EXPECT_TRUE(b.got.empty());
  agent.pass(6s);
  EXPECT_EQ(a.got.size(), 2u);
  EXPECT_THAT(b.bodies(), ElementsAre("orders/3", "orders/4"));
}

TEST_F(PusherTest, ForgetsOnlyWhatIsSynced) {
  FakeReceiver& a = agent.add("a");
  agent.tells_synced = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(a.queues["orders"].taken.size(), 2u);
  EXPECT_TRUE(a.queues["orders"].forgotten.empty());
  EXPECT_FALSE(agent.pusher->is_done());
  agent.tells_synced = true;
  agent.settle_down();
  agent.pusher->on_synced(agent.spool->synced_commit());
  agent.go();
  EXPECT_THAT(a.queues["orders"].forgotten, ElementsAre(1u, 2u));
  EXPECT_TRUE(agent.pusher->is_done());
}

TEST_F(PusherTest, ForgetsNothingWhileItsSettleIsOnItsWayToTheDisk) {
  FakeReceiver& a = agent.add("a");
  agent.put_some(1);
  agent.pusher->drain();
  for (int i = 0; i < 20 && a.queues["orders"].taken.empty(); ++i) {
    agent.end_turn();
    agent.dialer.run_once();
  }
  ASSERT_TRUE(orders().empty());
  agent.pusher->on_turn_end();  // the committer has not run
  agent.pusher->on_synced(0);
  agent.pusher->on_turn_end();
  agent.dialer.run_once();
  EXPECT_TRUE(a.queues["orders"].forgotten.empty());
  agent.go();
  EXPECT_THAT(a.queues["orders"].forgotten, ElementsAre(1u));
}

TEST_F(PusherTest, TheFloorCountsWhatIsNotDurablySettled) {
  FakeReceiver& a = agent.add("a");
  agent.tells_synced = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  agent.dialer.cut(a);
  agent.put_some(1);
  agent.pass(1s);
  EXPECT_EQ(a.queues["orders"].pushes, 2);
  EXPECT_EQ(a.queues["orders"].push.floor, 1u);
  EXPECT_EQ(a.queues["orders"].taken.size(), 3u);
}

TEST_F(PusherTest, TheFloorIsTheLowestThatIsLeft) {
  FakeReceiver& a = agent.add("a");
  agent.put_some(5);
  const auto first = agent.get(orders(), true);
  const auto second = agent.get(orders());
  ASSERT_TRUE(second);
  EXPECT_EQ(orders().lowest(), 2u);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(a.queues["orders"].push.floor, 2u);
  EXPECT_TRUE(orders().ack(second->receipt));
  EXPECT_EQ(orders().lowest(), 6u);
}

TEST_F(PusherTest, AMemberWithConsumersComesFirstThenTheYoungest) {
  FakeReceiver& old = agent.add("old", 1);
  FakeReceiver& young = agent.add("young", 9);
  FakeReceiver& keen = agent.add("keen", 2);
  agent.pulls.emplace("keen", "orders");
  keen.answers = false;
  keen.window_messages = 1;
  agent.put_some(3);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(keen.got.size(), 1u);
  EXPECT_EQ(agent.pusher->target_of(orders()), "keen");
  agent.pulls.clear();
  agent.pass(300ms);
  EXPECT_EQ(keen.got.size(), 1u);
  EXPECT_EQ(young.got.size(), 2u);
  EXPECT_EQ(old.dials, 0);
}

TEST_F(PusherTest, ADrainingMemberAndOneThatMayNotReceiveGetNothing) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 8);
  FakeReceiver& c = agent.add("c", 1);
  agent.agent("a").draining = true;
  std::erase(agent.members.queues[0].may_receive, "b");
  agent.members.queues[0].may_receive.push_back("me");
  agent.apply();
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(a.dials + b.dials, 0);
  EXPECT_EQ(c.got.size(), 2u);
}

TEST_F(PusherTest, AReceiverThatStartsToDrainGetsNoMoreAndIsTold) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  agent.pusher->drain();
  agent.put_some(1);
  agent.go();
  EXPECT_EQ(a.got.size(), 1u);
  agent.agent("a").draining = true;
  agent.apply();
  agent.settle_down();
  agent.put_some(1);
  agent.go();
  EXPECT_EQ(a.got.size(), 1u);
  EXPECT_EQ(b.got.size(), 1u);
  EXPECT_EQ(a.queues["orders"].stops, 1);
  EXPECT_TRUE(a.queues["orders"].mark.empty()) << "told what to forget before the stop";
  EXPECT_EQ(agent.pusher->links(), 1u);
}

TEST_F(PusherTest, APushThatHasEndedIsStillAnswered) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.answers = false;
  agent.put_some(3);
  agent.pusher->drain();
  agent.go();
  a.says(LinkEnd{"orders", "it is ending"});
  a.answer("orders", How::taken, 1);
  a.answer("orders", How::refused);
  agent.go();
  EXPECT_EQ(a.dials, 1);
  EXPECT_THAT(b.bodies(), ElementsAre("orders/2", "orders/3"));
  EXPECT_TRUE(orders().empty());
}

TEST_F(PusherTest, WhatIsSentAgainIsFlagged) {
  FakeReceiver& a = agent.add("a");
  a.answers = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  agent.dialer.cut(a);
  agent.pass(1s);
  ASSERT_EQ(a.got.size(), 4u);
  for (std::size_t at = 0; at < 4; ++at) EXPECT_EQ(a.got[at].put.redelivered, at >= 2) << at;
}

TEST_F(PusherTest, TheFloorCountsWhatAnEarlierLinkHasTaken) {
  FakeReceiver& a = agent.add("a");
  const Members with_a = agent.members;
  agent.tells_synced = false;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  agent.remove("a");
  agent.put_some(1);
  agent.go();
  agent.members = with_a;
  agent.apply();
  agent.go();
  EXPECT_EQ(a.queues["orders"].pushes, 2);
  EXPECT_EQ(a.queues["orders"].push.floor, 1u);
}

TEST_F(PusherTest, AnEndedQueueGoesElsewhere) {
  FakeReceiver& a = agent.add("a", 9);
  FakeReceiver& b = agent.add("b", 1);
  a.takes_none = true;
  agent.put_some(2);
  agent.pusher->drain();
  agent.go();
  EXPECT_TRUE(a.got.empty());
  EXPECT_EQ(b.got.size(), 2u);
}

TEST_F(PusherTest, LocalAndUngovernedQueuesStay) {
  agent.add_queue("local", ForwardMode::local);
  agent.declare("mine");
  FakeReceiver& a = agent.add("a", 1, true);
  for (const char* name : {"local", "mine"}) agent.put_some(2, name);
  agent.pusher->drain();
  agent.go();
  agent.pass(1s);
  EXPECT_TRUE(a.got.empty());
  EXPECT_TRUE(agent.pusher->is_done());
}

TEST_F(PusherTest, APausedQueueOfHostsStaysUntilItGoesOn) {
  agent.add_queue("paused", ForwardMode::hosts).paused = true;
  FakeReceiver& a = agent.add("a", 1, true);
  agent.put_some(2, "paused");
  agent.go();
  agent.pass(1s);
  EXPECT_TRUE(a.got.empty());
  agent.policy.queues.back().paused = false;
  agent.apply();
  agent.go();
  EXPECT_EQ(a.got.size(), 2u);
}

TEST_F(PusherTest, IsDoneWhenThereIsNobodyToPushTo) {
  agent.put_some(2);
  EXPECT_FALSE(agent.pusher->is_done());
  agent.pusher->drain();
  agent.go();
  EXPECT_TRUE(agent.pusher->is_done());
  FakeReceiver& a = agent.add("a");
  EXPECT_FALSE(agent.pusher->is_done());
  agent.go();
  EXPECT_EQ(a.got.size(), 2u);
}

TEST_F(PusherTest, ItsEndGivesEverythingBackUncounted) {
  FakeReceiver& a = agent.add("a");
  a.answers = false;
  agent.put_some(3);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(unacked(), 3u);
  agent.pusher.reset();
  agent.turn();
  EXPECT_EQ(ready(), 3u);
  const auto got = agent.get(orders());
  ASSERT_TRUE(got);
  EXPECT_EQ(got->delivery_count, 0);
  EXPECT_TRUE(got->redelivered);
}

TEST_F(PusherTest, AQueueThatIsDeletedInTheMiddleIsLetGo) {
  FakeReceiver& a = agent.add("a");
  a.answers = false;
  agent.put_some(3);
  agent.pusher->drain();
  agent.go();
  agent.policy.queues.clear();
  agent.policy.tombstones = {"uid-orders"};
  agent.apply();
  agent.go();
  a.answer("orders", How::taken);
  agent.go();
  agent.pass(1s);
  EXPECT_TRUE(agent.orders->is_gone());
  EXPECT_EQ(agent.pusher->unanswered(orders()), 0u);
  EXPECT_EQ(agent.pusher->links(), 0u);
}

TEST(PusherToHosts, PushesAlwaysToTheHostThatAllAgree) {
  MemoryDisk disk;
  PushHarness agent(disk, ForwardMode::hosts);
  FakeReceiver& peer = agent.add("peer", 99, false);
  FakeReceiver& one = agent.add("h1", 1, true);
  FakeReceiver& two = agent.add("h2", 2, true);
  agent.put_some(2);
  agent.go();
  FakeReceiver& chosen = one.got.empty() ? two : one;
  FakeReceiver& next = one.got.empty() ? one : two;
  EXPECT_EQ(chosen.got.size(), 2u);
  EXPECT_FALSE(chosen.queues["orders"].push.drains);
  EXPECT_EQ(next.dials + peer.dials, 0);
  chosen.is_up = false;
  agent.dialer.cut(chosen);
  agent.put_some(1);
  agent.pass(2s);
  EXPECT_EQ(next.got.size(), 1u);
  chosen.is_up = true;
  agent.pass(40s);
  agent.put_some(1);
  agent.go();
  EXPECT_EQ(chosen.got.size(), 3u) << "back where it belongs";
}

TEST(PusherToHosts, AHostPushesOnlyWhenItDrains) {
  MemoryDisk disk;
  PushHarness agent(disk, ForwardMode::hosts);
  agent.agent("me").host = true;
  FakeReceiver& other = agent.add("h2", 2, true);
  agent.put_some(1);
  agent.pass(1s);
  EXPECT_EQ(other.dials, 0);
  agent.pusher->drain();
  agent.go();
  EXPECT_EQ(other.got.size(), 1u);
}

TEST(PusherToHosts, ADrainIsToldToAHostThatIsPushedTo) {
  MemoryDisk disk;
  PushHarness agent(disk, ForwardMode::hosts);
  FakeReceiver& host = agent.add("h", 2, true);
  agent.put_some(1);
  agent.go();
  agent.settle_down();
  agent.pusher->drain();
  agent.put_some(1);
  agent.go();
  agent.pass(300ms);
  EXPECT_TRUE(host.queues["orders"].push.drains);
  EXPECT_EQ(host.queues["orders"].stops, 1);
  EXPECT_EQ(host.got.size(), 2u);
}

TEST(PusherToHosts, ModesChangeLive) {
  MemoryDisk disk;
  PushHarness agent(disk);
  FakeReceiver& host = agent.add("h", 2, true);
  agent.put_some(2);
  agent.go();
  EXPECT_EQ(host.dials, 0);
  agent.policy.queues[0].forward_mode = ForwardMode::hosts;
  agent.apply();
  agent.go();
  EXPECT_EQ(host.got.size(), 2u);
  agent.policy.queues[0].forward_mode = ForwardMode::local;
  agent.apply();
  agent.put_some(1);
  agent.settle_down();
  agent.go();
  EXPECT_EQ(host.got.size(), 2u);
  EXPECT_EQ(agent.orders->consumers(), 0u);
  EXPECT_EQ(agent.pusher->links(), 0u);
}

}  // namespace
}  // namespace pannier::forward
