#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

Properties with_priority(std::uint8_t priority) {
  Properties properties;
  properties.priority = priority;
  return properties;
}

Table of_levels(int levels) {
  Table table;
  table.set("x-max-priority", levels);
  return table;
}

using Texts = std::vector<std::string>;

TEST(QueuePriority, DeliversTheHighestFirstAndEachInItsOrder) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q", of_levels(5));
  int number = 0;
  for (const int priority : {1, 5, 0, 9, 1})
    agent.publish_as("q", std::to_string(number++),
                     with_priority(static_cast<std::uint8_t>(priority)));
  agent.publish_as("q", "none", {});
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.turn();
  // 9 counts as 5.
  EXPECT_EQ(consumer.bodies(), (Texts{"1", "3", "0", "4", "2", "none"}));
  queue->remove_consumer(consumer);
}

TEST(QueuePriority, IsKeptByWhatComesBackAndByARestart) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("q", of_levels(10));
    for (int i = 0; i < 4; ++i)
      agent.publish_as("q", std::to_string(i), with_priority(i % 2 == 0 ? 2 : 7));
    TestConsumer consumer(2);
    queue->add_consumer(consumer);
    agent.turn();
    EXPECT_EQ(consumer.bodies(), (Texts{"1", "3"}));
    queue->remove_consumer(consumer);
    EXPECT_TRUE(queue->give_back(consumer.got[1].receipt, {}));
    EXPECT_TRUE(queue->give_back(consumer.got[0].receipt, {}));
    EXPECT_EQ(queue->check(), "");
    agent.stop_cleanly();
  }
  QueueHarness agent(disk);
  const QueuePtr queue = agent.find("q");
  EXPECT_EQ(queue->ready(), 4u);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"1", "3", "0", "2"}));
  EXPECT_EQ(consumer.got[0].delivery_count, 1);
  EXPECT_EQ(consumer.got[2].delivery_count, 0);
  queue->remove_consumer(consumer);
}

TEST(QueuePriority, PagesEachOfThemInBoundedMemory) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 20'000;
  limits.window_entries = 64;
  QueueHarness agent(disk, limits);
  const QueuePtr queue = agent.declare("q", of_levels(3));
  constexpr int kMessages = 3'000;
  for (int i = 0; i < kMessages; ++i)
    agent.publish_as("q", std::to_string(i), with_priority(static_cast<std::uint8_t>(i % 4)));
  agent.turn();
  EXPECT_LE(agent.registry->context().message_bytes, limits.message_bytes);
  TestConsumer consumer(kMessages);
  consumer.no_ack = true;
  queue->add_consumer(consumer);
  agent.turn();
  ASSERT_EQ(consumer.got.size(), static_cast<std::size_t>(kMessages));
  int at = 0;
  for (int priority = 3; priority >= 0; --priority)
    for (int i = priority; i < kMessages; i += 4)
      ASSERT_EQ(consumer.bodies()[static_cast<std::size_t>(at++)], std::to_string(i));
  EXPECT_EQ(queue->ready(), 0u);
  EXPECT_EQ(queue->check(), "");
  queue->remove_consumer(consumer);
}

TEST(QueuePriority, IsPurgedWhole) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q", of_levels(3));
  for (std::uint8_t i = 0; i < 4; ++i) agent.publish_as("q", "x", with_priority(i));
  Commit commit = 0;
  const auto purged = queue->purge(commit);
  ASSERT_TRUE(purged);
  EXPECT_EQ(*purged, 4u);
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

}  // namespace
}  // namespace pannier::queue
