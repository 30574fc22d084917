#include <gtest/gtest.h>

#include "tests/operator/world.h"

namespace pannier {
namespace {

using std::chrono::seconds;

// One queue and two pods, everything settled, with three messages on pod a.
struct Deletion1 : testing::Test {
  World world;
  void SetUp() override {
    world.add_pod("a");
    world.add_pod("b");
    world.add_queue("orders", {{"deletionPolicy", policy()}});
    world.settle();
    world.agents["a"].queues[world.uid("orders")].ready = 3;
    world.settle();
  }
  virtual const char* policy() const { return "WaitUntilEmpty"; }
  FakeAgent::Held& held(const std::string& pod) {
    return world.agents[pod].queues.at(world.uid("orders"));
  }
};
using QueueDeletionTest = Deletion1;

struct QueueDeletionAtOnce : Deletion1 {
  const char* policy() const override { return "Delete"; }
};

TEST(MessageQueueReconciler, PutsTheFinalizerBeforeAnyAgentHearsOfTheQueue) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.render();
  EXPECT_TRUE(world.policy("a").queues.empty());
  ASSERT_TRUE(world.reconcile("orders"));
  world.render();
  ASSERT_EQ(world.policy("a").queues.size(), 1u);
  EXPECT_TRUE(
      world.cache.find(World::queue_key("orders"))->metadata().has_finalizer(api::kQueueFinalizer));
}

TEST(MessageQueueReconciler, IsReadyOnceEveryAgentHasTheGeneration) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  ASSERT_TRUE(world.reconcile("orders"));
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Ready"), "Unknown AgentsSilent");
  world.settle();
  EXPECT_EQ(world.condition("orders", "Ready"), "True AllAgentsUpToDate");
  EXPECT_EQ(world.condition("orders", "Progressing"), "False Settled");
  EXPECT_EQ(world.condition("orders", "Durable"), "False SpoolDiesWithPod");
  EXPECT_EQ(world.status("orders")["agents"],
            (kube::Json{{"desired", 1}, {"ready", 1}, {"upToDate", 1}}));

  world.add_queue("orders", {{"paused", true}});
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Ready"), "False AgentsNotUpToDate");
}

TEST(MessageQueueReconciler, ANewOperatorLeavesWhatWasWrittenUntilItHasAskedEverybodyOnce) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.settle();
  world.clock.advance(seconds{10});
  AgentReports nobody_asked(world.clock);
  ReconcileContext anew{world.api,   world.cache,  nobody_asked,
                        world.board, world.hashes, world.context.trust_bundle,
                        world.clock};
  const auto key = World::queue_key("orders");
  const auto early = reconcile_message_queue(anew, key);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->again_after, seconds{1});
  EXPECT_EQ(world.condition("orders", "Ready"), "True AllAgentsUpToDate");
  world.clock.advance(AgentReports::kFreshFor);
  ASSERT_TRUE(reconcile_message_queue(anew, key));
  EXPECT_EQ(world.condition("orders", "Ready"), "Unknown AgentsSilent");
}

TEST(MessageQueueReconciler, WritesCountsOnlyEveryIntervalAndConditionsAtOnce) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.settle();
  world.clock.advance(seconds{10});
  world.look_all();
  ASSERT_TRUE(world.reconcile("orders"));
  const unsigned before = world.api.status_writes;
  world.agents["a"].queues.begin()->second.ready = 1;
  world.look("a");
  ASSERT_TRUE(world.reconcile("orders"));  // the first news for long: written
  EXPECT_EQ(world.api.status_writes, before + 1);

  world.clock.advance(seconds{4});
  world.agents["a"].queues.begin()->second.ready = 2;
  world.look("a");
  const auto later = world.reconcile("orders");
  ASSERT_TRUE(later);
  EXPECT_EQ(world.api.status_writes, before + 1);
  EXPECT_EQ(later->again_after, seconds{6});

  world.clock.advance(seconds{6});
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.status("orders")["messages"]["ready"], 2);

  world.clock.advance(seconds{1});
  world.add_pod("b");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Ready"), "Unknown AgentsSilent");

  world.look("b");
  world.settle();
  const unsigned settled = world.api.status_writes;
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.api.status_writes, settled);  // equal facts, nothing written
}

TEST(MessageQueueReconciler, TheYoungerOfOneNameIsNeverServedAndSaysSo) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.clock.advance(seconds{1});
  world.add_queue("again", {{"queueName", "orders"}});
  world.settle();
  EXPECT_EQ(world.condition("again", "Ready"), "False NameTaken");
  EXPECT_NE(world.message("again", "Ready").find("MessageQueue orders"), std::string::npos);
  ASSERT_EQ(world.policy("a").queues.size(), 1u);
  EXPECT_EQ(world.policy("a").queues[0].uid, world.uid("orders"));
  EXPECT_TRUE(world.policy("a").other_queues.empty());

  world.begin_delete("again");  // nobody has ever had it
  world.settle({"a"});
  EXPECT_FALSE(world.exists("again"));
}

TEST(MessageQueueReconciler, TheYoungerOneTakesTheNameOverOnceTheOlderIsGone) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.clock.advance(seconds{1});
  world.add_queue("again", {{"queueName", "orders"}});
  world.settle();
  world.begin_delete("orders");
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
  world.settle();
  EXPECT_EQ(world.condition("again", "Ready"), "True AllAgentsUpToDate");
}

TEST_F(QueueDeletionTest, WaitsUntilEveryAgentSaysThatItIsEmpty) {
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  EXPECT_NE(world.message("orders", "Terminating").find("3 messages"), std::string::npos);
  EXPECT_NE(world.message("orders", "Terminating").find("hold some: a"), std::string::npos);
  EXPECT_TRUE(world.policy("a").queues[0].ending);
  EXPECT_TRUE(world.policy("a").tombstones.empty());

  held("a").ready = 0;
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
  EXPECT_TRUE(world.api.events.empty());
  EXPECT_TRUE(world.agents["a"].queues.empty());
}

TEST_F(QueueDeletionTest, ZeroOfAnEarlierGenerationDoesNotCount) {
  held("a").ready = 0;
  world.look_all();
  world.begin_delete("orders");
  // Their reports are fresh and empty, but they take publishes still.
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  world.render();
  world.look("a");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  world.look("b");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True Discarding");
}

TEST_F(QueueDeletionTest, ASilentAgentIsNotEmptyAndIsNamed) {
  held("a").ready = 0;
  world.settle();
  world.clock.advance(AgentReports::kFreshFor + seconds{1});
  world.begin_delete("orders");
  world.settle({"b"});
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  EXPECT_NE(world.message("orders", "Terminating").find("do not answer, and may hold messages: b"),
            std::string::npos);
  world.settle();  // it comes back
  EXPECT_FALSE(world.exists("orders"));
}

TEST_F(QueueDeletionTest, AnAgentThatHasParkedItHoldsMessagesToo) {
  world.add_queue("orders", {{"agents", {{"selector", {{"matchLabels", {{"app", "other"}}}}}}},
                             {"deletionPolicy", "WaitUntilEmpty"}});
  world.clock.advance(seconds{10});
  world.settle();
  EXPECT_EQ(world.condition("orders", "Ready"), "False NoAgents");
  EXPECT_EQ(world.condition("orders", "Degraded"), "True MessagesParked");
  EXPECT_EQ(world.status("orders")["messages"]["ready"], 3);
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  held("a").ready = 0;
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
}

TEST_F(QueueDeletionTest, ThePodThatHeldTheRestIsGoneAndIsNotWaitedFor) {
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  world.remove_pod("a");
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
}

TEST_F(QueueDeletionTest, TheDiscardAnnotationOfThisVeryObjectEndsTheWait) {
  world.begin_delete("orders");
  world.annotate("orders", "pannier.dev/discard", "another-uid");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  world.annotate("orders", "pannier.dev/discard", world.uid("orders"));
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
  ASSERT_EQ(world.api.events.size(), 1u);
  EXPECT_NE(world.api.events[0].note.find("3 messages were discarded"), std::string::npos);
}

TEST_F(QueueDeletionTest, WithTheDiscardAnnotationSilentAgentsAreNotWaitedFor) {
  world.clock.advance(AgentReports::kFreshFor + seconds{1});
  world.begin_delete("orders");
  world.annotate("orders", "pannier.dev/discard", world.uid("orders"));
  world.settle({"a"});
  EXPECT_FALSE(world.exists("orders"));
  ASSERT_EQ(world.api.events.size(), 1u);
  EXPECT_NE(world.api.events[0].note.find("do not answer is not counted: a"), std::string::npos);
}

TEST_F(QueueDeletionAtOnce, DiscardsInEveryAgentBeforeTheObjectGoes) {
  world.begin_delete("orders");
  world.render();
  EXPECT_TRUE(world.policy("a").tombstones.empty());  // the status does not say so yet
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True Discarding");
  world.render();
  EXPECT_EQ(world.policy("a").tombstones, std::vector{world.uid("orders")});
  EXPECT_TRUE(world.policy("a").queues.empty());
  EXPECT_EQ(world.policy("a").other_queues, std::vector<std::string>{"orders"});
  world.look("a");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_TRUE(world.exists("orders"));
  world.look("b");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_FALSE(world.exists("orders"));
  ASSERT_EQ(world.api.events.size(), 1u);
  EXPECT_NE(world.api.events[0].note.find("3 messages were discarded"), std::string::npos);
}

TEST_F(QueueDeletionAtOnce, WaitsForSilentAgentsUnlessToldToDiscard) {
  world.clock.advance(AgentReports::kFreshFor + seconds{1});
  world.begin_delete("orders");
  world.settle({"b"});
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_NE(world.message("orders", "Terminating").find(": b"), std::string::npos);
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
}

// An agent that reports the version before the tombstone has nothing of the queue, but may yet get
// it: by a document that is on its way.
TEST_F(QueueDeletionAtOnce, AnAgentWithoutTheQueueMustHaveTheTombstoneToo) {
  world.add_pod("late");
  world.render();
  const auto older = world.board.find(world.agents["late"].pod_uid);
  world.agents["late"].policy_version = older->policy_version;  // and has not carried it out yet
  world.begin_delete("orders");
  ASSERT_TRUE(world.reconcile("orders"));
  world.reports.put(world.agents["late"].report());
  world.board.put(world.agents["late"].pod_uid, older->policy, older->members, kShop);
  ASSERT_TRUE(world.reconcile("orders"));
  for (const char* const pod : {"a", "b"}) {
    const auto view = world.view();
    world.board.put(world.agents[pod].pod_uid,
                    to_yaml(render_policy(view, *world.agent_in(view, pod), "PEM")), "", kShop);
    world.look(pod);
  }
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_TRUE(world.exists("orders"));
  world.settle();
  EXPECT_FALSE(world.exists("orders"));
}

TEST_F(QueueDeletionAtOnce, GoesOnWhereTheOperatorBeforeStopped) {
  world.begin_delete("orders");
  ASSERT_TRUE(world.reconcile("orders"));
  world.render();
  world.look("a");

  // A new operator knows nothing but the objects: no reports, no documents.
  AgentReports reports{world.clock};
  DocumentBoard board;
  ReconcileContext context{world.api,  world.cache,  reports,
                           board,      world.hashes, [] { return std::string("PEM"); },
                           world.clock};
  ASSERT_TRUE(reconcile_message_queue(context, World::queue_key("orders")));
  EXPECT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.condition("orders", "Terminating"), "True Discarding");
  EXPECT_EQ(world.status("orders")["messages"]["ready"], 3);
  ASSERT_TRUE(reconcile_documents(context, kShop));
  for (auto& [name, agent] : world.agents) {
    agent.take(*board.find(agent.pod_uid));
    reports.put(agent.report());
  }
  ASSERT_TRUE(reconcile_message_queue(context, World::queue_key("orders")));
  EXPECT_FALSE(world.exists("orders"));
  EXPECT_EQ(world.api.events.size(), 1u);
}

TEST_F(QueueDeletionAtOnce, AnAgentThatComesBackWithMessagesIsWaitedForAgain) {
  world.begin_delete("orders");
  ASSERT_TRUE(world.reconcile("orders"));
  world.render();
  world.look("a");
  // b fails to carry the tombstone out, and says so by still having the queue.
  world.agents["b"].policy_version = world.board.find(world.agents["b"].pod_uid)->policy_version;
  world.look("b");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_TRUE(world.exists("orders"));
  held("b");
  world.agents["b"].queues.clear();
  world.look("b");
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_FALSE(world.exists("orders"));
}

TEST_F(QueueDeletionAtOnce, AConflictOrAnUnreachableApiChangesNothingAndIsTriedAgain) {
  world.begin_delete("orders");
  world.api.fail_next(1);
  EXPECT_EQ(world.reconcile("orders").error().code, Errc::closed);
  EXPECT_EQ(world.condition("orders", "Terminating"), "");
  ASSERT_TRUE(world.reconcile("orders"));
  world.render();
  world.look_all();
  world.api.fail_next(1, Errc::precondition);
  EXPECT_EQ(world.reconcile("orders").error().code, Errc::precondition);
  EXPECT_TRUE(world.exists("orders"));
  EXPECT_TRUE(world.api.events.empty());
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_FALSE(world.exists("orders"));
  EXPECT_EQ(world.api.events.size(), 1u);
}

TEST_F(QueueDeletionTest, OtherFinalizersStay) {
  world.api.change(World::queue_key("orders"), [](kube::Json&) {});
  auto object = *world.cache.find(World::queue_key("orders"));
  ASSERT_TRUE(world.api.put_finalizers(object, {"pannier.dev/queue", "example.com/mine"}));
  held("a").ready = 0;
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_EQ(world.cache.find(World::queue_key("orders"))->metadata().finalizers,
            std::vector<std::string>{"example.com/mine"});
  EXPECT_EQ(world.policy("a").tombstones, std::vector{world.uid("orders")});
}

TEST_F(QueueDeletionTest, ATerminatingNamespaceEndsTheWaitAndSaysWhatWasLost) {
  world.api.put({{"apiVersion", "v1"},
                 {"kind", "Namespace"},
                 {"metadata", {{"name", kShop}, {"finalizers", {"kubernetes"}}}}});
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  ASSERT_TRUE(world.api.remove({"Namespace", "", kShop}, {}));
  ASSERT_TRUE(world.reconcile("orders"));
  EXPECT_FALSE(world.exists("orders"));
  ASSERT_EQ(world.api.events.size(), 1u);
  EXPECT_NE(world.api.events[0].note.find("3 messages"), std::string::npos);
}

TEST(MessageQueueReconciler, AQueueThatCannotBeReadIsParkedAndSaysWhy) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.settle();
  world.add_queue("orders", {{"durability", 7}});
  world.settle();
  EXPECT_EQ(world.condition("orders", "Ready"), "False SpecNotUnderstood");
  EXPECT_TRUE(world.policy("a").queues.empty());
  EXPECT_TRUE(world.policy("a").tombstones.empty());
  EXPECT_TRUE(world.agents["a"].queues.begin()->second.parked);
  world.add_queue("orders");
  world.settle();
  EXPECT_EQ(world.condition("orders", "Ready"), "True AllAgentsUpToDate");
}

TEST(MessageQueueReconciler, AQueueThatCannotBeReadKeepsItsName) {
  World world;
  world.add_pod("a");
  world.add_queue("orders");
  world.clock.advance(seconds{1});
  world.add_queue("again", {{"queueName", "orders"}});
  world.settle();
  world.add_queue("orders", {{"durability", 7}});
  world.settle();
  EXPECT_TRUE(world.policy("a").queues.empty());
  EXPECT_EQ(world.condition("again", "Ready"), "False NameTaken");
}

TEST(MessageQueueReconciler, AQueueThatCannotBeReadGoesOnlyByTheAnnotationOrWithItsNamespace) {
  for (const bool is_namespace : {false, true}) {
    World world;
    world.add_pod("a");
    world.add_queue("orders");
    world.settle();
    world.add_queue("orders", {{"durability", 7}});
    world.settle();
    world.begin_delete("orders");
    world.settle();
    ASSERT_TRUE(world.exists("orders"));  // who else holds some is not known
    EXPECT_TRUE(world.policy("a").tombstones.empty());
    EXPECT_EQ(world.condition("orders", "Ready"), "False SpecNotUnderstood");
    EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
    if (is_namespace) {
      world.api.put(
          {{"apiVersion", "v1"},
           {"kind", "Namespace"},
           {"metadata", {{"name", kShop}, {"deletionTimestamp", "2026-09-21T14:00:00Z"}}}});
    } else {
      world.annotate("orders", "pannier.dev/discard", world.uid("orders"));
    }
    world.settle();
    EXPECT_FALSE(world.exists("orders"));
  }
}

TEST_F(QueueDeletionTest, APodThatCannotBeReadIsSilentAndNotWithoutMessages) {
  world.api.change(World::pod_key("a"), [](kube::Json& pod) { pod["spec"]["hostNetwork"] = 7; });
  world.begin_delete("orders");
  world.settle();
  ASSERT_TRUE(world.exists("orders"));
  EXPECT_NE(world.message("orders", "Terminating").find("not answer"), std::string::npos);
}

TEST_F(QueueDeletionTest, AnAgentWithALaterGenerationDoesNotKnowOfTheDeletion) {
  held("a").ready = 0;
  held("a").generation = 9;  // the object came back from a copy
  world.begin_delete("orders");
  world.settle();
  EXPECT_EQ(world.condition("orders", "Terminating"), "True WaitingUntilEmpty");
  EXPECT_TRUE(world.policy("a").tombstones.empty());
}

// It was served before the other one of the same second came and took its place by its name.
TEST_F(QueueDeletionTest, OfATakenNameNobodyIsPassedOverWhoDoesNotAnswer) {
  world.add_queue("first", {{"queueName", "orders"}});
  world.settle();
  ASSERT_EQ(world.condition("orders", "Ready"), "False NameTaken");
  world.clock.advance(seconds{60});
  world.begin_delete("orders");
  world.settle({"a"});
  EXPECT_TRUE(world.exists("orders"));
  EXPECT_EQ(held("a").ready, 3u);
}

}  // namespace
}  // namespace pannier
