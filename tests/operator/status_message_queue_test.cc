#include "operator/status_message_queue.h"

#include <gtest/gtest.h>

#include "tests/operator/world.h"

namespace pannier {
namespace {

struct StatusTest : testing::Test {
  World world;
  void SetUp() override {
    world.add_pod("a");
    world.add_pod("b");
    world.add_queue("orders");
    world.settle();
    uid = world.uid("orders");
  }
  std::string uid;
  kube::Json before;
  Timestamp now{std::chrono::seconds{1'800'000'000}};

  kube::Json status(Deletion deletion = Deletion::none) {
    const NamespaceView view = world.view();
    return status_of(view, *view.find_queue("orders"), deletion, before, now);
  }
  static std::string condition(const kube::Json& of, std::string_view type) {
    const kube::Json& found = find_condition(of, type);
    if (!found.is_object()) return {};
    return found["status"].get<std::string>() + " " + found["reason"].get<std::string>();
  }
  std::string condition(std::string_view type) { return condition(status(), type); }
  std::string message(std::string_view type) {
    const kube::Json held = status();
    return find_condition(held, type)["message"];
  }
  void report(const std::string& pod, const std::function<void(AgentReport&)>& edit) {
    AgentReport report = world.agents[pod].report();
    edit(report);
    world.reports.put(std::move(report));
  }
};

TEST_F(StatusTest, CountsAreTheSumOverAllThatReportItAndTheOldestIsTheMinimum) {
  const Timestamp early{std::chrono::seconds{100}}, late{std::chrono::seconds{200}};
  report("a", [&](AgentReport& of) {
    of.queues[0].ready = 3;
    of.queues[0].unacked = 1;
    of.queues[0].bytes = 10;
    of.queues[0].oldest = late;
  });
  report("b", [&](AgentReport& of) {
    of.queues[0].ready = 4;
    of.queues[0].delayed = 2;
    of.queues[0].bytes = 20;
    of.queues[0].oldest = early;
  });
  EXPECT_EQ(status()["messages"],
            (kube::Json{{"ready", 7}, {"unacked", 1}, {"delayed", 2}, {"bytes", 30}}));
  EXPECT_EQ(status()["oldestMessageTime"], "1970-01-01T00:01:40Z");
}

TEST_F(StatusTest, SilentAgentsAreUnknownAndNeverZero) {
  report("a", [](AgentReport& of) { of.queues[0].ready = 3; });
  before = status();
  world.clock.advance(std::chrono::minutes{1});
  EXPECT_EQ(condition("Ready"), "Unknown AgentsSilent");
  EXPECT_EQ(message("Ready"), "agents that do not answer: a and b");
  EXPECT_EQ(condition("Degraded"), "True AgentsSilent");
  EXPECT_EQ(condition("SpoolPressure"), "Unknown AgentsSilent");
  EXPECT_EQ(status()["messages"]["ready"], 3) << "what was known last";
  EXPECT_EQ(status()["agents"]["upToDate"], 0);
}

TEST_F(StatusTest, NumbersThatCannotBeTrueDoNotWrapAround) {
  for (const char* const pod : {"a", "b"})
    report(pod, [](AgentReport& of) { of.queues[0].ready = ~0ull; });
  EXPECT_EQ(status()["messages"]["ready"].get<std::uint64_t>(), ~0ull >> 1);
}

TEST_F(StatusTest, EachTroubleHasItsConditionAndNamesItsAgents) {
  EXPECT_EQ(condition("ForwardStalled"), "False LinksMoving");
  EXPECT_EQ(condition("SpoolPressure"), "False SpoolHasRoom");
  EXPECT_EQ(condition("Degraded"), "False AsExpected");
  report("b", [](AgentReport& of) {
    of.links.push_back({"a", false, 1, 60, 0});
    of.spool_bytes = 850;
  });
  EXPECT_EQ(condition("ForwardStalled"), "False LinksMoving");
  EXPECT_EQ(condition("SpoolPressure"), "False SpoolHasRoom");
  report("b", [](AgentReport& of) {
    of.links.push_back({"a", true, 1, 60.5, 0});
    of.spool_bytes = 851;
    of.queues[0].lost = 2;
  });
  EXPECT_EQ(condition("ForwardStalled"), "True LinksStalled");
  EXPECT_TRUE(message("ForwardStalled").ends_with("on: b"));
  EXPECT_EQ(condition("SpoolPressure"), "True SpoolNearlyFull");
  EXPECT_TRUE(message("SpoolPressure").ends_with("on: b"));
  EXPECT_EQ(condition("Degraded"), "True MessagesLost");
  EXPECT_EQ(message("Degraded"), "2 messages are damaged on the disks of: b");
  report("a", [](AgentReport& of) { of.is_spool_full = true; });
  EXPECT_TRUE(message("SpoolPressure").ends_with("on: a and b"));
}

TEST_F(StatusTest, DurableSaysWhatAConfirmIsWorth) {
  EXPECT_EQ(condition("Durable"), "False SpoolDiesWithPod");
  world.api.put({{"apiVersion", "pannier.dev/v1alpha1"},
                 {"kind", "AgentClass"},
                 {"metadata", {{"name", "default"}}},
                 {"spec", {{"spool", {{"volume", "Claim"}}}}}});
  EXPECT_EQ(condition("Durable"), "True SpoolOutlivesPod");
  world.add_queue("orders", {{"durability", "Memory"}});
  EXPECT_EQ(condition("Durable"), "False MemoryOnly");
  world.add_queue("orders");
  world.api.change(World::pod_key("b"), [](kube::Json& pod) {
    pod["metadata"]["annotations"]["pannier.dev/injected"] = "gone";
  });
  EXPECT_EQ(condition("Durable"), "False SpoolDiesWithPod") << "a class that nobody knows";
}

kube::Json dead_letters_to(const char* kind, const char* name) {
  return {{"delivery", {{"deadLetter", {{kind, name}}}}}};
}
kube::Json of_bank() { return {{"agents", {{"selector", {{"matchLabels", {{"app", "bank"}}}}}}}}; }

TEST_F(StatusTest, ADeadLetterQueueThatIsNotThereIsNamed) {
  world.add_queue("orders", dead_letters_to("queue", "dead"));
  world.settle();
  EXPECT_EQ(condition("Degraded"), "True DeadLetterTargetMissing");
  EXPECT_EQ(message("Degraded"),
            "dead letters have no place and stay in this queue: no MessageQueue of the namespace "
            "has the queue name \"dead\"");
  EXPECT_EQ(condition("Ready"), "True AllAgentsUpToDate");
  world.add_queue("of-another-name", {{"queueName", "dead"}});
  world.settle();
  EXPECT_EQ(condition("Degraded"), "False AsExpected");
  world.agents["a"].queues[world.uid("of-another-name")].ready = 1;
  world.look("a");
  world.begin_delete("of-another-name");
  world.settle();
  EXPECT_EQ(condition("Degraded"), "True DeadLetterTargetMissing");
  EXPECT_TRUE(message("Degraded").find("the queue \"dead\" takes nothing more") !=
              std::string::npos)
      << message("Degraded");
}

TEST_F(StatusTest, ADeadLetterQueueHasToBeOnEveryAgent) {
  world.add_pod("c", "default", "bank");
  world.add_queue("orders", dead_letters_to("queue", "dead"));
  world.add_queue("dead", of_bank());
  world.settle();
  EXPECT_EQ(condition("Degraded"), "True DeadLetterTargetMissing");
  EXPECT_TRUE(
      message("Degraded").ends_with("the queue \"dead\" is not served by the agents of: a and b"))
      << message("Degraded");
  for (const char* const pod : {"a", "b"})
    report(pod, [](AgentReport& of) {
      of.queues.push_back({});
      of.queues.back().name = "dead";  // a client's
    });
  EXPECT_EQ(condition("Degraded"), "False AsExpected");
}

TEST_F(StatusTest, ADeadLetterExchangeNeedsABindingUnlessClientsMayHaveMadeOne) {
  world.add_queue("orders", dead_letters_to("exchange", "dlx"));
  world.settle();
  EXPECT_TRUE(message("Degraded").ends_with("is bound to the exchange \"dlx\""))
      << message("Degraded");
  kube::Json bound = of_bank();
  bound["bindings"] = {{{"exchange", "dlx"}}};
  world.add_pod("c", "default", "bank");
  world.add_queue("dead", bound);
  world.settle();
  EXPECT_TRUE(
      message("Degraded")
          .ends_with(
              "nothing that is bound to the exchange \"dlx\" is served by the agents of: a and b"))
      << message("Degraded");
  bound.erase("agents");
  world.add_queue("dead", bound);
  world.settle();
  EXPECT_EQ(condition("Degraded"), "False AsExpected");
  world.add_queue("dead");
  world.api.put({{"apiVersion", "pannier.dev/v1alpha1"},
                 {"kind", "AgentClass"},
                 {"metadata", {{"name", "default"}}},
                 {"spec", {{"clientTopology", "Local"}}}});
  world.settle();
  EXPECT_EQ(condition("Degraded"), "False AsExpected");
}

TEST_F(StatusTest, DesiredAreThoseThatServeItAndAreThereToStay) {
  EXPECT_EQ(status()["agents"]["desired"], 2);
  world.agents["b"].phase = "draining";
  world.look("b");
  EXPECT_EQ(status()["agents"]["desired"], 1);
  EXPECT_EQ(condition("Ready"), "True AllAgentsUpToDate");
  world.api.change(World::pod_key("a"), [](kube::Json& pod) {
    pod["status"]["initContainerStatuses"][0]["started"] = false;
    pod["status"]["initContainerStatuses"][0]["ready"] = false;
  });
  EXPECT_EQ(condition("Ready"), "False AgentsNotReady");
  EXPECT_EQ(status()["agents"]["ready"], 0);
  world.remove_pod("a");
  world.remove_pod("b");
  EXPECT_EQ(condition("Ready"), "False NoAgents");
}

TEST_F(StatusTest, TimesMoveOnlyWithTheStatusAndEqualFactsGiveEqualJson) {
  before = status();
  now += std::chrono::seconds{60};
  EXPECT_EQ(status(), before);
  world.clock.advance(std::chrono::minutes{1});
  const kube::Json after = status();
  EXPECT_EQ(find_condition(after, "Ready")["lastTransitionTime"], timestamp_text(now));
  EXPECT_EQ(find_condition(after, "Durable")["lastTransitionTime"],
            find_condition(before, "Durable")["lastTransitionTime"]);
  for (const kube::Json& each : after["conditions"]) EXPECT_EQ(each["observedGeneration"], 1);
}

TEST_F(StatusTest, TerminatingIsThereOnlyWhileItIsDeleted) {
  EXPECT_EQ(condition("Terminating"), "");
  before = status(Deletion::waiting_until_empty);
  EXPECT_EQ(condition(before, "Terminating"), "True WaitingUntilEmpty");
  EXPECT_FALSE(is_discarding(before));
  EXPECT_EQ(condition(before, "Ready"), "False Terminating");
  before = status(Deletion::discarding);
  EXPECT_TRUE(is_discarding(before));
  for (const char* const text :
       {"null", "7", R"({"conditions":7})", R"({"conditions":[7,{"type":"Terminating"}]})"})
    EXPECT_FALSE(is_discarding(kube::Json::parse(text)));
}

TEST(ConditionTexts, NameAtMostFiveAgents) {
  EXPECT_EQ(listed({"b", "a"}), "a and b");
  EXPECT_EQ(listed({"e", "d", "c", "b", "a"}), "a, b, c, d and e");
  EXPECT_EQ(listed({"g", "f", "e", "d", "c", "b", "a"}), "a, b, c, d, e and 2 more");
}

}  // namespace
}  // namespace pannier
