#include "sidecar/queue/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Queue, DeliversInTheOrderOfPublishing) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(queue->status().unacked, 3u);
}

TEST(Queue, GivesAConsumerNoMoreThanItsCredit) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "b"));
  consumer.credit = 1;
  queue->pump();
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "b", "c"));
}

TEST(Queue, LetsConsumersTakeTurns) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  TestConsumer one(10);
  TestConsumer two(10);
  queue->add_consumer(one);
  queue->add_consumer(two);
  for (int i = 0; i < 6; ++i) agent.publish("orders", std::to_string(i));
  agent.turn();
  EXPECT_THAT(one.got, SizeIs(3));
  EXPECT_THAT(two.got, SizeIs(3));
}

TEST(Queue, ServesLocalConsumersBeforeLinks) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  TestConsumer link(10);
  link.is_link = true;
  TestConsumer local(2);
  queue->add_consumer(link);
  queue->add_consumer(local);
  for (int i = 0; i < 3; ++i) agent.publish("orders", std::to_string(i));
  agent.turn();
  EXPECT_THAT(local.bodies(), ElementsAre("0", "1"));
  EXPECT_THAT(link.bodies(), ElementsAre("2"));
}

TEST(Queue, TakesBackAMessageToItsOldPlaceFlaggedAndCounted) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_FALSE(consumer.got[0].redelivered);
  EXPECT_TRUE(queue->give_back(consumer.got[0].receipt, {}));
  consumer.credit = 2;
  queue->pump();
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "b", "a", "c"));
  EXPECT_TRUE(consumer.got[2].redelivered);
  EXPECT_EQ(consumer.got[2].delivery_count, 1);
}

TEST(Queue, KeepsTheDeliveryCountThroughAPowerCut) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    agent.publish("orders", "a");
    for (int i = 0; i < 3; ++i) {
      const auto got = agent.get(*queue);
      ASSERT_TRUE(got);
      queue->give_back(got->receipt, {});
      agent.settle_down();
    }
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  const auto got = again.get(*again.find("orders"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->delivery_count, 3);
  EXPECT_TRUE(got->redelivered);
}

TEST(Queue, FlagsWhatMayHaveBeenDeliveredBeforeAPowerCut) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    for (int i = 0; i < 9'000; ++i) agent.publish("orders", std::to_string(i));
    ASSERT_TRUE(agent.get(*queue));
    agent.settle_down();
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  TestConsumer consumer(9'000);
  again.find("orders")->add_consumer(consumer);
  again.turn();
  ASSERT_EQ(consumer.got.size(), 9'000u);
  EXPECT_TRUE(consumer.got[0].redelivered);
  const auto flagged = std::count_if(consumer.got.begin(), consumer.got.end(),
                                     [](const Delivery& d) { return d.redelivered; });
  EXPECT_LE(flagged, 4'097);  // a step of the horizon, and the one that was delivered
}

TEST(Queue, FlagsNothingAfterACleanStop) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    agent.declare("orders");
    agent.publish("orders", "a");
    agent.publish("orders", "b");
    agent.stop_cleanly();
  }
  QueueHarness again(disk);
  const auto got = again.get(*again.find("orders"));
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->redelivered);
}

TEST(Queue, ForgetsWhatWasAcked) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
    TestConsumer consumer(2);
    queue->add_consumer(consumer);
    agent.turn();
    EXPECT_TRUE(queue->ack(consumer.got[1].receipt));
    EXPECT_FALSE(queue->ack(consumer.got[1].receipt));
    queue->remove_consumer(consumer);
    agent.settle_down();
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  TestConsumer consumer(10);
  again.find("orders")->add_consumer(consumer);
  again.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "c"));
}

TEST(Queue, PagesALongQueueWithinItsBudgets) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 64u << 10;
  limits.window_entries = 256;
  QueueHarness agent(disk, limits);
  const QueuePtr queue = agent.declare("orders");
  const std::string filler(200, 'x');
  for (int i = 0; i < 10'000; ++i) agent.publish("orders", std::to_string(i) + filler);
  agent.turn();
  EXPECT_LE(agent.registry->context().message_bytes, limits.message_bytes);
  EXPECT_EQ(queue->status().ready, 10'000u);
  TestConsumer consumer(10'000);
  queue->add_consumer(consumer);
  agent.turn();
  ASSERT_EQ(consumer.got.size(), 10'000u);
  for (std::size_t i = 0; i < 10'000; ++i)
    ASSERT_EQ(consumer.got[i].message->body.text(), std::to_string(i) + filler);
}

TEST(Queue, ReturnsOnlyTheMessageWhoseAckIsLate) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Table arguments;
  arguments.set("x-consumer-timeout", std::int32_t{1'000});
  const QueuePtr queue = agent.declare("orders", arguments);
  agent.publish("orders", "late");
  const auto late = agent.get(*queue);
  agent.clock.advance(std::chrono::milliseconds(600));
  agent.publish("orders", "early");
  const auto early = agent.get(*queue);
  ASSERT_TRUE(late && early);
  agent.clock.advance(std::chrono::milliseconds(600));
  agent.registry->on_time(agent.clock.now());
  EXPECT_FALSE(queue->ack(late->receipt));
  EXPECT_TRUE(queue->ack(early->receipt));
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST(Queue, RefusesWhatIsOverItsLimit) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Table arguments;
  arguments.set("x-max-length", std::int32_t{2});
  arguments.set("x-overflow", std::string("reject-publish"));
  const QueuePtr queue = agent.declare("orders", arguments);
  EXPECT_FALSE(agent.publish("orders", "a").refused);
  EXPECT_FALSE(agent.publish("orders", "b").refused);
  EXPECT_TRUE(agent.publish("orders", "c").refused);
  EXPECT_EQ(queue->status().ready, 2u);
}

TEST(Queue, DropsTheOldestWhenItsLimitSaysSo) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Table arguments;
  arguments.set("x-max-length", std::int32_t{2});
  const QueuePtr queue = agent.declare("orders", arguments);
  for (const char* body : {"a", "b", "c", "d"}) agent.publish("orders", body);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("c", "d"));
  EXPECT_EQ(queue->status().counters.dropped, 2u);
}

TEST(Queue, SpillsAMemoryQueueBeyondItsBudgetInOrderAndEndsItWithTheAgent) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 4'000;
  {
    QueueHarness agent(disk, limits);
    const QueuePtr queue = agent.declare("fast", {}, false);
    const std::string filler(100, 'x');
    for (int i = 0; i < 200; ++i) {
      const Published published = agent.publish("fast", std::to_string(i) + filler);
      EXPECT_EQ(published.commit, 0u);  // nothing to wait for
    }
    agent.turn();
    TestConsumer consumer(200);
    queue->add_consumer(consumer);
    agent.turn();
    ASSERT_THAT(consumer.got, SizeIs(200));
    for (std::size_t i = 0; i < 200; ++i)
      EXPECT_EQ(consumer.got[i].message->body.text(), std::to_string(i) + filler);
    queue->remove_consumer(consumer);
    agent.settle_down();
  }
  QueueHarness again(disk, limits);
  EXPECT_EQ(again.find("fast"), nullptr);
  EXPECT_EQ(again.spool->status().live_bytes, 0u);
}

TEST(Queue, PurgesWhatIsReadyAndLeavesWhatIsUnacked) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    for (int i = 0; i < 5; ++i) agent.publish("orders", std::to_string(i));
    const auto held = agent.get(*queue);
    ASSERT_TRUE(held);
    Commit commit = 0;
    const auto purged = queue->purge(commit);
    ASSERT_TRUE(purged);
    EXPECT_EQ(*purged, 4u);
    agent.publish("orders", "later");
    agent.settle_down();
    EXPECT_GE(agent.spool->synced_commit(), commit);
    EXPECT_EQ(queue->status().ready, 1u);
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  TestConsumer consumer(10);
  again.find("orders")->add_consumer(consumer);
  again.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("0", "later"));
}

TEST(Queue, DeliversNothingWhilePausedAndGoesOnAfterwards) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  QueueSettings settings = queue->settings();
  settings.paused = true;
  queue->change(settings);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.publish("orders", "a");
  agent.turn();
  EXPECT_THAT(consumer.got, IsEmpty());
  settings.paused = false;
  queue->change(settings);
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a"));
}

TEST(Queue, TellsItsConsumersWhenItGoes) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.publish("orders", "a");
  TestConsumer consumer(1);
  queue->add_consumer(consumer);
  agent.turn();
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  EXPECT_TRUE(consumer.is_gone);
  EXPECT_FALSE(queue->ack(consumer.got[0].receipt));
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

TEST(Queue, SettlesByDeliveringToAConsumerWithoutAcks) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.publish("orders", "a");
  TestConsumer consumer(1);
  consumer.no_ack = true;
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a"));
  EXPECT_TRUE(queue->empty());
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

TEST(Queue, ShowsItsMessagesWithoutTakingThem) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  std::vector<std::string> seen;
  queue->peek(2, [&](std::vector<Delivery> deliveries) {
    for (const Delivery& delivery : deliveries) seen.emplace_back(delivery.message->body.text());
  });
  agent.turn();
  EXPECT_THAT(seen, ElementsAre("a", "b"));
  EXPECT_EQ(queue->status().ready, 3u);
  const auto got = agent.get(*queue);
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->redelivered);
}

}  // namespace
}  // namespace pannier::queue
