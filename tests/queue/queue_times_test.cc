#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

Properties expiring_in(std::string time) {
  Properties properties;
  properties.expiration = std::move(time);
  return properties;
}

Properties delayed_by(int time) {
  Properties properties;
  properties.headers.emplace();
  properties.headers->set("x-delay", time);
  return properties;
}

Table with(std::string key, int value) {
  Table table;
  table.set(std::move(key), value);
  return table;
}

TEST(QueueTimes, KeepsAMessageUntilItIsDue) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.publish_as("q", "late", delayed_by(5'000));
  agent.publish_as("q", "soon", delayed_by(1'000));
  agent.publish_as("q", "now", {});
  agent.turn();
  EXPECT_EQ(consumer.bodies(), Texts{"now"});
  EXPECT_EQ(queue->status().delayed, 2u);
  EXPECT_EQ(queue->status().ready, 0u);
  agent.pass(milliseconds(999));
  EXPECT_EQ(consumer.got.size(), 1u);
  agent.pass(milliseconds(1));
  EXPECT_EQ(consumer.bodies(), (Texts{"now", "soon"}));
  agent.pass(milliseconds(4'000));
  EXPECT_EQ(consumer.bodies(), (Texts{"now", "soon", "late"}));
  EXPECT_FALSE(consumer.got[2].redelivered);
  EXPECT_EQ(queue->check(), "");
  queue->remove_consumer(consumer);
}

TEST(QueueTimes, KeepsWhatIsNotDueAcrossARestart) {
  MemoryDisk disk;
  auto after = [&] {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("q");
    for (int i = 0; i < 20; ++i) agent.publish_as("q", std::to_string(i), delayed_by(1'000 + i));
    agent.publish_as("q", "now", {});
    TestConsumer consumer(1);
    queue->add_consumer(consumer);
    agent.settle_down();
    EXPECT_EQ(consumer.bodies(), Texts{"now"});
    queue->remove_consumer(consumer);
    return disk.restart(1, Keep::nothing);
  }();
  QueueHarness agent(*after);
  const QueuePtr queue = agent.find("q");
  EXPECT_EQ(queue->status().delayed, 20u);
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_EQ(queue->check(), "");
  TestConsumer consumer(100);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_EQ(consumer.bodies(), Texts{"now"});
  agent.pass(milliseconds(1'009));
  EXPECT_EQ(consumer.got.size(), 11u);
  agent.pass(milliseconds(10));
  ASSERT_EQ(consumer.got.size(), 21u);
  // They were not due before the power went: nobody can have had them.
  for (std::size_t i = 1; i < consumer.got.size(); ++i) EXPECT_FALSE(consumer.got[i].redelivered);
  queue->remove_consumer(consumer);
}

TEST(QueueTimes, LetsAMessageExpireAnywhereInTheQueueAndWithoutConsumers) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  agent.publish_as("q", "stays", {});
  agent.publish_as("q", "goes", expiring_in("100"));
  agent.publish_as("q", "stays too", {});
  agent.pass(milliseconds(99));
  EXPECT_EQ(queue->status().ready, 3u);
  agent.pass(milliseconds(1));
  EXPECT_EQ(queue->status().ready, 2u);
  EXPECT_EQ(queue->status().counters.expired, 1u);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"stays", "stays too"}));
  EXPECT_EQ(queue->check(), "");
  queue->remove_consumer(consumer);
}

TEST(QueueTimes, ExpiresWhatTheSpoolAloneHolds) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.window_entries = 16;
  limits.window_entries_min = 4;
  QueueHarness agent(disk, limits);
  const QueuePtr queue = agent.declare("q");
  constexpr int kMessages = 1'000;
  for (int i = 0; i < kMessages; ++i)
    agent.publish_as("q", std::to_string(i), i % 2 == 0 ? Properties{} : expiring_in("100"));
  agent.pass(milliseconds(100));
  EXPECT_EQ(queue->status().ready, kMessages / 2u);
  EXPECT_EQ(queue->status().counters.expired, kMessages / 2u);
  EXPECT_EQ(queue->check(), "");
  agent.settle_down();
}

TEST(QueueTimes, ExpiresAndDelaysMoreThanItHoldsInMemory) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr expiring = agent.declare("expiring");
  const QueuePtr delayed = agent.declare("delayed");
  constexpr int kMessages = 10'000;
  for (int i = 0; i < kMessages; ++i) {
    agent.publish_as("expiring", "x", expiring_in(std::to_string(1'000 + (i * 7'919) % 1'000)));
    agent.publish_as("delayed", "x", delayed_by(1'000 + (i * 7'919) % 1'000));
  }
  agent.pass(milliseconds(1'499));
  EXPECT_EQ(expiring->status().ready, kMessages / 2u);
  TestConsumer consumer(kMessages);
  consumer.no_ack = true;
  delayed->add_consumer(consumer);
  agent.turn();
  EXPECT_EQ(consumer.got.size(), kMessages / 2u);
  EXPECT_EQ(delayed->status().delayed, kMessages / 2u);
  agent.pass(milliseconds(1'000));
  EXPECT_EQ(expiring->status().ready, 0u);
  EXPECT_EQ(consumer.got.size(), static_cast<std::size_t>(kMessages));
  EXPECT_EQ(delayed->check(), "");
  EXPECT_EQ(expiring->check(), "");
  delayed->remove_consumer(consumer);
  agent.settle_down();
  EXPECT_EQ(agent.spool->status().live_bytes, 0u);
}

TEST(QueueTimes, TakesTheShorterOfItsOwnTtlAndTheMessages) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q", with("x-message-ttl", 500));
  agent.publish_as("q", "a", expiring_in("100"));
  agent.publish_as("q", "b", expiring_in("900"));
  agent.publish_as("q", "c", {});
  agent.pass(milliseconds(100));
  EXPECT_EQ(queue->status().ready, 2u);
  agent.pass(milliseconds(400));
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST(QueueTimes, DeliversWithATtlOfNothingOnlyToWhoWaits) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  agent.publish_as("q", "nobody", expiring_in("0"));
  agent.pass(milliseconds(0));
  EXPECT_EQ(queue->status().ready, 0u);
  TestConsumer consumer(10);
  queue->add_consumer(consumer);
  agent.publish_as("q", "somebody", expiring_in("0"));
  agent.turn();
  EXPECT_EQ(consumer.bodies(), Texts{"somebody"});
  queue->remove_consumer(consumer);
}

TEST(QueueTimes, DoesNotExpireWhatIsOutUntilItComesBack) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  agent.publish_as("q", "x", expiring_in("100"));
  auto got = agent.get(*queue);
  ASSERT_TRUE(got);
  agent.pass(milliseconds(1'000));
  EXPECT_TRUE(queue->is_unacked(got->receipt));
  EXPECT_TRUE(queue->give_back(got->receipt, {}));
  agent.pass(milliseconds(0));
  EXPECT_EQ(queue->status().ready, 0u);
  EXPECT_EQ(queue->status().counters.expired, 1u);
}

TEST(QueueTimes, HoldsAFailedDeliveryBackForLongerEachTime) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  QueueSettings settings = queue->settings();
  settings.backoff = milliseconds(1'000);
  settings.backoff_max = milliseconds(3'000);
  queue->change(settings);
  agent.publish_as("q", "x", {});
  for (const int longest : {1'000, 2'000, 3'000, 3'000}) {
    auto got = agent.get(*queue);
    ASSERT_TRUE(got) << longest;
    EXPECT_TRUE(queue->give_back(got->receipt, {.backs_off = true}));
    EXPECT_EQ(queue->status().delayed, 1u);
    agent.pass(milliseconds(longest / 2 - 1));
    EXPECT_EQ(queue->status().ready, 0u) << longest;
    agent.pass(milliseconds(longest / 2 + 1));
    EXPECT_EQ(queue->status().ready, 1u) << longest;
  }
  EXPECT_EQ(queue->check(), "");
}

TEST(QueueTimes, GivesAHandOverWhatIsNotDueYet) {
  class HandOver final : public Consumer {
   public:
    bool has_credit() const override { return true; }
    bool takes_held_back() const override { return true; }
    void deliver(Queue&, Delivery delivery) override { got.push_back(std::move(delivery)); }
    void queue_gone(Queue&) override {}
    std::vector<Delivery> got;
  };
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("q");
  agent.publish_as("q", "later", delayed_by(60'000));
  HandOver consumer;
  queue->add_consumer(consumer);
  agent.turn();
  ASSERT_EQ(consumer.got.size(), 1u);
  EXPECT_EQ(consumer.got[0].due, agent.clock.now_ms() + 60'000);
  queue->remove_consumer(consumer);
}

TEST(QueueTimes, GoesWhenNobodyHasUsedItForItsTime) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  agent.declare("q", with("x-expires", 1'000));
  {
    TestConsumer consumer(1);
    agent.find("q")->add_consumer(consumer);
    agent.pass(milliseconds(5'000));
    EXPECT_NE(agent.find("q"), nullptr);
    agent.find("q")->remove_consumer(consumer);
  }
  agent.pass(milliseconds(999));
  agent.declare("q", with("x-expires", 1'000));
  agent.pass(milliseconds(999));
  EXPECT_NE(agent.find("q"), nullptr);
  agent.pass(milliseconds(1));
  EXPECT_EQ(agent.find("q"), nullptr);
}

TEST(QueueTimes, RefusesTimesThatAreNone) {
  EXPECT_FALSE(traits_of(expiring_in("soon")));
  EXPECT_FALSE(traits_of(expiring_in("-1")));
  EXPECT_FALSE(traits_of(expiring_in("1.5")));
  EXPECT_FALSE(traits_of(expiring_in("")));
  EXPECT_TRUE(traits_of(expiring_in("0")));
  Properties properties;
  properties.headers.emplace();
  properties.headers->set("x-delay", std::string("1"));
  EXPECT_FALSE(traits_of(properties));
}

}  // namespace
}  // namespace pannier::queue
