#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/forward/push_harness.h"

namespace pannier::forward {
namespace {

using How = LinkTaken::How;
using testing::ElementsAre;
using namespace std::chrono_literals;

class PushLinkTest : public testing::Test {
 protected:
  PushLinkTest() { agent.pusher->drain(); }
  queue::Queue& orders() { return *agent.orders; }

  MemoryDisk disk;
  PushHarness agent{disk};
  FakeReceiver& a = agent.add("a");
};

TEST_F(PushLinkTest, DialsOnlyWhenThereIsSomethingToSay) {
  agent.pass(1s);
  EXPECT_EQ(a.dials, 0);
  agent.put_some(1);
  agent.go();
  EXPECT_EQ(a.dials, 1);
}

TEST_F(PushLinkTest, HasNoMoreOnItsWayThanTheWindowsMessages) {
  a.answers = false;
  a.window_messages = 3;
  agent.put_some(7);
  agent.go();
  EXPECT_EQ(a.got.size(), 3u);
  a.answer("orders", How::taken, 2);
  agent.go();
  EXPECT_EQ(a.got.size(), 5u);
  EXPECT_EQ(agent.pusher->unanswered(orders()), 3u);
}

TEST_F(PushLinkTest, HasNoMoreOnItsWayThanTheWindowsBytes) {
  a.answers = false;
  a.window_bytes = 1'000;
  for (int i = 0; i < 5; ++i) agent.publish("orders", std::string(400, 'x'));
  agent.go();
  EXPECT_EQ(a.got.size(), 2u);
  a.answer("orders", How::taken, 2);
  agent.go();
  EXPECT_EQ(a.got.size(), 4u);
}

TEST_F(PushLinkTest, SendsOneMessageInAnyCase) {
  a.window_messages = 0;
  a.window_bytes = 0;
  agent.put_some(3);
  agent.go();
  EXPECT_EQ(a.got.size(), 3u);
}

TEST_F(PushLinkTest, SendsTheSameAgainAfterACutBeforeAnythingElse) {
  a.answers = false;
  a.window_messages = 3;
  agent.put_some(5);
  agent.go();
  for (auto& each : a.got) {  // taken, and the answer is lost
    a.queues["orders"].mark.insert(each.put.sequence);
    a.queues["orders"].taken.push_back(each.put.sequence);
  }
  agent.dialer.cut(a);
  a.answers = true;
  agent.pass(1s);
  EXPECT_THAT(a.bodies(), ElementsAre("orders/1", "orders/2", "orders/3", "orders/1", "orders/2",
                                      "orders/3", "orders/4", "orders/5"));
  EXPECT_THAT(a.queues["orders"].taken, ElementsAre(1u, 2u, 3u, 4u, 5u));
  EXPECT_TRUE(orders().empty());
}

TEST_F(PushLinkTest, SendsLargeBodiesInPartsAndNothingBetween) {
  std::string whole;
  std::vector<std::string> parts;
  for (int i = 0; i < 6; ++i) parts.emplace_back(90'000, static_cast<char>('a' + i));
  for (const auto& part : parts) whole += part;
  agent.publish_parts(parts);
  agent.put_some(2);
  agent.go();
  ASSERT_EQ(a.got.size(), 3u);
  EXPECT_TRUE(a.got[0].body == whole);
  EXPECT_EQ(a.got[1].body, "orders/1");
  EXPECT_TRUE(orders().empty());
}

TEST_F(PushLinkTest, ReadsNoMorePartsThanLeave) {
  std::vector<std::string> parts(40, std::string(90'000, 'p'));
  agent.put_some(1);
  agent.go();
  agent.dialer.writes = false;
  agent.publish_parts(parts);
  agent.go();
  EXPECT_LT(agent.dialer.unsent_max, (1u << 20) + 200'000);
  EXPECT_GT(agent.dialer.unsent_max, 500'000u);
  agent.dialer.writes = true;
  agent.go();
  agent.pass(100ms);
  ASSERT_EQ(a.got.size(), 2u);
  EXPECT_EQ(a.got[1].body.size(), 40u * 90'000);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PushLinkTest, ALargeBodyThatWasCutBeginsAnew) {
  std::vector<std::string> parts(40, std::string(90'000, 'p'));
  agent.put_some(1);
  agent.go();
  agent.dialer.writes = false;
  agent.publish_parts(parts);
  agent.go();
  agent.dialer.cut(a);
  agent.dialer.writes = true;
  agent.pass(1s);
  EXPECT_EQ(a.got.back().body.size(), 40u * 90'000);
  EXPECT_TRUE(orders().empty());
}

TEST_F(PushLinkTest, WhatHasNoRoomInAFrameThereStaysHere) {
  a.frame_max = 4'096;
  queue::Message made = *queue::message("body", "", "orders");
  made.attributes.assign(5'000, std::byte{7});
  ASSERT_TRUE(agent.registry->publish("", "orders", std::make_shared<const queue::Message>(made)));
  agent.turn();
  agent.go();
  EXPECT_TRUE(a.got.empty());
  EXPECT_EQ(orders().status().ready, 1u);
}

TEST_F(PushLinkTest, DestroyedInTheMiddleOfABody) {
  agent.put_some(1);
  agent.go();
  agent.dialer.writes = false;
  agent.publish_parts(std::vector<std::string>(20, std::string(90'000, 'p')));
  agent.end_turn();
  agent.dialer.run_once();
  agent.registry->end_turn();
  agent.pusher->on_turn_end();
  agent.pusher.reset();
  agent.turn();
  EXPECT_EQ(orders().status().ready, 1u);
}

TEST_F(PushLinkTest, NobodyWhoKnowsNothingOfLinksGetsAnything) {
  a.knows_links = false;
  agent.put_some(1);
  agent.pass(500ms);
  EXPECT_TRUE(a.got.empty());
  EXPECT_GE(a.closes, 1);
}

// What a receiver says against the contract ends the connection, and loses nothing.
class PushLinkAgainst : public PushLinkTest {
 protected:
  template <typename Method>
  void ends_it(const Method& method, amqp::ChannelId channel = kPushChannel) {
    agent.put_some(2);
    a.answers = false;
    agent.go();
    ASSERT_EQ(a.dials, 1);
    ASSERT_EQ(a.got.size(), 2u);
    a.says(method, channel);
    agent.go();
    EXPECT_EQ(a.closes, 1);
    EXPECT_EQ(orders().status().unacked, 2u);
    a.answers = true;
    agent.pass(3s);
    EXPECT_EQ(a.dials, 2);
    EXPECT_THAT(a.queues["orders"].taken, ElementsAre(1u, 2u));
  }
  static LinkTaken taken(const std::vector<std::uint64_t>& sequences, std::uint8_t how = 0) {
    return {"orders", how, "", {packed_sequences(sequences)}};
  }
};

TEST_F(PushLinkAgainst, AnAnswerToAnUnknownSequence) { ends_it(taken({77})); }
TEST_F(PushLinkAgainst, AnAnswerOfAnUnknownKind) { ends_it(taken({}, 9)); }
TEST_F(PushLinkAgainst, SequencesThatAreCutShort) {
  ends_it(LinkTaken{"orders", 0, "", {"1234567"}});
}
TEST_F(PushLinkAgainst, AnAnswerOfAQueueThatIsNotPushed) {
  ends_it(LinkTaken{"bills", 0, "", {packed_sequences({1})}});
}
TEST_F(PushLinkAgainst, PushOkWithoutAPush) { ends_it(LinkPushOk{"orders", 1, 1}); }
TEST_F(PushLinkAgainst, TheEndOfAQueueThatIsNotPushed) { ends_it(LinkEnd{"bills", "why"}); }
TEST_F(PushLinkAgainst, AMethodOfAnOrigin) { ends_it(LinkReady{"orders", 1, 1, 1}); }
TEST_F(PushLinkAgainst, AnotherChannel) { ends_it(taken({1}), kPullChannel); }

TEST_F(PushLinkTest, AnAnswerGivenTwiceEndsTheConnection) {
  a.answers = false;
  agent.put_some(2);
  agent.go();
  a.says(LinkTaken{"orders", 0, "", {packed_sequences({1, 1})}});
  agent.go();
  EXPECT_EQ(a.closes, 1);
  EXPECT_EQ(orders().status().unacked, 1u);
}

}  // namespace
}  // namespace pannier::forward
