#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using Texts = std::vector<std::string>;

Properties of_group(std::string key) {
  Properties properties;
  properties.headers.emplace();
  properties.headers->set("x-group", std::move(key));
  return properties;
}

class QueueGroups : public testing::Test {
 protected:
  QueueGroups() {
    QueueSettings settings = queue->settings();
    settings.keeps_groups = true;
    queue->change(settings);
  }
  void publish(const std::string& group, const std::string& body) {
    agent.publish_as("q", body, group.empty() ? Properties{} : of_group(group));
  }

  MemoryDisk disk;
  QueueHarness agent{disk};
  QueuePtr queue = agent.declare("q");
};

TEST_F(QueueGroups, HaveOneMessageOutAtATimeAndDoNotHoldUpOthers) {
  TestConsumer consumer(10);
  for (const char* body : {"a1", "a2", "b1", "a3", "b2"}) publish({body, 1}, body);
  publish("", "none");
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "b1", "none"}));
  EXPECT_EQ(queue->status().ready, 3u);
  EXPECT_EQ(queue->check(), "");
  EXPECT_TRUE(queue->ack(consumer.got[0].receipt));
  agent.turn();
  EXPECT_EQ(consumer.bodies().back(), "a2");
  EXPECT_TRUE(queue->ack(consumer.got[1].receipt));
  agent.turn();
  EXPECT_EQ(consumer.bodies().back(), "b2");
  EXPECT_TRUE(queue->ack(consumer.got[3].receipt));
  agent.turn();
  EXPECT_EQ(consumer.bodies().back(), "a3");
  EXPECT_EQ(queue->check(), "");
  queue->remove_consumer(consumer);
}

TEST_F(QueueGroups, StayInOrderWhenOneComesBack) {
  TestConsumer consumer(10);
  for (const char* body : {"a1", "a2", "a3"}) publish("a", body);
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_TRUE(queue->give_back(consumer.got[0].receipt, {}));
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "a1"}));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_TRUE(queue->ack(consumer.got.back().receipt));
    agent.turn();
  }
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "a1", "a2", "a3"}));
  queue->remove_consumer(consumer);
}

TEST_F(QueueGroups, WaitForOneThatIsHeldBack) {
  TestConsumer consumer(10);
  publish("a", "a1");
  publish("a", "a2");
  queue->add_consumer(consumer);
  agent.turn();
  EXPECT_TRUE(
      queue->give_back(consumer.got[0].receipt, {.delay = std::chrono::milliseconds(1'000)}));
  agent.turn();
  EXPECT_EQ(consumer.bodies(), Texts{"a1"});
  agent.pass(std::chrono::milliseconds(1'000));
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "a1"}));
  EXPECT_TRUE(queue->ack(consumer.got[1].receipt));
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "a1", "a2"}));
  queue->remove_consumer(consumer);
}

TEST_F(QueueGroups, TakeTheirPlacesWhenTheQueueForgetsThem) {
  TestConsumer consumer(10);
  for (const char* body : {"a1", "a2", "a3"}) publish("a", body);
  queue->add_consumer(consumer);
  agent.turn();
  QueueSettings settings = queue->settings();
  settings.keeps_groups = false;
  queue->change(settings);
  agent.turn();
  EXPECT_EQ(consumer.bodies(), (Texts{"a1", "a2", "a3"}));
  EXPECT_EQ(queue->check(), "");
  queue->remove_consumer(consumer);
}

TEST_F(QueueGroups, ArePassedOverUpToALimitOnly) {
  QueueLimits limits;
  limits.window_entries = 16;
  limits.window_entries_min = 4;
  MemoryDisk small_disk;
  QueueHarness small(small_disk, limits);
  const QueuePtr narrow = small.declare("q");
  QueueSettings settings = narrow->settings();
  settings.keeps_groups = true;
  narrow->change(settings);
  for (int i = 0; i < 200; ++i) small.publish_as("q", "a", of_group("a"));
  small.publish_as("q", "b", of_group("b"));
  TestConsumer consumer(1'000);
  narrow->add_consumer(consumer);
  small.turn();
  EXPECT_EQ(consumer.bodies(), Texts{"a"});
  for (std::size_t i = 0; i < consumer.got.size(); ++i) {
    EXPECT_TRUE(narrow->ack(consumer.got[i].receipt));
    small.turn();
    ASSERT_EQ(narrow->check(), "");
  }
  EXPECT_EQ(consumer.got.size(), 201u);
  narrow->remove_consumer(consumer);
}

}  // namespace
}  // namespace pannier::queue
