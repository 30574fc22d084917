#include "tests/forward/link_fixture.h"

namespace pannier::forward {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class LinkChannelTest : public LinkTest {};

TEST_F(LinkChannelTest, SendsNothingBeforeThereIsCredit) {
  publish("orders", {"a", "b"});
  Script link = open_link();
  EXPECT_EQ(pulls(link, "orders").ready, 2u);
  agent.turn();
  link.gets_nothing();
}

TEST_F(LinkChannelTest, DeliversInOrderWhatItsCreditAllows) {
  publish("orders", {"a", "b", "c"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 2);
  const auto first = expect_delivery(link, "orders", "a");
  EXPECT_EQ(first.routing_key, "orders");
  EXPECT_EQ(first.delivery_count, 0);
  EXPECT_FALSE(first.redelivered);
  const auto second = expect_delivery(link, "orders", "b");
  EXPECT_EQ(second.sequence, first.sequence + 1);
  passes(kReadyInterval);
  expect_ready(link, "orders", 1);
  link.gets_nothing();
  gives(link, "orders", 3);
  expect_delivery(link, "orders", "c");
}

TEST_F(LinkChannelTest, TakesCreditBackThatIsNotUsedYet) {
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 10);
  publish("orders", {"a"});
  expect_delivery(link, "orders", "a");
  gives(link, "orders", 0);
  publish("orders", {"b", "c"});
  EXPECT_EQ(expect_ready(link, "orders", 1).limit, 0u);
  gives(link, "orders", 2);
  expect_delivery(link, "orders", "b");
  agent.turn();
  link.gets_nothing();
}

TEST_F(LinkChannelTest, SaysHowOldTheOldestMessageIs) {
  Script link = open_link();
  pulls(link, "orders");
  agent.clock.set_wall_ms(5'001);  // the harness publishes at 1
  publish("orders", {"a"});
  EXPECT_EQ(expect_ready(link, "orders", 1).oldest_age, 5'000u);
  gives(link, "orders", 1);
  EXPECT_EQ(expect_delivery(link, "orders", "a").age, 5'000u);
}

TEST_F(LinkChannelTest, AnnouncesTheFirstMessageAtOnceAndChangesEvery100Milliseconds) {
  Script link = open_link();
  pulls(link, "orders");
  EXPECT_FALSE(link.session().deadline());
  publish("orders", {"a"});
  expect_ready(link, "orders", 1);
  publish("orders", {"b", "c"});
  link.gets_nothing();
  EXPECT_EQ(link.session().deadline(), agent.clock.now() + kReadyInterval);
  passes(kReadyInterval - std::chrono::milliseconds(1));
  link.gets_nothing();
  passes(std::chrono::milliseconds(1));
  expect_ready(link, "orders", 3);
  passes(std::chrono::seconds(10));
  link.gets_nothing();
  EXPECT_FALSE(link.session().deadline());
  publish("orders", {"d"});
  expect_ready(link, "orders", 4);
}

TEST_F(LinkChannelTest, ForgetsAnAnnouncementThatIsNoLongerNews) {
  publish("orders", {"a"});
  Script link = open_link();
  pulls(link, "orders");
  publish("orders", {"b"});
  const auto got = agent.get(*agent.find("orders"), true);
  ASSERT_TRUE(got);
  EXPECT_FALSE(link.session().deadline());
  passes(kReadyInterval);
  link.gets_nothing();
}

TEST_F(LinkChannelTest, SaysThatNothingIsLeft) {
  publish("orders", {"a"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 1);
  expect_delivery(link, "orders", "a");
  passes(kReadyInterval);
  expect_ready(link, "orders", 0);
}

TEST_F(LinkChannelTest, AnswersWhoAsksOnceNothingMoreCanBeDelivered) {
  publish("orders", {"a", "b"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 1, true);
  expect_delivery(link, "orders", "a");
  EXPECT_EQ(expect_ready(link, "orders", 1).limit, 1u);
  gives(link, "orders", 10, true);
  expect_delivery(link, "orders", "b");
  EXPECT_EQ(expect_ready(link, "orders", 0).limit, 10u);
  gives(link, "orders", 10, true);
  expect_ready(link, "orders", 0);
  gives(link, "orders", 10);
  link.gets_nothing();
}

TEST_F(LinkChannelTest, APausedQueueHasNothingReady) {
  publish("orders", {"a"});
  Script link = open_link();
  EXPECT_EQ(pulls(link, "orders").ready, 1u);
  policy.queues[0].paused = true;
  policy.queues[0].generation = 2;
  passes(kReadyInterval);
  apply();
  expect_ready(link, "orders", 0);
  gives(link, "orders", 5, true);
  expect_ready(link, "orders", 0);
  policy.queues[0].paused = false;
  policy.queues[0].generation = 3;
  apply();
  expect_delivery(link, "orders", "a");
}

TEST_F(LinkChannelTest, LocalConsumersComeFirst) {
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 100);
  Script app(agent);
  app.opens();
  app.sends(1, amqp::BasicQos{0, 2, false});
  app.gets<amqp::BasicQosOk>(1);
  app.sends(1, amqp::consume_of("orders", "here"));
  app.gets<amqp::BasicConsumeOk>(1);
  publish("orders", {"a", "b", "c"});
  app.gets<amqp::BasicDeliver>(1);
  EXPECT_EQ(app.gets_content(1).body, "a");
  app.gets<amqp::BasicDeliver>(1);
  EXPECT_EQ(app.gets_content(1).body, "b");
  expect_delivery(link, "orders", "c");
}

TEST_F(LinkChannelTest, SeveralQueuesShareALink) {
  publish("orders", {"a", "b"});
  publish("mail", {"x"});
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  gives(link, "mail", 5);
  expect_delivery(link, "mail", "x");
  gives(link, "orders", 1);
  expect_delivery(link, "orders", "a");
  link.sends(kPullChannel, LinkStop{"orders"});
  gives(link, "orders", 5);
  publish("mail", {"y"});
  expect_delivery(link, "mail", "y");
  link.gets_nothing();
}

TEST_F(LinkChannelTest, GoesOnAfterAStop) {
  publish("orders", {"a", "b", "c"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 2);
  const auto a = expect_delivery(link, "orders", "a");
  const auto b = expect_delivery(link, "orders", "b");
  link.sends(kPullChannel, LinkStop{"orders"});
  EXPECT_EQ(status("orders").unacked, 2u);
  // It still holds b; a came after it had stopped, and was thrown away.
  const auto ok = pulls(link, "orders", {receipt_of(b)});
  EXPECT_EQ(ok.kept, pack_receipts(std::vector{receipt_of(b)}));
  EXPECT_EQ(ok.ready, 2u);
  gives(link, "orders", 2);
  agent.turn();
  EXPECT_TRUE(expect_delivery(link, "orders", "a").redelivered);
  expect_delivery(link, "orders", "c");
  settles(link, "orders", How::ack, {receipt_of(a), receipt_of(b)});
  EXPECT_EQ(status("orders").unacked, 2u);
}

TEST_F(LinkChannelTest, WhatItHoldsAfterAStopIsStillSettled) {
  publish("orders", {"a"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 1);
  const auto a = expect_delivery(link, "orders", "a");
  link.sends(kPullChannel, LinkStop{"orders"});
  settles(link, "orders", How::ack, {receipt_of(a)});
  agent.turn();
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 1u);
  EXPECT_TRUE(agent.find("orders")->empty());
}

}  // namespace
}  // namespace pannier::forward
