#include "tests/forward/link_fixture.h"

namespace pannier::forward {
namespace {

using amqp::letters;

class LinkSettleTest : public LinkTest {
 protected:
  // The first messages of "orders", over a link that has credit for so many.
  std::vector<Receipt> takes(Script& link, const std::vector<std::string>& bodies) {
    std::vector<Receipt> receipts;
    for (const std::string& body : bodies)
      receipts.push_back(receipt_of(expect_delivery(link, "orders", body)));
    return receipts;
  }
  std::vector<Receipt> pulls_all(Script& link, const std::vector<std::string>& bodies) {
    publish("orders", bodies);
    pulls(link, "orders");
    gives(link, "orders", bodies.size());
    return takes(link, bodies);
  }
  void expect_settled(Script& link, std::uint64_t count) {
    agent.turn();
    EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, count);
  }
};

TEST_F(LinkSettleTest, AnswersOnceTheSettlesAreSynced) {
  Script link = open_link();
  const auto held = pulls_all(link, {"a", "b", "c"});
  link.forgets();
  settles(link, "orders", How::ack, {held[0]});
  settles(link, "orders", How::ack, {held[1], held[2]});
  link.gets_nothing();
  expect_settled(link, 2);
  EXPECT_TRUE(agent.find("orders")->empty());
  settles(link, "orders", How::ack, {held[0]});
  expect_settled(link, 3);
  link.gets_nothing();
}

TEST_F(LinkSettleTest, WhatWasSaidToBeDurableIsGoneAfterACrash) {
  Script link = open_link();
  const auto held = pulls_all(link, {"a", "b"});
  settles(link, "orders", How::ack, {held[0]});
  expect_settled(link, 1);
  const auto after = disk.restart(1);
  amqp::AmqpHarness again(*after);
  EXPECT_TRUE(again.registry->apply(policy));
  again.turn();
  EXPECT_EQ(again.find("orders")->status().ready, 1u);
}

TEST_F(LinkSettleTest, ACountedReturnComesBackToItsPlaceWithItsCount) {
  Script link = open_link();
  const auto held = pulls_all(link, {"a", "b", "c"});
  link.forgets();
  settles(link, "orders", How::failed, {held[1]});
  settles(link, "orders", How::give_back, {held[0]});
  expect_settled(link, 2);
  link.forgets();
  gives(link, "orders", 5);
  const auto a = expect_delivery(link, "orders", "a");
  EXPECT_EQ(a.delivery_count, 0);
  EXPECT_TRUE(a.redelivered);
  EXPECT_NE(a.delivery, held[0].delivery);
  EXPECT_EQ(expect_delivery(link, "orders", "b").delivery_count, 1);
}

// On a queue with a backoff what was said of the delay goes before it.
TEST_F(LinkSettleTest, AFailureIsHeldBackForAsLongAsItsConsumerSays) {
  Script link = open_link();
  const auto held = pulls_all(link, {"a", "b", "c"});
  const auto queue = agent.find("orders");
  queue::QueueSettings settings = queue->settings();
  settings.backoff = settings.backoff_max = std::chrono::seconds(10);
  queue->change(settings);
  const auto fails = [&](const Receipt& receipt, bool has_delay, std::uint64_t delay) {
    link.sends(kPullChannel,
               LinkFail{"orders", has_delay, true, delay, "no", pack_receipts({{receipt}})});
  };
  link.forgets();
  fails(held[0], true, 30'000);
  fails(held[1], false, 0);
  fails(held[2], true, 0);
  expect_settled(link, 3);
  gives(link, "orders", 10);
  EXPECT_EQ(expect_delivery(link, "orders", "c").delivery_count, 1);
  link.gets_nothing();
  EXPECT_EQ(queue->status().delayed, 2u);
  agent.clock.advance(std::chrono::seconds(11));
  agent.registry->on_time(agent.clock.now());
  EXPECT_EQ(queue->status().delayed, 1u);
  fails(held[0], true, UINT64_MAX);
  const auto after = disk.restart(1);
  amqp::AmqpHarness again(*after);
  EXPECT_TRUE(again.registry->apply(policy));
  again.turn();
  EXPECT_EQ(again.find("orders")->status().delayed, 2u) << "durable, as it was said";
}

TEST_F(LinkSettleTest, ADiscardedMessageIsGone) {
  Script link = open_link();
  const auto held = pulls_all(link, {"a"});
  settles(link, "orders", How::discard, held);
  expect_settled(link, 1);
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(LinkSettleTest, WhatIsNotItsOwnIsIgnored) {
  Script link = open_link();
  Script other = open_link("pod-2");
  const auto held = pulls_all(link, {"a"});
  settles(other, "orders", How::ack, held);
  settles(other, "no-such-queue", How::ack, held);
  expect_settled(other, 1);
  expect_settled(other, 2);
  settles(link, "mail", How::ack, held);
  settles(link, "orders", How::ack, {{held[0].sequence + 1, held[0].delivery}});
  settles(link, "orders", How::ack, {{held[0].sequence, held[0].delivery + 1}});
  settles(link, "orders", How::ack, {});
  agent.turn();
  EXPECT_EQ(status("orders").unacked, 1u);
  settles(link, "orders", How::ack, held);
  EXPECT_EQ(status("orders").unacked, 0u);
}

TEST_F(LinkSettleTest, TheOriginsAckTimeoutHolds) {
  policy.queues[0].delivery.ack_timeout = std::chrono::seconds(5);
  policy.queues[0].generation = 2;
  apply();
  Script link = open_link();
  const auto held = pulls_all(link, {"a"});
  passes(std::chrono::seconds(5));
  EXPECT_EQ(status("orders").ready, 1u);
  settles(link, "orders", How::ack, held);
  agent.turn();
  EXPECT_EQ(status("orders").ready, 1u);
}

TEST_F(LinkSettleTest, OnlyWhatHasTimedOutReturnsAndItsLateSettlesDoNothing) {
  policy.queues[0].delivery.ack_timeout = std::chrono::seconds(5);
  policy.queues[0].generation = 2;
  apply();
  Script link = open_link();
  publish("orders", {"a"});
  pulls(link, "orders");
  gives(link, "orders", 3);
  const auto a = receipt_of(expect_delivery(link, "orders", "a"));
  passes(std::chrono::seconds(3));
  link.forgets();
  publish("orders", {"b"});
  const auto b = receipt_of(expect_delivery(link, "orders", "b"));
  link.forgets();
  passes(std::chrono::seconds(2));
  link.gets<LinkReady>(kPullChannel);
  const auto again = expect_delivery(link, "orders", "a");  // with the credit that is left
  EXPECT_EQ(again.delivery_count, 1);
  EXPECT_TRUE(again.redelivered);
  link.forgets();
  std::uint64_t settled = 0;
  for (const How how : {How::ack, How::failed, How::give_back, How::discard}) {
    settles(link, "orders", how, {a});
    agent.turn();
    EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, ++settled);
  }
  EXPECT_EQ(status("orders").unacked, 2u);
  settles(link, "orders", How::ack, {b, receipt_of(again)});
  agent.turn();
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(LinkSettleTest, ABodyInPartsIsSentWholeAndSettledAfterwards) {
  const std::string body = letters(450'000);
  publish_large("orders", body);
  publish("orders", {"small"});
  Script link = open_link();
  pulls(link, "orders");
  link.sends(kPullChannel, LinkCredit{"orders", 2, false});
  agent.run();
  for (int i = 0; i < 20; ++i) {
    agent.turn();
    link.has_more();
  }
  const auto deliver = expect_delivery(link, "orders", body);
  const auto small = expect_delivery(link, "orders", "small");
  link.forgets();
  settles(link, "orders", How::ack, {receipt_of(deliver), receipt_of(small)});
  expect_settled(link, 1);
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(LinkSettleTest, WhatIsDecidedAmidABodyHappensWhenItHasBeenSent) {
  agent.context.limits.unsent_bytes = 120'000;
  const std::string body = letters(450'000);
  publish_large("orders", body);
  Script link = open_link();
  pulls(link, "orders");
  link.sends(kPullChannel, LinkCredit{"orders", 1, false});
  for (int i = 0; i < 5; ++i) agent.turn();
  ASSERT_LT(link.session().output().size(), 250'000u);
  const queue::QueuePtr queue = agent.find("orders");
  const auto deliver = link.gets<LinkDeliver>(kPullChannel);
  settles(link, "orders", How::give_back, {receipt_of(deliver)});
  EXPECT_EQ(queue->status().unacked, 1u);
  for (int i = 0; i < 20; ++i) {
    agent.turn();
    link.has_more();
  }
  EXPECT_EQ(link.gets_content(kPullChannel).body, body);
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 1u);
}

TEST_F(LinkSettleTest, QueuesTakeTurnsWhenTheOutputIsFull) {
  agent.context.limits.unsent_bytes = 30'000;
  publish("orders", std::vector<std::string>(4, letters(40'000)));
  publish("mail", std::vector<std::string>(4, letters(40'000)));
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  link.sends(kPullChannel, LinkCredit{"orders", 4, false});
  link.sends(kPullChannel, LinkCredit{"mail", 4, false});
  for (int i = 0; i < 4; ++i) {
    expect_delivery(link, "orders", letters(40'000));
    expect_delivery(link, "mail", letters(40'000));
  }
}

}  // namespace
}  // namespace pannier::forward
