#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

using std::chrono::seconds;

class ApiTake : public testing::Test {
 protected:
  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiTake, SettlesOnlyWhenTheWholeAnswerIsWritten) {
  agent.posts("/orders", "a",
              {{"Content-Type", "text/plain"},
               {"Pannier-Message-Id", "m-1"},
               {"Pannier-Group", "g"},
               {"Pannier-Priority", "4"},
               {"Pannier-Reply-To", "r"},
               {"ce-id", "7"}});
  const auto taken = agent.gets("/orders");
  agent.turn();
  ASSERT_EQ(taken.status(), 200u);
  EXPECT_EQ(taken.body(), "a");
  EXPECT_EQ(taken.field("Content-Type"), "text/plain");
  EXPECT_EQ(taken.field("Pannier-Message-Id"), "m-1");
  EXPECT_EQ(taken.field("Pannier-Delivery-Count"), "0");
  EXPECT_EQ(taken.field("Pannier-Redelivered"), "false");
  EXPECT_EQ(taken.field("Pannier-Group"), "g");
  EXPECT_EQ(taken.field("Pannier-Priority"), "4");
  EXPECT_EQ(taken.field("Pannier-Reply-To"), "r");
  EXPECT_EQ(taken.field("ce-id"), "7");
  EXPECT_EQ(taken.field("Pannier-Enqueued-At"), rfc3339(agent.clock.now_ms()));
  EXPECT_EQ(queue->status().unacked, 1u);
  taken->written();
  EXPECT_TRUE(queue->empty());
}

TEST_F(ApiTake, GivesBackWhatWasNotWrittenFlaggedAndCounted) {
  agent.publish("orders", "a");
  const auto cut = agent.gets("/orders");
  agent.turn();
  cut->written(false);
  agent.turn();
  const auto again = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(again.body(), "a");
  EXPECT_EQ(again.field("Pannier-Redelivered"), "true");
  EXPECT_EQ(again.field("Pannier-Delivery-Count"), "1");
}

TEST_F(ApiTake, GivesBackWhatComesForAClientThatHasGone) {
  agent.publish("orders", "a");
  const auto gone = agent.gets("/orders");
  gone->goes();
  agent.turn();
  EXPECT_FALSE(gone->answered);
  const auto again = agent.gets("/orders?wait=1s");
  agent.turn();
  EXPECT_EQ(again.body(), "a");
}

TEST_F(ApiTake, AnswersAnEmptyQueueWith204) {
  EXPECT_EQ(agent.gets("/orders").status(), 204u);
  EXPECT_EQ(agent.gets("/unknown").status(), 404u);
  agent.access.denied.insert({Verb::consume, "orders"});
  EXPECT_EQ(agent.gets("/orders").status(), 403u);
}

TEST_F(ApiTake, WaitsForAMessageUntilItsTimeIsOver) {
  const auto late = agent.gets("/orders?wait=20s");
  EXPECT_EQ(queue->consumers(), 1u);
  EXPECT_EQ(late->wake_at_time, agent.clock.now() + seconds(20));
  late->wakes();
  EXPECT_EQ(late.status(), 204u);
  EXPECT_EQ(queue->consumers(), 0u);
  const auto waiting = agent.gets("/orders?wait=5m");
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  agent.turn();
  EXPECT_EQ(waiting.body(), "a");
  EXPECT_EQ(queue->consumers(), 0u);
  EXPECT_EQ(queue->status().unacked, 1u) << "one, and no more";
  for (const char* bad : {"6m", "-1s", "soon"})
    EXPECT_EQ(agent.gets("/orders?wait=" + std::string(bad)).status(), 400u) << bad;
}

TEST_F(ApiTake, CostsNothingWhileItWaits) {
  const auto others = agent.registry->deadline();
  const auto waiting = agent.gets("/orders?wait=5m");
  const auto received = agent.posts("/v1/queues/orders/receive", R"({"wait":"5m"})");
  agent.turn();
  const auto until = agent.clock.now() + std::chrono::minutes(5);
  for (int second = 0; second < 299; ++second) {
    agent.clock.advance(seconds(1));
    EXPECT_FALSE(agent.loop.run_one()) << "nothing is posted";
  }
  EXPECT_EQ(waiting->wake_at_time, until) << "one timer each, which was never moved";
  EXPECT_EQ(received->wake_at_time, until);
  EXPECT_EQ(waiting->wakes_set, 1);
  EXPECT_EQ(agent.registry->deadline(), others) << "the queue has no timer for it";
}

TEST_F(ApiTake, LeavesTheQueueWithItsClient) {
  const auto gone = agent.gets("/orders?wait=20s");
  gone->goes();
  EXPECT_EQ(queue->consumers(), 0u);
  EXPECT_EQ(agent.api->waiting_takes(), 0u);
  agent.publish("orders", "first");
  EXPECT_TRUE(agent.get(*queue, true)) << "the queue may deliver at once from now on";
  const auto crossed = agent.gets("/orders?wait=20s");
  agent.publish("orders", "a");  // handed out, not answered yet
  EXPECT_EQ(queue->status().unacked, 1u);
  crossed->goes();
  agent.turn();
  EXPECT_EQ(queue->status().ready, 1u);
  const auto again = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(again.field("Pannier-Redelivered"), "true");
  EXPECT_EQ(again.field("Pannier-Delivery-Count"), "0") << "nobody saw it";
}

TEST_F(ApiTake, LetsTwoTakersAndAConsumerTakeTurns) {
  const auto one = agent.gets("/orders?wait=1s");
  const auto two = agent.gets("/orders?wait=1s");
  queue::TestConsumer consumer(10);
  queue->add_consumer(consumer);
  for (const char* body : {"a", "b", "c", "d"}) agent.publish("orders", body);
  agent.turn();
  EXPECT_EQ(one.body(), "a");
  EXPECT_EQ(two.body(), "b");
  EXPECT_EQ(consumer.bodies(), (std::vector<std::string>{"c", "d"}));
  queue->remove_consumer(consumer);
}

TEST_F(ApiTake, IsToldWhenItsQueueGoesAndWhenWeGo) {
  const auto orphan = agent.gets("/orders?wait=1s");
  EXPECT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  agent.turn();
  EXPECT_EQ(orphan.status(), 404u);
  agent.declare("more");
  const auto waiting = agent.gets("/more?wait=1s");
  agent.api->close("the agent is ending");
  EXPECT_EQ(waiting.status(), 503u);
  EXPECT_EQ(agent.gets("/more").status(), 503u);
}

TEST_F(ApiTake, PutsNothingIntoAFieldThatCouldEndItsLine) {
  queue::Properties properties;
  properties.message_id = "a\r\nSet-Cookie: b";
  properties.headers.emplace();
  properties.headers->set("ce-a\nb", "c");
  properties.headers->set("ce-d", "e\rf");
  ASSERT_TRUE(agent.registry->publish("", "orders", queue::message("x", "", "orders", properties)));
  const auto taken = agent.gets("/orders");
  agent.turn();
  for (const auto& [name, value] : taken->answered->fields)
    EXPECT_EQ((name + value).find_first_of("\r\n"), std::string::npos) << name;
  EXPECT_EQ(taken.field("Pannier-Message-Id"), "");
}

TEST_F(ApiTake, AnswersOtherMethodsAndPathsWithWhatThereIs) {
  const auto head = agent.asks("HEAD", "/orders");
  EXPECT_EQ(head.status(), 405u);
  EXPECT_EQ(head.field("Allow"), "GET, POST");
  EXPECT_EQ(agent.asks("PUT", "/v1/queues/orders/messages").field("Allow"), "POST, DELETE");
  for (const char* path : {"/v1", "/v1/other", "/a/b", "/", "/v1/queues/a/b", "/v1/queues/a/ack/c"})
    EXPECT_EQ(agent.gets(path).status(), 404u) << path;
  EXPECT_NE(agent.gets("/v1").body().find("/v1/queues"), std::string::npos);
  const auto unknown = agent.gets("/orders?wiat=1s");
  EXPECT_EQ(unknown.status(), 400u);
  EXPECT_NE(unknown.body().find("wiat"), std::string::npos);
}

TEST_F(ApiTake, ShowsNumbersInHeadersAsTheyWere) {
  agent.posts("/v1/queues/orders/messages",
              R"({"body":1,"headers":{"a":1e-7,"b":0.1,"c":1e300,"d":-2.5}})",
              {{"Content-Type", "application/x-ndjson"}});
  agent.turn();
  const Json headers = agent.receives("orders")[0]["headers"];
  EXPECT_EQ(headers, (Json{{"a", 1e-7}, {"b", 0.1}, {"c", 1e300}, {"d", -2.5}}));
}

TEST_F(ApiTake, GivesThoseWhoWaitNoMoreThanMayBeInMemoryForAllOfThem) {
  ApiLimits limits;
  limits.received_bytes_max = 2'000;
  MemoryDisk other;
  ApiHarness small(other, limits);
  const auto orders = small.declare("orders");
  std::vector<ApiExchange> waiting;
  for (int i = 0; i < 6; ++i) waiting.push_back(small.gets("/orders?wait=20s"));
  for (int i = 0; i < 6; ++i) small.posts("/orders", std::string(1'000, 'x'));
  small.turn();
  EXPECT_LE(orders->status().unacked, 2u);
  EXPECT_EQ(small.gets("/orders").status(), 429u);
  // Each that is written makes room for the next.
  for (int round = 0; round < 6; ++round) {
    for (const ApiExchange& each : waiting)
      if (each.status() != 0) each.fake->written();
    small.turn();
    EXPECT_LE(orders->status().unacked, 2u);
  }
  EXPECT_EQ(orders->status().ready, 0u) << "all were given to somebody";
}

}  // namespace
}  // namespace pannier::http
