#include "sidecar/queue/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Queue, IgnoresALateAckOfAMessageThatSomebodyElseHasByNow) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.publish("orders", "a");
  const auto late = agent.get(*queue);
  ASSERT_TRUE(late && queue->extend(late->receipt, std::chrono::milliseconds(10)));
  agent.clock.advance(std::chrono::milliseconds(20));
  agent.registry->on_time(agent.clock.now());
  const auto now = agent.get(*queue);
  ASSERT_TRUE(now);
  EXPECT_FALSE(queue->ack(late->receipt));
  EXPECT_TRUE(queue->is_unacked(now->receipt));
  EXPECT_TRUE(queue->ack(now->receipt));
}

TEST(Queue, KeepsALeaseWhenItsSettingsChange) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.publish("orders", "a");
  const auto leased = agent.get(*queue);
  ASSERT_TRUE(leased && queue->extend(leased->receipt, std::chrono::seconds(60)));
  queue->change(queue->settings());
  agent.clock.advance(std::chrono::seconds(61));
  agent.registry->on_time(agent.clock.now());
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST(Queue, CountsAnAckTimeoutAndNotALeaseThatRunsOut) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  QueueSettings settings = queue->settings();
  settings.ack_timeout = std::chrono::seconds(10);
  queue->change(settings);
  agent.publish("orders", "a");
  const auto leased = agent.get(*queue);
  ASSERT_TRUE(leased && queue->extend(leased->receipt, std::chrono::seconds(30)));
  queue->restart_timeout(leased->receipt);
  agent.clock.advance(std::chrono::seconds(29));
  agent.registry->on_time(agent.clock.now());
  EXPECT_TRUE(queue->is_unacked(leased->receipt));
  agent.clock.advance(std::chrono::seconds(1));
  agent.registry->on_time(agent.clock.now());
  const auto again = agent.get(*queue);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->delivery_count, 0);
  EXPECT_TRUE(again->redelivered);
  agent.clock.advance(std::chrono::seconds(10));
  agent.registry->on_time(agent.clock.now());
  const auto timed_out = agent.get(*queue);
  ASSERT_TRUE(timed_out);
  EXPECT_EQ(timed_out->delivery_count, 1);
}

TEST(Queue, CountsALeaseThatRunsOutWhenItIsTheHoldersFault) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.publish("orders", "a");
  const auto leased = agent.get(*queue);
  ASSERT_TRUE(leased &&
              queue->extend(leased->receipt, std::chrono::seconds(30), Queue::Expiry::counts));
  agent.clock.advance(std::chrono::seconds(31));
  agent.registry->on_time(agent.clock.now());
  const auto again = agent.get(*queue);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->delivery_count, 1);
}

TEST(Queue, LetsLinksTakeTurnsToo) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  TestConsumer one(10);
  TestConsumer two(10);
  one.is_link = two.is_link = true;
  queue->add_consumer(one);
  queue->add_consumer(two);
  for (int i = 0; i < 6; ++i) agent.publish("orders", std::to_string(i));
  agent.turn();
  EXPECT_THAT(one.got, SizeIs(3));
  EXPECT_THAT(two.got, SizeIs(3));
}

TEST(Queue, DeliversOnceWhatIsPublishedAfterAPurgeThatMetAFetch) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.window_entries = limits.window_entries_max = 4;
  QueueHarness agent(disk, limits);
  const QueuePtr queue = agent.declare("orders");
  for (int i = 0; i < 20; ++i) agent.publish("orders", std::to_string(i));
  agent.turn();
  TestConsumer consumer(1);
  queue->add_consumer(consumer);
  agent.turn();  // it is known by now that these may be delivered
  consumer.credit = 3;
  queue->pump();  // empties the window: a fetch is under way
  Commit commit = 0;
  ASSERT_TRUE(queue->purge(commit));
  agent.publish("orders", "later");
  agent.turn();
  consumer.credit = 10;
  queue->pump();
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("0", "1", "2", "3", "later"));
  EXPECT_EQ(queue->check(), "");
}

TEST(Queue, PeeksAfterARestartToo) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    agent.declare("orders");
    agent.publish("orders", "a");
    agent.stop_cleanly();
  }
  QueueHarness again(disk);
  std::size_t seen = 0;
  again.find("orders")->peek(5, [&](std::vector<Delivery> found) { seen = found.size(); });
  again.turn();
  EXPECT_EQ(seen, 1u);
}

TEST(Queue, JournalsMoreReturnsThanAGroupTakes) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    for (int i = 0; i < 20'000; ++i) agent.publish("orders", "x");
    agent.turn();
    TestConsumer consumer(20'000);
    queue->add_consumer(consumer);
    agent.turn();
    ASSERT_THAT(consumer.got, SizeIs(20'000));
    queue->remove_consumer(consumer);
    for (const Delivery& delivery : consumer.got) queue->give_back(delivery.receipt, {});
    agent.settle_down();
    EXPECT_EQ(agent.registry->context().waiting_changes(), 0u);
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  TestConsumer consumer(20'000);
  again.find("orders")->add_consumer(consumer);
  again.turn();
  ASSERT_THAT(consumer.got, SizeIs(20'000));
  for (const Delivery& delivery : consumer.got) ASSERT_EQ(delivery.delivery_count, 1);
}

TEST(Queue, ReadsForManyQueuesWithinOneBudget) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 100'000;
  limits.reading_bytes = 50'000;
  QueueHarness agent(disk, limits);
  std::vector<QueuePtr> queues;
  const std::string body(10'000, 'x');
  for (int i = 0; i < 50; ++i) {
    queues.push_back(agent.declare("q" + std::to_string(i)));
    for (int j = 0; j < 5; ++j) agent.publish("q" + std::to_string(i), body);
  }
  agent.turn();
  std::vector<std::unique_ptr<TestConsumer>> consumers;
  for (const QueuePtr& queue : queues)
    queue->add_consumer(*consumers.emplace_back(std::make_unique<TestConsumer>(5)));
  EXPECT_LE(agent.registry->context().reading_bytes, limits.reading_bytes);
  EXPECT_LE(agent.registry->context().message_bytes, limits.message_bytes);
  agent.turn();
  for (const auto& consumer : consumers) EXPECT_THAT(consumer->got, SizeIs(5));
  EXPECT_EQ(agent.registry->context().reading_bytes, 0u);
}

}  // namespace
}  // namespace pannier::queue
