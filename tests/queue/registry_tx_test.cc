#include <gmock/gmock.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

// One message of `a` acknowledged, two for `b`.
Transaction transfer(QueueHarness& agent, const Receipt& taken) {
  Transaction transaction;
  transaction.acks.push_back({agent.find("a"), taken});
  for (const char* body : {"1", "2"})
    transaction.publishes.push_back({{agent.find("b")}, message(body, "", "b")});
  return transaction;
}

Receipt take_one(QueueHarness& agent) {
  agent.declare("a");
  agent.declare("b");
  agent.publish("a", "taken");
  agent.turn();
  const auto got = agent.get(*agent.find("a"));
  return got ? got->receipt : Receipt{};
}

TEST(RegistryTx, IsDoneAsAWholeOrNotAtAllWhereverItsWritesEnd) {
  bool was_done = false;
  for (std::size_t step = 0; !was_done; ++step) {
    ASSERT_LT(step, 100u);
    MemoryDisk disk;
    QueueHarness agent(disk);
    const Receipt taken = take_one(agent);
    disk.crash_at(disk.steps() + step);
    ASSERT_TRUE(agent.registry->commit(transfer(agent, taken)));
    agent.turn();
    was_done = !disk.power_is_off();
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const auto after = disk.restart(seed);
      QueueHarness again(*after);
      const bool is_settled = again.find("a")->status().ready == 0;
      EXPECT_EQ(again.find("b")->status().ready, is_settled ? 2u : 0u) << step << " " << seed;
      EXPECT_TRUE(is_settled || !was_done);
    }
  }
}

TEST(RegistryTx, DoesNothingWhenItIsTooLarge) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const Receipt taken = take_one(agent);
  Transaction transaction = transfer(agent, taken);
  transaction.publishes.push_back({{agent.find("b")}, message(std::string(200'000, 'x'))});
  const auto committed = agent.registry->commit(transaction);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::too_large);
  EXPECT_EQ(agent.find("b")->status().ready, 0u);
  EXPECT_EQ(agent.find("a")->status().unacked, 1u);
}

TEST(RegistryTx, KeepsTheOrderOfAMemoryQueue) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 60'000;  // the first fits, all do not
  QueueHarness agent(disk, limits);
  const QueuePtr queue = agent.declare("m", {}, false);
  Transaction transaction;
  for (char name = 'a'; name < 'd'; ++name)
    transaction.publishes.push_back({{queue}, message(std::string(25'000, name))});
  ASSERT_TRUE(agent.registry->commit(transaction));
  agent.turn();
  for (char name = 'a'; name < 'd'; ++name) {
    const auto got = agent.get(*queue, true);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->message->body.text().front(), name);
  }
}

TEST(RegistryTx, SettlesWhatComesFromMemoryToo) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("m", {}, false);
  agent.publish("m", "1");
  const auto got = agent.get(*queue);
  ASSERT_TRUE(got);
  Transaction transaction;
  transaction.acks.push_back({queue, got->receipt});
  const auto committed = agent.registry->commit(transaction);
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->commit, 0u);
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(queue->check(), "");
}

}  // namespace
}  // namespace pannier::queue
