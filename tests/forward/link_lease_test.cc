#include "tests/forward/link_fixture.h"

namespace pannier::forward {
namespace {

using amqp::letters;
using namespace std::chrono_literals;

// Links that are cut, and what becomes of what they held.
class LinkLeaseTest : public LinkTest {
 protected:
  std::vector<Receipt> pulls_and_is_cut(Script& link, const std::vector<std::string>& bodies) {
    const auto held = pulls_all(link, bodies);
    link.hangs_up();
    agent.turn();
    return held;
  }
  std::vector<Receipt> pulls_all(Script& link, const std::vector<std::string>& bodies) {
    publish("orders", bodies);
    pulls(link, "orders");
    gives(link, "orders", bodies.size());
    std::vector<Receipt> held;
    for (const std::string& body : bodies)
      held.push_back(receipt_of(expect_delivery(link, "orders", body)));
    return held;
  }
};

TEST_F(LinkLeaseTest, WhatACutLinkHeldStaysLeasedFor30Seconds) {
  Script link = open_link();
  pulls_and_is_cut(link, {"a", "b"});
  EXPECT_EQ(leases.links(), 0u);
  EXPECT_EQ(leases.receipts(), 2u);
  EXPECT_EQ(leases.deadline(), agent.clock.now() + 30s);
  passes(29'999ms);
  EXPECT_EQ(status("orders").unacked, 2u);
  passes(1ms);
  EXPECT_EQ(status("orders").ready, 2u);
  EXPECT_EQ(leases.receipts(), 0u);
  EXPECT_FALSE(leases.deadline());
  const auto again = agent.get(*agent.find("orders"));  // it was no consumer's fault
  ASSERT_TRUE(again);
  EXPECT_EQ(again->delivery_count, 0);
  EXPECT_TRUE(again->redelivered);
}

TEST_F(LinkLeaseTest, WhoComesBackInTimeKeepsWhatItNames) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a", "b", "c"});
  passes(20s);
  Script link = open_link();
  const auto ok = pulls(link, "orders", {held[2], held[0]});
  EXPECT_EQ(ok.kept, pack_receipts(std::vector{held[2], held[0]}));
  EXPECT_EQ(ok.ready, 1u);
  EXPECT_EQ(leases.receipts(), 0u);
  passes(3600s);
  EXPECT_EQ(status("orders").unacked, 2u);
  gives(link, "orders", 10);
  const auto b = expect_delivery(link, "orders", "b");
  EXPECT_EQ(b.delivery_count, 0);
  EXPECT_TRUE(b.redelivered);
  link.forgets();
  settles(link, "orders", How::ack, {held[0], held[2], receipt_of(b)});
  agent.turn();
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 1u);
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(LinkLeaseTest, TheAckTimeoutBeginsAnewForWhatIsKept) {
  policy.queues[0].delivery.ack_timeout = 60s;
  policy.queues[0].generation = 2;
  apply();
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a"});
  passes(20s);
  Script link = open_link();
  pulls(link, "orders", held);
  passes(59s);
  EXPECT_EQ(status("orders").unacked, 1u);
  passes(1s);
  EXPECT_EQ(status("orders").ready, 1u);
}

TEST_F(LinkLeaseTest, WhoNamesNothingGetsEverythingAgainAtOnce) {
  Script cut = open_link();
  pulls_and_is_cut(cut, {"a", "b"});
  Script link = open_link();
  const auto ok = pulls(link, "orders");
  EXPECT_EQ(ok.kept.text, "");
  EXPECT_EQ(ok.ready, 2u);
  gives(link, "orders", 2);
  EXPECT_EQ(expect_delivery(link, "orders", "a").delivery_count, 0);
  EXPECT_EQ(expect_delivery(link, "orders", "b").delivery_count, 0);
}

TEST_F(LinkLeaseTest, WhoComesTooLateIsToldSo) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a"});
  passes(30s);
  Script other = open_link("pod-2");
  pulls(other, "orders");
  gives(other, "orders", 1);
  expect_delivery(other, "orders", "a");
  Script link = open_link();
  EXPECT_EQ(pulls(link, "orders", held).kept.text, "");
  settles(link, "orders", How::ack, held);
  agent.turn();
  EXPECT_EQ(status("orders").unacked, 1u);
}

TEST_F(LinkLeaseTest, UnknownAndDoubleReceiptsAreNotKept) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a"});
  Script link = open_link();
  const Receipt wrong_sequence{held[0].sequence + 1, held[0].delivery};
  const auto ok = pulls(link, "orders", {{7, 7}, held[0], held[0], {0, 0}});
  EXPECT_EQ(ok.kept, pack_receipts(held));
  link.hangs_up();
  Script again = open_link();
  EXPECT_EQ(pulls(again, "orders", {wrong_sequence}).kept.text, "");
  EXPECT_EQ(status("orders").unacked + status("orders").ready, 1u);
}

TEST_F(LinkLeaseTest, AnotherPodGetsNothingOfIt) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a"});
  Script thief = open_link("pod-2");
  EXPECT_EQ(pulls(thief, "orders", held).kept.text, "");
  settles(thief, "orders", How::discard, held);
  thief.forgets();
  gives(thief, "orders", 5, true);
  thief.gets<LinkReady>(kPullChannel);
  EXPECT_EQ(status("orders").unacked, 1u);
}

TEST_F(LinkLeaseTest, LateSettlesAreUnderstoodWithoutAPull) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a", "b"});
  Script link = open_link();
  settles(link, "orders", How::ack, {held[0]});
  settles(link, "orders", How::failed, {held[1]});
  agent.turn();
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 2u);
  EXPECT_EQ(status("orders").ready, 1u);
  EXPECT_EQ(status("orders").unacked, 0u);
  EXPECT_EQ(leases.receipts(), 0u);
}

TEST_F(LinkLeaseTest, ASecondLinkTakesOverFromOneThatIsHalfDead) {
  Script half_dead = open_link();
  const auto held = pulls_all(half_dead, {"a", "b"});
  publish("orders", {"c"});
  half_dead.forgets();
  Script link = open_link();
  expect_connection_error(half_dead, 320);
  EXPECT_EQ(leases.links(), 1u);
  EXPECT_EQ(pulls(link, "orders", held).kept, pack_receipts(held));
  half_dead.hangs_up();
  gives(link, "orders", 1);
  expect_delivery(link, "orders", "c");
  settles(link, "orders", How::ack, held);
  agent.turn();
  EXPECT_EQ(status("orders").unacked, 1u);
  EXPECT_EQ(leases.links(), 1u);
}

TEST_F(LinkLeaseTest, OurOwnShutdownGivesBackAtOnceAndCountsNothing) {
  Script link = open_link();
  pulls_all(link, {"a"});
  agent.context.close_all("the agent ends");
  agent.turn();
  EXPECT_EQ(leases.receipts(), 0u);
  const auto got = agent.get(*agent.find("orders"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->delivery_count, 0);
}

TEST_F(LinkLeaseTest, ALinkThatIsCutAmidABodyCanStartAgain) {
  const std::string body = letters(450'000);
  agent.context.limits.unsent_bytes = 120'000;
  publish_large("orders", body);
  Script cut = open_link();
  pulls(cut, "orders");
  cut.sends(kPullChannel, LinkCredit{"orders", 1, false});
  for (int i = 0; i < 5; ++i) agent.turn();
  ASSERT_LT(cut.session().output().size(), body.size());
  cut.hangs_up();
  EXPECT_EQ(leases.receipts(), 1u);
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 1);
  for (int i = 0; i < 20; ++i) {
    agent.turn();
    link.has_more();
  }
  const auto deliver = expect_delivery(link, "orders", body);
  EXPECT_EQ(deliver.delivery_count, 0);
  settles(link, "orders", How::ack, {receipt_of(deliver)});
  agent.turn();
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(LinkLeaseTest, AQueueOfTheSameNameIsAnotherOne) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a"});
  policy.tombstones = {"uid-of-orders"};
  policy.queues.erase(policy.queues.begin());
  apply();
  policy.tombstones.clear();
  policy.queues.push_back(governed("orders"));
  policy.queues.back().uid = "uid-of-new-orders";
  apply();
  Script link = open_link();
  link.sends(kPullChannel, LinkPull{"orders", "uid-of-new-orders", pack_receipts(held)});
  EXPECT_EQ(link.gets<LinkPullOk>(kPullChannel).kept.text, "");
  EXPECT_EQ(leases.receipts(), 0u);
}

TEST_F(LinkLeaseTest, BeyondItsLimitMessagesGoBackAtOnce) {
  LinkLeases few(agent.clock, {30s, 2});
  publish("orders", {"a", "b", "c"});
  const queue::QueuePtr queue = agent.find("orders");
  std::vector<LinkHeld> held;
  for (int i = 0; i < 3; ++i) held.push_back({agent.get(*queue)->receipt, 1});
  few.lease("pod-1", queue, held);
  EXPECT_EQ(few.receipts(), 2u);
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_FALSE(few.take_one("pod-1", "orders", held[2].receipt));
  EXPECT_TRUE(few.take_one("pod-1", "orders", held[1].receipt));
  EXPECT_EQ(few.take("pod-1", queue).size(), 1u);
  EXPECT_EQ(few.receipts(), 0u);
  EXPECT_FALSE(few.deadline());
}

TEST_F(LinkLeaseTest, WhatOthersHoldIsCountedUntilItIsSettledOrBack) {
  Script cut = open_link();
  const auto held = pulls_and_is_cut(cut, {"a", "b"});
  EXPECT_EQ(leases.held(), 2u);
  Script link = open_link();
  pulls(link, "orders", held);
  EXPECT_EQ(leases.held(), 2u);
  settles(link, "orders", How::ack, {held[0]});
  EXPECT_EQ(leases.held(), 1u);
  settles(link, "orders", How::give_back, {held[1]});
  EXPECT_EQ(leases.held(), 0u);
}

TEST_F(LinkLeaseTest, WhenTheAgentEndsWhatOthersHoldIsReadyForTheNext) {
  Script cut = open_link("pod-2");
  pulls_and_is_cut(cut, {"a"});
  Script link = open_link();
  const auto held = pulls_all(link, {"b", "c"});
  Script stopped = open_link("pod-3");
  pulls_all(stopped, {"d"});
  stopped.sends(kPullChannel, LinkStop{"orders"});
  link.forgets();  // that more was ready
  leases.close();
  agent.turn();
  expect_end(link, "orders", "shutting down");
  EXPECT_EQ(leases.held(), 0u);
  EXPECT_EQ(leases.receipts(), 0u);
  EXPECT_FALSE(leases.deadline());
  EXPECT_EQ(status("orders").ready, 4u);
  EXPECT_EQ(status("orders").unacked, 0u);
  settles(link, "orders", How::ack, held);  // too late
  EXPECT_EQ(status("orders").ready, 4u);
  link.forgets();
  asks_to_pull(link, "orders", held);
  expect_end(link, "orders", "shutting down");
  const auto first = agent.get(*agent.find("orders"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->delivery_count, 0);
  EXPECT_TRUE(first->redelivered);
}

}  // namespace
}  // namespace pannier::forward
