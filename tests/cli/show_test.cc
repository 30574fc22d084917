#include "cli/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/describe.h"
#include "tests/cli/view_fixture.h"

namespace pannier::cli {
namespace {

using testing::HasSubstr;

const Timestamp kNow = *parse_timestamp("2026-11-22T10:01:00Z");

TEST(Show, QueuesAreSummedOverTheirAgents) {
  View view = view_of({agent_of("a", kSevenOrders), agent_of("b", kThirtyOrders)},
                      {object_of("orders"), object_of("taken", "False")});
  view.objects[0].created = *parse_timestamp("2026-11-22T09:00:00Z");
  EXPECT_EQ(queues_table(queues_of(view), {}, kNow),
            "NAME     READY           DEPTH   UNACKED   OLDEST   DURABILITY   MODE    AGE\n"
            "orders   2/2                37         3       2m   Disk         Peers   61m\n"
            "taken    2/2 NameTaken       0         0        -   Disk         Peers     -\n");
}

TEST(Show, WhatASilentAgentHoldsIsUnknownAndNotZero) {
  const View one = view_of({agent_of("a", kSevenOrders), silent_agent("b")}, {object_of("orders")});
  EXPECT_THAT(queues_table(queues_of(one), {}, kNow),
              HasSubstr("orders   2/2       7+?       1+?      60s   Disk"));
  const View none = view_of({silent_agent("a")}, {object_of("orders")});
  EXPECT_THAT(queues_table(queues_of(none), {}, kNow),
              HasSubstr("orders   2/2         ?         ?        ?   Disk"));
  EXPECT_THAT(queues_json(queues_of(none)), HasSubstr(R"("messages":{"ready":null)"));
  EXPECT_THAT(queues_json(queues_of(one)), HasSubstr(R"("isComplete":false,"agents":[{"pod":"a")"));
  EXPECT_THAT(queues_json(queues_of(one)), HasSubstr(R"("silentAgents":["b"])"));
}

TEST(Show, AQueueThatAClientDeclaredIsMarked) {
  const View view = view_of({agent_of("a", R"({"name": "replies", "ready": 1})")}, {});
  EXPECT_THAT(queues_table(queues_of(view), {}, kNow), HasSubstr("replies   client-declared"));
  EXPECT_THAT(queues_json(queues_of(view)), HasSubstr(R"("declaredByClient":true)"));
}

TEST(Show, AnObjectWithoutStatusIsNotReady) {
  QueueObject object = object_of("orders");
  object.conditions.clear();
  object.agents_desired.reset();
  const View view = view_of({}, {object});
  EXPECT_EQ(readiness_text(queues_of(view)[0]), "2/? Unknown");
}

TEST(Show, AgentsThatDoNotAnswerAreUnreachable) {
  View view = view_of({agent_of("a", kSevenOrders), silent_agent("b"), silent_agent("c")}, {});
  view.agents[0].object->agent_pid = 42;
  view.agents[2].object->phase = "Succeeded";
  view.agents[2].is_asked = false;
  EXPECT_EQ(
      agents_table(view, {}, kNow),
      "POD   NAMESPACE   PHASE         ADDRESS     QUEUES   MESSAGES       SPOOL   CONFIRMED   CERT"
      "   AGE   PID\n"
      "a     shop        serving       127.0.0.2        1          8   1.5Ki/1Gi           9      -"
      "     -    42\n"
      "b     shop        unreachable   127.0.0.2        ?          ?           ?           ?      ?"
      "     -     -\n"
      "c     shop        Succeeded     127.0.0.2        -          -           -           -      -"
      "     -     -\n");
  EXPECT_THAT(agents_json(view), HasSubstr(R"("answers":false,"error":"nobody listens")"));
}

TEST(Show, ADescriptionNamesWhatIsKnownAndWhatIsNot) {
  View view = view_of({agent_of("a", kSevenOrders), silent_agent("b")}, {object_of("orders")});
  view.objects[0].access.emplace().push_back({"User ops", "Manage"});
  view.events = {{"MessageQueue", "shop", "orders", "Warning", "Slow", "the \x1b[2Jnote", kNow},
                 {"MessageQueue", "shop", "others", "Warning", "Other", "", kNow}};
  EXPECT_EQ(description_text(view, queues_of(view)[0], kNow),
            "Name:         orders\n"
            "Namespace:    shop\n"
            "MessageQueue: orders (generation 0, observed none, UID orders-uid)\n"
            "Age:          -\n"
            "Durability:   Disk\n"
            "Mode:         Peers\n"
            "Paused:       no\n"
            "Served by:    every agent of the namespace\n"
            "Ready:        2/2\n"
            "Messages:     7+? ready, 1+? unacked, 0+? delayed\n"
            "Oldest:       60s\n"
            "Access:\n"
            "  SUBJECTS   VERBS\n"
            "  User ops   Manage\n"
            "Conditions:\n"
            "  TYPE    STATUS   REASON        SINCE   MESSAGE\n"
            "  Ready   True     AllUpToDate       -   -\n"
            "Agents:\n"
            "  POD   PHASE         READY   UNACKED   DELAYED   BYTES   OLDEST   CONSUMERS   "
            "GENERATION\n"
            "  a     serving           7         1         0       0      60s           0"
            "            0\n"
            "  b     unreachable       ?         ?         ?       ?        ?           ?"
            "            ?\n"
            "Events:\n"
            "  TYPE      REASON   AGE   NOTE\n"
            "  Warning   Slow      0s   the \\x1b[2Jnote\n");
}

TEST(Show, ADescriptionSpellsOutWhatTheSpecHasWithin) {
  View view = view_of({agent_of("a", kSevenOrders)}, {object_of("orders")});
  view.objects[0].json = R"({"spec": {"storage": {"compression": "Zstd"}, "delivery":
      {"backoff": {"initial": "1s", "max": "5m"}, "deadLetter": {"queue": "dead"}}}})";
  EXPECT_THAT(description_text(view, queues_of(view)[0], kNow),
              HasSubstr("Storage:      compression Zstd\n"
                        "Delivery:     backoff (initial 1s, max 5m), deadLetter (queue dead)\n"));
}

}  // namespace
}  // namespace pannier::cli
