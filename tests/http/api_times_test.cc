// Times over HTTP: delays, times to live, and what goes back for a while.
#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Fields kNdjson = {{"Content-Type", "application/x-ndjson"}};

class ApiTimes : public testing::Test {
 protected:
  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");

  void changes(const std::function<void(queue::QueueSettings&)>& change) {
    queue::QueueSettings settings = queue->settings();
    change(settings);
    queue->change(settings);
  }
  ApiExchange nacks(const Json& receipt, Json args = Json::object()) {
    args["receipts"] = {receipt};
    const auto nacked = agent.posts("/v1/queues/orders/nack", args.dump());
    agent.turn();
    return nacked;
  }
  queue::Properties properties_of_next() {
    const auto got = agent.get(*queue, true);
    EXPECT_TRUE(got);
    return got ? *queue::Properties::decode(got->message->properties()) : queue::Properties();
  }
};

TEST_F(ApiTimes, HoldAMessageBackAsAmqpsClientsSeeItToo) {
  agent.posts("/orders", "later", {{"Pannier-Delay", "1m30s"}, {"Pannier-TTL", "2m"}});
  agent.posts("/orders", "now", {{"Pannier-Delay", "0s"}, {"Pannier-TTL", "0"}});
  agent.turn();
  EXPECT_EQ(queue->status().delayed, 1u);
  const Json now = agent.receives("orders", R"({"max":2})");
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0]["bodyBase64"], "bm93");
  EXPECT_FALSE(now[0].contains("delay") || now[0].contains("ttl"));
  agent.posts("/v1/queues/orders/ack", Json{{"receipts", {now[0]["receipt"]}}}.dump());
  agent.passes(seconds(89));
  EXPECT_EQ(queue->status().ready, 0u);
  agent.passes(seconds(2));
  const Json due = agent.receives("orders");
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0]["delay"], "1m30s");
  EXPECT_EQ(due[0]["ttl"], "2m");
  EXPECT_EQ(due[0]["headers"]["x-delay"], 90'000);
  nacks(due[0]["receipt"]);
  const queue::Properties properties = properties_of_next();
  EXPECT_EQ(properties.expiration, "120000");
  EXPECT_TRUE(std::holds_alternative<std::int32_t>(properties.headers->find("x-delay")->held));
}

TEST_F(ApiTimes, CountATimeToLiveFromWhenTheMessageIsDue) {
  agent.posts("/orders", "a", {{"Pannier-Delay", "10s"}, {"Pannier-TTL", "5s"}});
  agent.passes(seconds(14));
  EXPECT_EQ(queue->status().ready, 1u);
  agent.passes(seconds(2));
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(queue->status().counters.expired, 1u);
}

TEST_F(ApiTimes, AreShownByATakeAsTheyWereAsked) {
  agent.posts("/orders", "a", {{"Pannier-Delay", "250ms"}, {"Pannier-TTL", "1.5h"}});
  agent.passes(milliseconds(250));
  const auto taken = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(taken.field("Pannier-Delay"), "250ms");
  EXPECT_EQ(taken.field("Pannier-TTL"), "1h30m");
}

TEST_F(ApiTimes, AreThoseOfEachMessageOfABatch) {
  const auto sent = agent.posts("/v1/queues/orders/messages",
                                R"({"body":1,"delay":"1m","ttl":"1h","headers":{"a":1}})"
                                "\n"
                                R"({"body":2,"delay":0,"ttl":"0s"})"
                                "\n"
                                R"({"body":3,"headers":{"x-delay":60000}})",
                                kNdjson);
  agent.turn();
  ASSERT_EQ(sent.status(), 201u) << sent.body();
  EXPECT_EQ(queue->status().delayed, 2u);
  EXPECT_EQ(queue->status().ready, 1u);
  properties_of_next();
  agent.passes(hours(1) + seconds(59));
  EXPECT_EQ(queue->status().counters.expired, 0u);
  agent.passes(seconds(2));
  EXPECT_EQ(queue->status().counters.expired, 1u);
  EXPECT_FALSE(properties_of_next().expiration);
}

TEST_F(ApiTimes, SurviveARestart) {
  agent.posts("/orders", "a", {{"Pannier-Delay", "1h"}});
  agent.publish("orders", "b");
  agent.turn();
  const Json got = agent.receives("orders");
  EXPECT_EQ(nacks(got[0]["receipt"], {{"delay", "2h"}}).status(), 200u);
  const auto after = disk.restart(1, Keep::nothing);
  ApiHarness found(*after);
  found.turn();
  const auto again = found.find("orders");
  EXPECT_EQ(again->status().delayed, 2u);
  found.passes(hours(1) + seconds(1));
  EXPECT_EQ(again->status().ready, 1u);
  found.passes(hours(1));
  EXPECT_EQ(again->status().ready, 2u);
  const Json both = found.receives("orders", R"({"max":2})");
  EXPECT_EQ(both[1]["deliveryCount"], 1) << "at its place, and counted";
}

TEST_F(ApiTimes, AreRefusedWhenTheyAreNone) {
  for (const char* name : {"Pannier-Delay", "Pannier-TTL"})
    for (const char* bad : {"5", "-5s", "soon", "NaN", "infs", "1e3s", "", " ", "5s,5s", "0x5s",
                            "99999999999999999999h", "1193h2m47s296ms", "300y", "0.0001s"}) {
      const auto sent = agent.posts("/orders", "a", {{name, bad}});
      EXPECT_EQ(sent.status(), 400u) << bad;
      EXPECT_NE(sent.body().find(name), std::string::npos) << sent.body();
    }
  const auto longest = agent.posts(
      "/orders", "a", {{"Pannier-Delay", "1193h2m47s295ms"}, {"Pannier-TTL", "1193h2m47s295ms"}});
  agent.turn();
  EXPECT_EQ(longest.status(), 201u);
  EXPECT_EQ(queue->status().delayed, 1u);
  agent.publish("orders", "b");
  const Json got = agent.receives("orders");
  for (const Json& bad : {Json("5"), Json(5), Json(-1), Json("-1s"), Json("NaN"), Json(nullptr),
                          Json("1194h"), Json(true), Json("")})
    EXPECT_EQ(nacks(got[0]["receipt"], {{"delay", bad}}).status(), 400u) << bad;
  EXPECT_EQ(queue->status().unacked, 1u);
}

TEST_F(ApiTimes, OfANackAreInsteadOfTheQueuesBackoff) {
  changes([](queue::QueueSettings& settings) {
    settings.backoff = settings.backoff_max = seconds(60);
  });
  agent.publish("orders", "a");
  const Json first = agent.receives("orders");
  nacks(first[0]["receipt"]);
  EXPECT_EQ(queue->status().delayed, 1u) << "the backoff, when nothing is said";
  agent.passes(seconds(61));
  const Json second = agent.receives("orders");
  nacks(second[0]["receipt"], {{"delay", "5s"}});
  agent.passes(milliseconds(4'999));
  EXPECT_EQ(queue->status().ready, 0u);
  agent.passes(milliseconds(1));
  const Json third = agent.receives("orders");
  ASSERT_EQ(third.size(), 1u);
  nacks(third[0]["receipt"], {{"delay", 0}});
  EXPECT_EQ(queue->status().ready, 1u) << "at once, as it is said";
  EXPECT_EQ(agent.receives("orders")[0]["deliveryCount"], 3);
}

// RabbitMQ's clients have no word for it; who looks after dead letters wants to know.
TEST_F(ApiTimes, TheReasonOfTheNackThatKilledAMessageIsInItsDeadLetter) {
  const auto dead = agent.declare("dead");
  changes([](queue::QueueSettings& settings) {
    settings.deliveries_max = 2;
    settings.dead_letter = queue::DeadLetterTarget{"", "dead"};
  });
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  for (const char* reason : {"first", "no such customer"}) {
    const Json got = agent.receives("orders");
    nacks(got[0]["receipt"], {{"reason", reason}});
  }
  const Json last = agent.receives("orders");
  nacks(last[0]["receipt"]);
  nacks(agent.receives("orders")[0]["receipt"]);
  agent.turn();
  const Json died = agent.receives("dead", R"({"max":2})");
  ASSERT_EQ(died.size(), 2u);
  EXPECT_EQ(died[0]["headers"]["x-last-nack-reason"], "no such customer");
  EXPECT_EQ(died[0]["headers"]["x-first-death-reason"], "delivery_limit");
  EXPECT_FALSE(died[1]["headers"].contains("x-last-nack-reason"));
}

TEST_F(ApiTimes, ThousandsOfNacksWithADelayComeBackInOrder) {
  constexpr int kMessages = 3'000;
  std::string lines;
  for (int i = 0; i < kMessages; ++i) {
    lines += "{\"body\":" + std::to_string(i) + "}\n";
    if (i % 500 < 499) continue;
    agent.posts("/v1/queues/orders/messages", std::exchange(lines, {}), kNdjson);
    agent.turn();
  }
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kMessages; i += 1'000) {
      const Json got = agent.receives("orders", R"({"max":1000})");
      ASSERT_EQ(got.size(), 1'000u);
      Json receipts = Json::array();
      for (const Json& each : got) receipts.push_back(each["receipt"]);
      agent.posts("/v1/queues/orders/nack", Json{{"receipts", receipts}, {"delay", "5s"}}.dump());
      agent.turn();
    }
    EXPECT_EQ(queue->status().delayed, kMessages);
    EXPECT_EQ(agent.receives("orders"), Json::array());
    agent.passes(seconds(6));
  }
  EXPECT_EQ(queue->check(), "");
  for (int i = 0; i < kMessages; i += 1'000) {
    const Json got = agent.receives("orders", R"({"max":1000})");
    ASSERT_EQ(got.size(), 1'000u);
    EXPECT_EQ(got[0]["body"], i);
    EXPECT_EQ(got[999]["body"], i + 999);
    EXPECT_EQ(got[0]["deliveryCount"], 2);
  }
}

class ApiOrder : public ApiTimes {};

TEST_F(ApiOrder, FollowsThePrioritiesThatHttpGives) {
  changes([](queue::QueueSettings& settings) { settings.priority_max = 10; });
  agent.posts("/orders", "low", {{"Content-Type", "text/plain"}, {"Pannier-Priority", "1"}});
  agent.posts("/orders", "high", {{"Content-Type", "text/plain"}, {"Pannier-Priority", "9"}});
  agent.posts("/v1/queues/orders/messages", R"({"bodyText":"highest","priority":10})", kNdjson);
  agent.turn();
  const Json got = agent.receives("orders", R"({"max":3})");
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0]["bodyText"], "highest");
  EXPECT_EQ(got[1]["bodyText"], "high");
}

TEST_F(ApiOrder, KeepsGroupsThatHttpNames) {
  changes([](queue::QueueSettings& settings) { settings.keeps_groups = true; });
  agent.posts("/orders", "1", {{"Pannier-Group", "g"}});
  agent.posts("/v1/queues/orders/messages", R"({"body":2,"group":"g"})", kNdjson);
  agent.posts("/orders", "3", {{"Pannier-Group", "h"}});
  agent.turn();
  const Json first = agent.receives("orders", R"({"max":2})");
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[1]["bodyBase64"], "Mw==") << "one of a group at a time";
  // There is one more, but nobody may have it.
  const auto taken = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(taken.status(), 204u);
  EXPECT_EQ(agent.receives("orders"), Json::array());
  nacks(first[0]["receipt"], {{"delay", "5s"}});
  EXPECT_EQ(agent.receives("orders"), Json::array()) << "it keeps its place while it is held back";
  agent.passes(seconds(5));
  EXPECT_EQ(agent.receives("orders")[0]["bodyBase64"], "MQ==");
}

}  // namespace
}  // namespace pannier::http
