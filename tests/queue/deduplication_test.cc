#include "sidecar/queue/deduplication.h"

#include <map>

#include "common/random.h"
#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class DeduplicationTest : public testing::Test {
 protected:
  static PolicyQueue wanted(DedupBy by = DedupBy::message_id, std::uint64_t ids_max = 1'000'000) {
    PolicyQueue queue;
    queue.uid = "1";
    queue.name = "orders";
    queue.delivery.dedup = Dedup{by, minutes(5), ids_max};
    return queue;
  }
  static QueuePtr applies(QueueHarness& agent, const PolicyQueue& queue) {
    Policy policy;
    policy.queues.push_back(queue);
    EXPECT_TRUE(agent.registry->apply(policy));
    agent.turn();
    return agent.find(queue.name);
  }
  static Properties with_id(std::string id) {
    Properties properties;
    properties.message_id = std::move(id);
    return properties;
  }
  static Properties from(const std::string& producer, std::int64_t sequence) {
    Properties properties;
    properties.headers.emplace();
    properties.headers->set("x-producer", producer);
    properties.headers->set("x-sequence", sequence);
    return properties;
  }
  // True: it was put.
  static bool puts(QueueHarness& agent, const Properties& properties,
                   const std::string& key = "orders") {
    const Published published = agent.publish_as(key, "body", properties);
    EXPECT_TRUE(published.routed);
    EXPECT_FALSE(published.refused);
    EXPECT_NE(published.taken, published.duplicate);
    return published.taken;
  }
  static std::size_t items(QueueHarness& agent) {
    std::size_t count = 0;
    agent.spool->for_each_state(kDedupState, [&count](ByteView, ByteView) { ++count; });
    return count;
  }
  // Consumes all, and counts what it got by id.
  static std::map<std::string, int> drains(QueueHarness& agent, Queue& queue) {
    TestConsumer consumer(1'000'000);
    consumer.no_ack = true;
    queue.add_consumer(consumer);
    agent.turn();
    queue.remove_consumer(consumer);
    std::map<std::string, int> counts;
    for (const Delivery& each : consumer.got)
      ++counts[Properties::decode(each.message->properties())->message_id.value_or("")];
    return counts;
  }

  MemoryDisk disk;
};

TEST_F(DeduplicationTest, ConfirmsARepeatAndPutsItOnce) {
  QueueHarness agent(disk);
  const QueuePtr queue = applies(agent, wanted());
  EXPECT_TRUE(puts(agent, with_id("a")));
  EXPECT_FALSE(puts(agent, with_id("a")));
  EXPECT_TRUE(puts(agent, with_id("b")));
  EXPECT_TRUE(puts(agent, {})) << "one without an id is nobody's repeat";
  EXPECT_TRUE(puts(agent, {}));
  EXPECT_EQ(queue->status().ready, 4u);
  EXPECT_EQ(queue->status().counters.duplicates, 1u);
}

TEST_F(DeduplicationTest, ConfirmsARepeatWithTheSyncOfTheFirst) {
  QueueHarness agent(disk);
  applies(agent, wanted());
  const Published first = agent.publish_as("orders", "a", with_id("a"));
  const Published again = agent.publish_as("orders", "a", with_id("a"));
  EXPECT_GT(first.commit, agent.spool->synced_commit());
  EXPECT_GE(again.commit, first.commit);
}

TEST_F(DeduplicationTest, RemembersForItsWindowAndNoLonger) {
  QueueHarness agent(disk);
  const QueuePtr queue = applies(agent, wanted());
  EXPECT_TRUE(puts(agent, with_id("a")));
  agent.pass(minutes(5) - seconds(1));
  EXPECT_FALSE(puts(agent, with_id("a"))) << "which does not make the window longer";
  agent.pass(seconds(3));
  EXPECT_EQ(agent.registry->deduplication().ids(queue->id()), 0u);
  EXPECT_TRUE(puts(agent, with_id("a")));
}

TEST_F(DeduplicationTest, ForgetsTheOldestBeyondItsLimit) {
  QueueHarness agent(disk);
  applies(agent, wanted(DedupBy::message_id, 10));
  for (int i = 0; i < 11; ++i) EXPECT_TRUE(puts(agent, with_id(std::to_string(i))));
  EXPECT_FALSE(puts(agent, with_id("1")));
  EXPECT_TRUE(puts(agent, with_id("0")));
}

TEST_F(DeduplicationTest, OutlivesItsMessagesAndARestart) {
  constexpr int kIds = 3'000;  // two chunks, and some alone
  {
    QueueHarness agent(disk);
    const QueuePtr queue = applies(agent, wanted());
    for (int i = 0; i < kIds; ++i) EXPECT_TRUE(puts(agent, with_id(std::to_string(i))));
    drains(agent, *queue);
    agent.settle_down();
  }
  const auto after = disk.restart(1);
  QueueHarness agent(*after);
  applies(agent, wanted());
  for (int i = 0; i < kIds; ++i) EXPECT_FALSE(puts(agent, with_id(std::to_string(i)))) << i;
  EXPECT_TRUE(puts(agent, with_id("new")));
}

// Known after a crash if and only if its message is there.
TEST_F(DeduplicationTest, NeitherLosesNorDoublesThroughCrashes) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    auto life = std::make_unique<MemoryDisk>(seed);
    int next = 0;
    std::map<std::string, int> got;
    for (int lives = 0; lives < 4; ++lives) {
      std::unique_ptr<MemoryDisk> after;
      {
        QueueHarness agent(*life);
        const QueuePtr queue = applies(agent, wanted());
        const int end = next + static_cast<int>(random.below(700));
        for (int i = std::max(0, next - 40); i < end; ++i) puts(agent, with_id(std::to_string(i)));
        next = end;
        agent.turn();  // so far nothing can be lost
        if (random.below(3) == 0) {
          for (const auto& [id, count] : drains(agent, *queue)) got[id] += count;
          agent.settle_down();
        }
        for (int i = next; i < next + 30; ++i) puts(agent, with_id(std::to_string(i)));
        agent.registry->end_turn();
        for (std::uint64_t steps = random.below(6); steps > 0; --steps)
          if (!agent.committer.run_one()) agent.loop.run_one();
        after = life->restart(seed, Keep::random);
      }
      life = std::move(after);
    }
    QueueHarness agent(*life);
    const QueuePtr queue = applies(agent, wanted());
    for (int i = std::max(0, next - 40); i < next + 30; ++i)
      puts(agent, with_id(std::to_string(i)));
    for (const auto& [id, count] : drains(agent, *queue)) got[id] += count;
    EXPECT_EQ(got.size(), static_cast<std::size_t>(next + 30)) << "seed " << seed;
    for (const auto& [id, count] : got) EXPECT_EQ(count, 1) << id << ", seed " << seed;
  }
}

TEST_F(DeduplicationTest, ComparesAProducersSequence) {
  {
    QueueHarness agent(disk);
    applies(agent, wanted(DedupBy::producer_sequence));
    EXPECT_TRUE(puts(agent, from("p", 0)));
    EXPECT_TRUE(puts(agent, from("p", 7)));
    EXPECT_FALSE(puts(agent, from("p", 7)));
    EXPECT_FALSE(puts(agent, from("p", 3)));
    EXPECT_TRUE(puts(agent, from("q", 3)));
    EXPECT_TRUE(puts(agent, with_id("a")));
    EXPECT_TRUE(puts(agent, with_id("a"))) << "ids are not what it compares";
    agent.turn();
  }
  const auto after = disk.restart(1);
  QueueHarness agent(*after);
  const QueuePtr queue = applies(agent, wanted(DedupBy::producer_sequence));
  EXPECT_FALSE(puts(agent, from("p", 7)));
  EXPECT_FALSE(puts(agent, from("q", 3)));
  agent.pass(minutes(3));
  EXPECT_TRUE(puts(agent, from("p", 8)));
  agent.pass(minutes(3));
  EXPECT_FALSE(puts(agent, from("p", 8))) << "its producer was not silent for so long";
  EXPECT_TRUE(puts(agent, from("q", 3)));
  agent.pass(minutes(6));
  EXPECT_EQ(agent.registry->deduplication().ids(queue->id()), 0u);
  EXPECT_EQ(items(agent), 0u);
}

TEST_F(DeduplicationTest, ForgetsTheProducerThatWasSilentForLongest) {
  QueueHarness agent(disk);
  applies(agent, wanted(DedupBy::producer_sequence, 2));
  for (const char* producer : {"p", "q", "p", "r"}) {
    const std::int64_t sequence = agent.clock.now_ms();
    EXPECT_TRUE(puts(agent, from(producer, sequence)));
    agent.pass(seconds(2));
  }
  EXPECT_FALSE(puts(agent, from("p", 1)));
  EXPECT_FALSE(puts(agent, from("r", 1)));
  EXPECT_TRUE(puts(agent, from("q", 1)));
}

TEST_F(DeduplicationTest, RefusesASequenceThatIsNone) {
  QueueHarness agent(disk);
  const QueuePtr queue = applies(agent, wanted(DedupBy::producer_sequence));
  Properties nameless, textual = from("p", 1);
  nameless.headers.emplace();
  nameless.headers->set("x-sequence", std::int64_t{1});
  textual.headers->set("x-sequence", std::string("one"));
  for (const Properties& each : {nameless, textual, from("p", -1), from("", 1)}) {
    const auto refused = agent.registry->publish("", "orders", message("body", "", "orders", each));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::precondition);
  }
  EXPECT_TRUE(queue->empty());
}

TEST_F(DeduplicationTest, LooksIntoBatchesAndTransactions) {
  QueueHarness agent(disk);
  const QueuePtr queue = applies(agent, wanted());
  const auto of = [](const std::vector<std::string>& ids) {
    std::vector<MessagePtr> messages;
    for (const std::string& id : ids) messages.push_back(message(id, "", "orders", with_id(id)));
    return messages;
  };
  const auto first = agent.registry->publish_batch(queue, of({"a", "b", "a"}));
  ASSERT_TRUE(first);
  const auto again = agent.registry->publish_batch(queue, of({"a", "b"}));
  ASSERT_TRUE(again);
  EXPECT_GE(*again, *first);
  EXPECT_EQ(queue->status().ready, 2u);
  Transaction transaction;
  for (const MessagePtr& each : of({"b", "c", "c"}))
    transaction.publishes.push_back({{queue}, each});
  const auto committed = agent.registry->commit(transaction);
  ASSERT_TRUE(committed);
  EXPECT_FALSE(committed->publishes[0].taken);
  EXPECT_TRUE(committed->publishes[1].taken);
  EXPECT_FALSE(committed->publishes[2].taken);
  EXPECT_FALSE(committed->refused);
  EXPECT_EQ(queue->status().ready, 3u);
  EXPECT_EQ(queue->status().counters.duplicates, 5u);
  EXPECT_FALSE(puts(agent, with_id("c"))) << "what a transaction has put is known";
}

TEST_F(DeduplicationTest, RemembersNothingThatWasRefusedAndConfirmsRepeatsWhenFull) {
  QueueHarness agent(disk);
  PolicyQueue small = wanted();
  small.storage.messages_max = 1;
  const QueuePtr queue = applies(agent, small);
  EXPECT_TRUE(puts(agent, with_id("a")));
  EXPECT_TRUE(agent.publish_as("orders", "b", with_id("b")).refused);
  EXPECT_FALSE(puts(agent, with_id("a")));
  drains(agent, *queue);
  EXPECT_TRUE(puts(agent, with_id("b")));
}

TEST_F(DeduplicationTest, IsEachQueuesOwn) {
  QueueHarness agent(disk);
  const QueuePtr queue = applies(agent, wanted());
  const QueuePtr other = agent.declare("other");
  for (const char* name : {"orders", "other"})
    ASSERT_TRUE(
        agent.registry->bind("amq.fanout", {{Destination::Kind::queue, name}, "", {}, true}, 0));
  EXPECT_TRUE(puts(agent, with_id("a")));
  const Published both = agent.publish_as("", "body", with_id("a"), "amq.fanout");
  EXPECT_TRUE(both.taken);
  EXPECT_FALSE(both.duplicate);
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_EQ(other->status().ready, 1u);
}

TEST_F(DeduplicationTest, IsNotForDeadLetters) {
  QueueHarness agent(disk);
  Table table;
  table.set("x-dead-letter-exchange", std::string());
  table.set("x-dead-letter-routing-key", std::string("orders"));
  const QueuePtr dead = applies(agent, wanted());
  const QueuePtr source = agent.declare("source", table);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(puts(agent, with_id("a"), "source"));
    ASSERT_TRUE(source->discard(agent.get(*source)->receipt));
    agent.turn();
  }
  EXPECT_EQ(dead->status().ready, 2u);
}

TEST_F(DeduplicationTest, ChangesWithTheMessageQueue) {
  QueueHarness agent(disk);
  PolicyQueue spec = wanted();
  applies(agent, spec);
  EXPECT_TRUE(puts(agent, with_id("a")));
  EXPECT_TRUE(puts(agent, with_id("b")));
  spec.generation = 2;
  spec.delivery.dedup->ids_max = 1;
  applies(agent, spec);
  EXPECT_FALSE(puts(agent, with_id("b"))) << "a smaller window keeps the latest";
  EXPECT_TRUE(puts(agent, with_id("a")));
  spec.generation = 3;
  spec.delivery.dedup.reset();
  applies(agent, spec);
  EXPECT_TRUE(puts(agent, with_id("a")));
  agent.pass(seconds(2));
  EXPECT_EQ(items(agent), 0u) << "nor does the journal remember";
  spec.generation = 4;
  spec.delivery.dedup = Dedup{};
  applies(agent, spec);
  EXPECT_TRUE(puts(agent, with_id("a")));
  EXPECT_FALSE(puts(agent, with_id("a")));
}

TEST_F(DeduplicationTest, KeepsNoMoreInTheJournalThanItHasInMind) {
  std::size_t most = 0;
  {
    QueueHarness agent(disk);
    applies(agent, wanted(DedupBy::message_id, 2'000));
    for (int i = 0; i < 8'000; ++i) {
      EXPECT_TRUE(puts(agent, with_id(std::to_string(i))));
      if (i % 500 == 0) agent.pass(seconds(1));
      most = std::max(most, items(agent));
    }
  }
  EXPECT_LE(most, kDedupChunk + 5);
  const auto after = disk.restart(1);
  QueueHarness agent(*after);
  const QueuePtr queue = applies(agent, wanted(DedupBy::message_id, 2'000));
  EXPECT_FALSE(puts(agent, with_id("6000")));
  agent.pass(minutes(10));
  EXPECT_EQ(agent.registry->deduplication().ids(queue->id()), 0u);
  EXPECT_LE(items(agent), kDedupChunk) << "written over by the ids that come next";
  ASSERT_TRUE(agent.registry->apply([] {
    Policy gone;
    gone.tombstones.push_back("1");
    return gone;
  }()));
  agent.pass(seconds(2));
  EXPECT_EQ(items(agent), 0u);
}

TEST_F(DeduplicationTest, OfAMemoryQueueEndsWithTheAgent) {
  PolicyQueue spec = wanted();
  spec.durability = Durability::memory;
  {
    QueueHarness agent(disk);
    applies(agent, spec);
    EXPECT_TRUE(puts(agent, with_id("a")));
    EXPECT_FALSE(puts(agent, with_id("a")));
    agent.stop_cleanly();
  }
  const auto after = disk.restart(1);
  QueueHarness agent(*after);
  applies(agent, spec);
  EXPECT_TRUE(puts(agent, with_id("a"))) << "its message is gone";
}

}  // namespace
}  // namespace pannier::queue
