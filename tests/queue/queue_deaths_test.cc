#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

Table dead_lettering_to(const std::string& queue, Table table = {}) {
  table.set("x-dead-letter-exchange", std::string());
  table.set("x-dead-letter-routing-key", queue);
  return table;
}

Table with(std::string key, int value) {
  Table table;
  table.set(std::move(key), value);
  return table;
}

Texts drain(QueueHarness& agent, Queue& queue) {
  TestConsumer consumer(1'000'000);
  consumer.no_ack = true;
  queue.add_consumer(consumer);
  agent.turn();
  queue.remove_consumer(consumer);
  return consumer.bodies();
}

std::string reason_of(const Delivery& delivery) {
  const auto properties = Properties::decode(delivery.message->properties());
  const Value* reason = properties->headers->find("x-first-death-reason");
  return reason == nullptr ? "" : *reason->as_text();
}

TEST(QueueDeaths, SendARejectedMessageWhereItBelongs) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr dead = agent.declare("dead");
  const QueuePtr queue = agent.declare("q", dead_lettering_to("dead"));
  agent.publish("q", "x");
  auto got = agent.get(*queue);
  ASSERT_TRUE(got);
  EXPECT_TRUE(queue->discard(got->receipt));
  agent.turn();
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(queue->status().counters.dead_lettered, 1u);
  EXPECT_EQ(queue->status().counters.rejected, 1u);
  auto letter = agent.get(*dead);
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->message->body.text(), "x");
  EXPECT_EQ(letter->delivery_count, 0);
  EXPECT_EQ(reason_of(*letter), "rejected");
}

TEST(QueueDeaths, AreOfOneGroupWithTheNewLife) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    MemoryDisk disk(seed);
    std::unique_ptr<MemoryDisk> after;
    {
      QueueHarness agent(disk);
      agent.declare("dead");
      const QueuePtr queue = agent.declare("q", dead_lettering_to("dead"));
      for (int i = 0; i < 10; ++i) agent.publish("q", std::to_string(i));
      TestConsumer consumer(10);
      queue->add_consumer(consumer);
      agent.settle_down();
      for (const Delivery& each : consumer.got) EXPECT_TRUE(queue->discard(each.receipt));
      queue->remove_consumer(consumer);
      agent.registry->end_turn();
      for (std::uint64_t step = 0; step < seed % 7; ++step)
        if (!agent.committer.run_one()) agent.loop.run_one();
      after = disk.restart(seed, Keep::random);
    }
    QueueHarness agent(*after);
    Texts all = drain(agent, *agent.find("q"));
    const Texts dead = drain(agent, *agent.find("dead"));
    all.insert(all.end(), dead.begin(), dead.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, (Texts{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"})) << seed;
  }
}

TEST(QueueDeaths, ComeFromExpiryLimitsAndFailedDeliveries) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr dead = agent.declare("dead");
  const QueuePtr ttl = agent.declare("ttl", dead_lettering_to("dead", with("x-message-ttl", 100)));
  const QueuePtr two = agent.declare("two", dead_lettering_to("dead", with("x-max-length", 1)));
  const QueuePtr limit =
      agent.declare("limit", dead_lettering_to("dead", with("x-delivery-limit", 1)));
  agent.publish_as("ttl", "expired", {});
  agent.pass(milliseconds(100));
  agent.publish("two", "maxlen");
  agent.publish("two", "stays");
  agent.publish("limit", "delivery_limit");
  for (int i = 0; i < 2; ++i) {
    auto got = agent.get(*limit);
    ASSERT_TRUE(got);
    EXPECT_TRUE(limit->give_back(got->receipt, {}));
    agent.turn();
  }
  EXPECT_EQ(limit->ready(), 0u);
  EXPECT_EQ(two->ready(), 1u);
  EXPECT_EQ(ttl->status().counters.expired, 1u);
  EXPECT_EQ(two->status().counters.dropped, 1u);
  EXPECT_EQ(limit->status().counters.delivery_limit, 1u);
  TestConsumer consumer(10);
  dead->add_consumer(consumer);
  agent.turn();
  ASSERT_EQ(consumer.got.size(), 3u);
  for (const Delivery& each : consumer.got) EXPECT_EQ(reason_of(each), each.message->body.text());
  dead->remove_consumer(consumer);
}

TEST(QueueDeaths, WaitWhileTheQueueForThemIsFull) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Table narrow = with("x-max-length", 1);
  narrow.set("x-overflow", std::string("reject-publish"));
  const QueuePtr dead = agent.declare("dead", narrow);
  const QueuePtr queue = agent.declare("q", dead_lettering_to("dead", with("x-message-ttl", 10)));
  agent.publish_as("q", "a", {});
  agent.publish_as("q", "b", {});
  agent.pass(milliseconds(10));
  EXPECT_EQ(dead->ready(), 1u);
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_FALSE(queue->empty());
  EXPECT_EQ(drain(agent, *dead), Texts{"a"});
  agent.pass(milliseconds(1'000));
  EXPECT_EQ(drain(agent, *dead), Texts{"b"});
  EXPECT_TRUE(queue->empty());
}

TEST(QueueDeaths, EndInACircleThatNobodyBreaks) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr a = agent.declare("a", dead_lettering_to("b", with("x-message-ttl", 10)));
  const QueuePtr b = agent.declare("b", dead_lettering_to("a", with("x-message-ttl", 10)));
  agent.publish_as("a", "x", {});
  for (int i = 0; i < 4; ++i) agent.pass(milliseconds(10));
  EXPECT_TRUE(a->empty());
  EXPECT_TRUE(b->empty());
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

TEST(QueueDeaths, GoOnUntilTheyAreAllBuriedInBoundedMemory) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 20'000;
  limits.window_entries = 64;
  QueueHarness agent(disk, limits);
  const QueuePtr dead = agent.declare("dead");
  const QueuePtr queue = agent.declare("q", dead_lettering_to("dead", with("x-message-ttl", 10)));
  constexpr std::uint64_t kMessages = 5'000;
  for (std::uint64_t i = 0; i < kMessages; ++i) agent.publish_as("q", std::to_string(i), {});
  for (int i = 0; i < 100 && !queue->empty(); ++i) agent.pass(milliseconds(1'000));
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(dead->status().ready, kMessages);
  EXPECT_LE(agent.registry->context().message_bytes, limits.message_bytes + 10'000);
  Texts order = drain(agent, *dead);
  ASSERT_EQ(order.size(), kMessages);
  for (std::uint64_t i = 0; i < kMessages; ++i) ASSERT_EQ(order[i], std::to_string(i));
}

TEST(QueueDeaths, GoNowhereWithoutAnExchange) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Table table;
  table.set("x-dead-letter-exchange", std::string("missing"));
  const QueuePtr queue = agent.declare("q", table);
  agent.publish("q", "x");
  auto got = agent.get(*queue);
  EXPECT_TRUE(queue->discard(got->receipt));
  agent.turn();
  EXPECT_TRUE(queue->empty());
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

}  // namespace
}  // namespace pannier::queue
