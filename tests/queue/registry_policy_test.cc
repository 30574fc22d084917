// What a MessageQueue's fields do to the messages that are in its queue already.
#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

struct Governed : testing::Test {
  MemoryDisk disk;
  QueueHarness agent{disk};
  Policy policy;

  PolicyQueue& add(const std::string& name) {
    PolicyQueue& queue = policy.queues.emplace_back();
    queue.uid = "uid-" + name;
    queue.name = name;
    queue.storage.messages_max = 0;
    queue.delivery.backoff = {};
    queue.delivery.backoff.initial = milliseconds(0);
    return queue;
  }
  void apply() {
    for (PolicyQueue& queue : policy.queues) ++queue.generation;
    const Applied applied = agent.registry->apply(policy);
    ASSERT_TRUE(applied) << applied.failures.front().error.detail;
    agent.turn();
  }
  void publish(const std::string& queue, const std::string& body, spool::Priority priority = 0) {
    Properties properties;
    if (priority > 0) properties.priority = priority;
    agent.publish_as(queue, body, properties);
    agent.turn();
  }
  void reject(Queue& queue) {
    auto got = agent.get(queue);
    ASSERT_TRUE(got);
    EXPECT_TRUE(queue.discard(got->receipt));
    agent.turn();
  }
  Texts drain(const std::string& name) {
    const QueuePtr queue = agent.find(name);
    TestConsumer consumer(1'000'000);
    consumer.no_ack = true;
    queue->add_consumer(consumer);
    agent.turn();
    queue->remove_consumer(consumer);
    EXPECT_EQ(queue->check(), "");
    return consumer.bodies();
  }
};

TEST_F(Governed, DeadLettersWaitForAQueueThatIsNotThereYet) {
  add("orders").delivery.dead_letter = pannier::DeadLetter{"dead", "", ""};
  apply();
  const QueuePtr orders = agent.find("orders");
  publish("orders", "a");
  publish("orders", "b");
  reject(*orders);
  EXPECT_EQ(orders->status().ready, 2u);
  EXPECT_EQ(orders->status().counters.dead_lettered, 0u);
  EXPECT_EQ(drain("orders"), Texts{"b"}) << "others are not held up";
  add("dead");
  apply();
  agent.pass(seconds(1));
  EXPECT_EQ(drain("dead"), Texts{"a"});
  EXPECT_TRUE(orders->empty());
}

TEST_F(Governed, DeadLettersThatWaitSurviveARestart) {
  add("orders").delivery.dead_letter = pannier::DeadLetter{"dead", "", ""};
  apply();
  publish("orders", "a");
  reject(*agent.find("orders"));
  agent.settle_down();
  const auto after = disk.restart(1, Keep::random);
  QueueHarness again(*after);
  ASSERT_TRUE(again.registry->apply(policy));
  EXPECT_EQ(again.find("orders")->status().ready, 1u);
}

TEST_F(Governed, DeadLettersWaitForAnExchangeAndForAQueueThatIsBeingDeleted) {
  add("orders").delivery.dead_letter = pannier::DeadLetter{"", "dlx", "k"};
  add("dead").ending = true;
  apply();
  publish("orders", "a");
  reject(*agent.find("orders"));
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
  policy.queues[1].bindings = {{"dlx", ExchangeType::fanout, "", {}, {}}};
  apply();
  agent.pass(seconds(1));
  EXPECT_EQ(agent.find("orders")->status().ready, 1u) << "it takes nothing more";
  policy.queues[1].ending = false;
  apply();
  agent.pass(seconds(1));
  EXPECT_EQ(drain("dead"), Texts{"a"});
}

TEST_F(Governed, AClientsDeadLettersGoNowhereAsInRabbitMq) {
  Table table;
  table.set("x-dead-letter-exchange", std::string());
  table.set("x-dead-letter-routing-key", std::string("nowhere"));
  const QueuePtr queue = agent.declare("q", table);
  publish("q", "a");
  reject(*queue);
  EXPECT_TRUE(queue->empty());
}

TEST_F(Governed, WhatWaitsAsADeadLetterIsReadyAgainWithoutDeadLetters) {
  add("orders").delivery.dead_letter = pannier::DeadLetter{"dead", "", ""};
  apply();
  const QueuePtr orders = agent.find("orders");
  for (int i = 0; i < 5; ++i) publish("orders", std::to_string(i));
  reject(*orders);
  reject(*orders);
  policy.queues[0].delivery.dead_letter.reset();
  apply();
  agent.pass(seconds(2));
  EXPECT_EQ(orders->status().ready, 5u);
  EXPECT_EQ(drain("orders"), (Texts{"0", "1", "2", "3", "4"}));
  EXPECT_TRUE(orders->empty());
}

TEST_F(Governed, SoIsWhatWasOnDiskOnly) {
  PolicyQueue& wanted = add("orders");
  wanted.delivery.dead_letter = pannier::DeadLetter{"dead", "", ""};
  apply();
  const QueuePtr orders = agent.find("orders");
  Texts all;
  Properties expiring;
  expiring.expiration = "1000";
  for (int i = 0; i < 10'000; ++i) {
    all.push_back(std::to_string(i));
    agent.publish_as("orders", all.back(), i == 9'000 ? expiring : Properties());
  }
  agent.turn();
  agent.pass(seconds(2));
  EXPECT_EQ(orders->status().counters.expired, 1u);
  EXPECT_EQ(orders->status().ready, 10'000u);
  policy.queues[0].delivery.dead_letter.reset();
  apply();
  agent.pass(seconds(2));
  all.erase(all.begin() + 9'000);
  EXPECT_EQ(drain("orders"), all) << "it had expired, and now nobody wants it";
  EXPECT_TRUE(orders->empty());
}

TEST_F(Governed, TimesLimitsAndPrioritiesChangeUnderTheMessages) {
  add("orders");
  add("dead");
  apply();
  const QueuePtr orders = agent.find("orders");
  for (int i = 0; i < 3; ++i) publish("orders", std::to_string(i));
  agent.pass(seconds(10));
  EXPECT_EQ(orders->status().ready, 3u);
  policy.queues[0].delivery.dead_letter = pannier::DeadLetter{"dead", "", ""};
  policy.queues[0].delivery.message_ttl = seconds(20);
  apply();
  publish("orders", "3");
  EXPECT_EQ(orders->status().ready, 4u);
  agent.pass(seconds(10));
  EXPECT_EQ(drain("dead"), (Texts{"0", "1", "2"}));
  EXPECT_EQ(drain("orders"), Texts{"3"});

  policy.queues[0].delivery.message_ttl = seconds(0);
  policy.queues[0].delivery.priorities = 1;
  apply();
  publish("orders", "low");
  publish("orders", "high", 7);
  publish("orders", "as high", 1);
  EXPECT_EQ(drain("orders"), (Texts{"high", "as high", "low"}));
  policy.queues[0].delivery.priorities = 5;
  publish("orders", "1", 1);
  apply();
  publish("orders", "5", 7);
  EXPECT_EQ(drain("orders"), (Texts{"5", "1"}));
}

TEST_F(Governed, AGetIsAnsweredWhileAllThatIsReadyWaitsForItsGroup) {
  add("orders").delivery.group_by = GroupBy::header;
  apply();
  const QueuePtr orders = agent.find("orders");
  Properties properties;
  properties.headers.emplace();
  properties.headers->set("x-group", std::string("a"));
  for (const char* const body : {"1", "2"}) agent.publish_as("orders", body, properties);
  agent.turn();
  auto first = agent.get(*orders);
  ASSERT_TRUE(first);
  bool is_answered = false;
  orders->get(false, [&](std::optional<Delivery> got) {
    is_answered = true;
    EXPECT_FALSE(got);
  });
  agent.turn();
  EXPECT_TRUE(is_answered);
  EXPECT_TRUE(orders->ack(first->receipt));
  agent.turn();
  auto second = agent.get(*orders);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->message->body.text(), "2");
  EXPECT_TRUE(orders->ack(second->receipt));
}

TEST_F(Governed, MessagesThatNobodyHasTakenForItsTimeGoAndTheQueueStays) {
  add("orders").delivery.expires = seconds(10);
  apply();
  publish("orders", "a");
  {
    TestConsumer consumer(0);
    agent.find("orders")->add_consumer(consumer);
    agent.pass(seconds(30));
    agent.find("orders")->remove_consumer(consumer);
  }
  agent.pass(seconds(9));
  EXPECT_EQ(agent.find("orders")->ready(), 1u);
  policy.queues[0].paused = true;
  apply();
  agent.pass(seconds(30));
  EXPECT_EQ(agent.find("orders")->ready(), 1u) << "paused, nobody could take it";
  policy.queues[0].paused = false;
  apply();
  agent.pass(seconds(10));
  ASSERT_NE(agent.find("orders"), nullptr);
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(Governed, ANewExpiryBeginsWithItsChange) {
  add("orders");
  apply();
  publish("orders", "a");
  agent.pass(std::chrono::hours(5));
  policy.queues[0].delivery.expires = seconds(10);
  apply();
  agent.pass(seconds(9));
  EXPECT_EQ(agent.find("orders")->ready(), 1u);
  agent.pass(seconds(1));
  EXPECT_TRUE(agent.find("orders")->empty());
}

}  // namespace
}  // namespace pannier::queue
