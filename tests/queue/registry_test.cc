#include "sidecar/queue/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ExchangeSettings settings_of(std::string name, ExchangeType type, bool durable = true) {
  ExchangeSettings settings;
  settings.name = std::move(name);
  settings.type = type;
  settings.durable = durable;
  return settings;
}

Binding binding_to(std::string queue, std::string key) {
  return {{Destination::Kind::queue, std::move(queue)}, std::move(key), {}, false};
}

PolicyQueue governed(std::string uid, std::string name, std::uint64_t generation = 1) {
  PolicyQueue queue;
  queue.uid = std::move(uid);
  queue.name = std::move(name);
  queue.generation = generation;
  return queue;
}

template <typename T>
Errc code_of(const Result<T>& result) {
  EXPECT_FALSE(result);
  return result ? Errc::closed : result.error().code;
}

TEST(Registry, KeepsDurableTopologyThroughAPowerCut) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    agent.declare("kept");
    agent.declare("passing", {}, false);
    ASSERT_TRUE(
        agent.registry->declare_exchange(settings_of("events", ExchangeType::topic), false));
    ASSERT_TRUE(agent.registry->bind("events", binding_to("kept", "order.*"), 0));
    agent.publish("order.created", "a", "events");
    agent.settle_down();
  }
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  EXPECT_EQ(again.find("passing"), nullptr);
  ASSERT_NE(again.find("kept"), nullptr);
  again.publish("order.paid", "b", "events");
  TestConsumer consumer(5);
  again.find("kept")->add_consumer(consumer);
  again.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("a", "b"));
}

TEST(Registry, DeclareIsDurableOnceItsCommitIsSynced) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  QueueDefinition definition;
  definition.name = "orders";
  const auto declared = agent.registry->declare_queue(definition, 0);
  ASSERT_TRUE(declared);
  EXPECT_GT(declared->commit, agent.spool->synced_commit());
  agent.turn();
  EXPECT_LE(declared->commit, agent.spool->synced_commit());
}

TEST(Registry, RefusesADeclareThatDiffersAndSaysHow) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  agent.declare("orders");
  QueueDefinition definition;
  definition.name = "orders";
  definition.durable = false;
  const auto declared = agent.registry->declare_queue(definition, 0);
  EXPECT_EQ(code_of(declared), Errc::precondition);
  EXPECT_THAT(declared.error().detail, HasSubstr("inequivalent arg 'durable' for queue 'orders'"));
}

TEST(Registry, LetsNobodyElseNearAnExclusiveQueueAndDropsItWithItsOwner) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  QueueDefinition definition;
  definition.exclusive = true;
  const auto declared = agent.registry->declare_queue(definition, 7);
  ASSERT_TRUE(declared);
  const std::string name = declared->queue->name();
  EXPECT_THAT(name, HasSubstr("amq.gen-"));
  EXPECT_EQ(code_of(agent.registry->find_queue(name, 8)), Errc::locked);
  EXPECT_TRUE(agent.registry->find_queue(name, 7));
  agent.registry->drop_owner(7);
  EXPECT_EQ(code_of(agent.registry->find_queue(name, 7)), Errc::not_found);
}

TEST(Registry, DeletesAnAutoDeleteQueueWithItsLastConsumer) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  QueueDefinition definition;
  definition.name = "passing";
  definition.auto_delete = true;
  const auto declared = agent.registry->declare_queue(definition, 0);
  ASSERT_TRUE(declared);
  TestConsumer consumer(1);
  declared->queue->add_consumer(consumer);
  declared->queue->remove_consumer(consumer);
  agent.registry->consumer_left(declared->queue);
  EXPECT_EQ(agent.find("passing"), nullptr);
}

TEST(Registry, SendsAMessageOnceToEachQueueHoweverManyBindingsMatch) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  ASSERT_TRUE(agent.registry->declare_exchange(settings_of("a", ExchangeType::fanout), false));
  ASSERT_TRUE(agent.registry->declare_exchange(settings_of("b", ExchangeType::fanout), false));
  ASSERT_TRUE(agent.registry->bind("a", {{Destination::Kind::exchange, "b"}, "", {}, false}, 0));
  ASSERT_TRUE(agent.registry->bind("b", {{Destination::Kind::exchange, "a"}, "", {}, false}, 0));
  ASSERT_TRUE(agent.registry->bind("a", binding_to("orders", "1"), 0));
  ASSERT_TRUE(agent.registry->bind("b", binding_to("orders", "2"), 0));
  agent.publish("1", "x", "a");
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST(Registry, SharesOneRecordAmongTheQueuesOfAFanOut) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  ASSERT_TRUE(agent.registry->declare_exchange(settings_of("all", ExchangeType::fanout), false));
  for (int i = 0; i < 10; ++i) {
    agent.declare("q" + std::to_string(i));
    ASSERT_TRUE(agent.registry->bind("all", binding_to("q" + std::to_string(i), ""), 0));
  }
  agent.turn();
  const auto before = disk.counts().bytes_written;
  agent.publish("", std::string(50'000, 'x'), "all");
  agent.turn();
  EXPECT_LT(disk.counts().bytes_written - before, 75'000u);
}

TEST(Registry, SaysWhatAnUnknownOrInternalExchangeIs) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  EXPECT_EQ(code_of(agent.registry->publish("nowhere", "k", message("x"))), Errc::not_found);
  ExchangeSettings internal = settings_of("inside", ExchangeType::fanout);
  internal.internal = true;
  ASSERT_TRUE(agent.registry->declare_exchange(internal, false));
  EXPECT_EQ(code_of(agent.registry->publish("inside", "k", message("x"))), Errc::access_denied);
  EXPECT_FALSE(agent.publish("no such queue", "x").routed);
}

TEST(Registry, LetsAMessageQueueGovernWhateverAClientDeclares) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues.push_back(governed("uid-1", "orders"));
  policy.queues[0].storage.messages_max = 1;
  ASSERT_TRUE(agent.registry->apply(policy));
  QueueDefinition definition;
  definition.name = "orders";
  definition.durable = false;
  definition.arguments.set("x-max-length", std::int32_t{99});
  const auto declared = agent.registry->declare_queue(definition, 0);
  ASSERT_TRUE(declared) << declared.error().detail;
  EXPECT_FALSE(declared->is_new);
  EXPECT_FALSE(agent.publish("orders", "a").refused);
  EXPECT_TRUE(agent.publish("orders", "b").refused);
  EXPECT_EQ(code_of(agent.registry->delete_queue("orders", 0, false, false)), Errc::access_denied);
}

TEST(Registry, IgnoresAnOlderGenerationOfAQueue) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues.push_back(governed("uid-1", "orders", 5));
  policy.queues[0].paused = true;
  ASSERT_TRUE(agent.registry->apply(policy));
  policy.queues[0].generation = 4;
  policy.queues[0].paused = false;
  ASSERT_TRUE(agent.registry->apply(policy));
  EXPECT_TRUE(agent.find("orders")->settings().paused);
}

TEST(Registry, ParksAQueueThatThePolicyNoLongerNamesAndRemovesOneByItsTombstone) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues = {governed("uid-1", "parked"), governed("uid-2", "removed")};
  ASSERT_TRUE(agent.registry->apply(policy));
  agent.publish("parked", "a");
  agent.publish("removed", "b");
  Policy next;
  next.tombstones = {"uid-2"};
  ASSERT_TRUE(agent.registry->apply(next));
  EXPECT_EQ(agent.find("parked"), nullptr);
  const auto refused = agent.registry->publish("", "parked", message("c"));
  EXPECT_EQ(code_of(refused), Errc::access_denied);  // never confirmed and dropped
  agent.settle_down();
  policy.queues.resize(1);
  ASSERT_TRUE(agent.registry->apply(policy));
  ASSERT_NE(agent.find("parked"), nullptr);
  const auto got = agent.get(*agent.find("parked"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->message->body.text(), "a");
  EXPECT_EQ(agent.registry->definition_of("removed"), nullptr);
}

TEST(Registry, ServesNoGovernedQueueAfterARestartBeforeItsPolicyIsThere) {
  MemoryDisk disk;
  Policy policy;
  policy.queues = {governed("uid-1", "orders")};
  {
    QueueHarness agent(disk);
    ASSERT_TRUE(agent.registry->apply(policy));
    agent.publish("orders", "a");
    agent.stop_cleanly();
  }
  QueueHarness again(disk);
  EXPECT_EQ(again.find("orders"), nullptr);
  ASSERT_TRUE(again.registry->apply(policy));
  const auto got = again.get(*again.find("orders"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->message->body.text(), "a");
}

TEST(Registry, TakesBindingsAwayThatTheSpecNoLongerHasAlsoAfterARestart) {
  MemoryDisk disk;
  Policy policy;
  policy.queues = {governed("uid-1", "orders")};
  policy.queues[0].bindings = {{"events", ExchangeType::topic, "order.*", {}, {}},
                               {"events", ExchangeType::topic, "bill.*", {}, {}}};
  {
    QueueHarness agent(disk);
    ASSERT_TRUE(agent.registry->apply(policy));
    ASSERT_TRUE(agent.registry->bind("events", binding_to("orders", "mine.*"), 0));
    EXPECT_EQ(code_of(agent.registry->unbind("events", binding_to("orders", "bill.*"), 0)),
              Errc::access_denied);
    EXPECT_EQ(code_of(agent.registry->delete_exchange("events", false)), Errc::access_denied);
    agent.stop_cleanly();
  }
  QueueHarness again(disk);
  policy.queues[0].bindings.pop_back();
  ASSERT_TRUE(again.registry->apply(policy));
  EXPECT_EQ(again.registry->bindings(), 2u);
  EXPECT_TRUE(again.publish("order.1", "a", "events").routed);
  EXPECT_FALSE(again.publish("bill.1", "b", "events").routed);
  EXPECT_TRUE(again.publish("mine.1", "c", "events").routed);
}

TEST(Registry, AppliesTheRestOfAPolicyAndSaysWhatItCouldNot) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  ASSERT_TRUE(agent.registry->declare_exchange(settings_of("events", ExchangeType::fanout), false));
  Policy policy;
  policy.queues = {governed("uid-1", "bad"), governed("uid-2", "good")};
  policy.queues[0].bindings = {{"other", ExchangeType::topic, "#", {}, {}},
                               {"events", ExchangeType::topic, "#", {}, {}}};
  const Applied applied = agent.registry->apply(policy);
  ASSERT_EQ(applied.failures.size(), 1u);
  EXPECT_EQ(applied.failures[0].queue, "bad");
  EXPECT_EQ(agent.registry->definition_of("bad"), nullptr);
  EXPECT_EQ(agent.registry->find_exchange("other"), nullptr);  // all of it or nothing
  EXPECT_NE(agent.find("good"), nullptr);
}

TEST(Registry, GivesANameOnAsSoonAsItsTombstoneIsThere) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues = {governed("uid-1", "orders")};
  ASSERT_TRUE(agent.registry->apply(policy));
  policy.queues = {governed("uid-2", "orders")};
  EXPECT_FALSE(agent.registry->apply(policy));
  policy.tombstones = {"uid-1"};
  EXPECT_TRUE(agent.registry->apply(policy));
  EXPECT_EQ(agent.registry->definition_of("orders")->uid, "uid-2");
}

TEST(Registry, RefusesWhatTheNamespaceHasAndThisAgentDoesNotServe) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.other_queues = {"elsewhere"};
  ASSERT_TRUE(agent.registry->apply(policy));
  EXPECT_EQ(code_of(agent.registry->publish("", "elsewhere", message("x"))), Errc::access_denied);
  EXPECT_EQ(code_of(agent.registry->find_queue("elsewhere", 0)), Errc::access_denied);
  QueueDefinition definition;
  definition.name = "elsewhere";
  EXPECT_EQ(code_of(agent.registry->declare_queue(definition, 0)), Errc::access_denied);
  EXPECT_FALSE(agent.publish("unknown", "x").routed);
}

TEST(Registry, GivesAQueueItsSettingsBackWhenItIsNoLongerParked) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues = {governed("uid-1", "orders", 5)};
  ASSERT_TRUE(agent.registry->apply(policy));
  ASSERT_TRUE(agent.registry->apply(Policy{}));
  policy.queues[0].generation = 4;  // older: named again, but nothing else changes
  ASSERT_TRUE(agent.registry->apply(policy));
  ASSERT_NE(agent.find("orders"), nullptr);
  EXPECT_FALSE(agent.find("orders")->settings().paused);
}

TEST(Registry, JournalsNothingWhenAPolicyChangesNothing) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  Policy policy;
  policy.queues = {governed("uid-1", "orders")};
  policy.queues[0].bindings = {{"events", ExchangeType::topic, "order.*", {}, {}}};
  ASSERT_TRUE(agent.registry->apply(policy));
  const Commit before = agent.spool->last_commit();
  ASSERT_TRUE(agent.registry->apply(policy));
  EXPECT_EQ(agent.spool->last_commit(), before);
}

TEST(Registry, DeletesAnExchangeWithMoreBindingsThanAGroupTakes) {
  MemoryDisk disk;
  {
    QueueHarness agent(disk);
    agent.declare("orders");
    ASSERT_TRUE(agent.registry->declare_exchange(settings_of("all", ExchangeType::direct), false));
    for (int i = 0; i < 800; ++i) {
      if (i % 100 == 0) agent.turn();
      ASSERT_TRUE(agent.registry->bind(
          "all", binding_to("orders", std::to_string(i) + std::string(100, 'k')), 0));
    }
    agent.turn();
    const auto deleted = agent.registry->delete_exchange("all", false);
    ASSERT_TRUE(deleted) << deleted.error().detail;
    EXPECT_EQ(agent.registry->bindings(), 0u);
    agent.settle_down();
  }
  QueueHarness again(disk);
  EXPECT_EQ(again.registry->bindings(), 0u);
  EXPECT_EQ(again.registry->find_exchange("all"), nullptr);
}

TEST(Registry, RefusesArgumentsThatTheJournalCannotKeep) {
  MemoryDisk disk;
  QueueHarness agent(disk);
  agent.declare("orders");
  Binding binding = binding_to("orders", "");
  binding.arguments.set("long", std::string(70'000, 'x'));
  EXPECT_EQ(code_of(agent.registry->bind("amq.headers", binding, 0)), Errc::precondition);
}

}  // namespace
}  // namespace pannier::queue
