#include <gtest/gtest.h>

#include "sidecar/http/receipt_text.h"
#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

using std::chrono::seconds;

class ApiSettle : public testing::Test {
 protected:
  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");

  ApiExchange settles(std::string_view call, const Json& args) {
    return agent.posts("/v1/queues/orders/" + std::string(call), args.dump());
  }
};

// A message of another agent.
class Origin final : public queue::RemoteOrigin {
 public:
  void settle(std::uint64_t tag, Settle) override { settled.push_back(tag); }
  void when_durable(std::function<void(bool)> done) override { waiting = std::move(done); }
  std::vector<std::uint64_t> settled;
  std::function<void(bool)> waiting;
};

TEST_F(ApiSettle, ReceivesMessagesWithReceipts) {
  agent.posts("/orders", "{\"a\": 1}", {{"Content-Type", "application/json"}});
  agent.posts("/orders", "text", {{"Content-Type", "text/plain"}, {"Pannier-Group", "g"}});
  agent.posts("/orders", std::string("\0\xFF", 2));
  agent.posts("/orders", "{no json", {{"Content-Type", "application/json"}});
  const Json got = agent.receives("orders", R"({"max":10})");
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0]["body"], (Json{{"a", 1}}));
  EXPECT_EQ(got[0]["deliveryCount"], 0);
  EXPECT_EQ(got[0]["redelivered"], false);
  EXPECT_EQ(got[0]["contentType"], "application/json");
  EXPECT_EQ(got[0]["enqueuedAt"], rfc3339(agent.clock.now_ms()));
  EXPECT_EQ(got[1]["bodyText"], "text");
  EXPECT_EQ(got[1]["group"], "g");
  EXPECT_EQ(got[1]["headers"]["x-group"], "g");
  EXPECT_EQ(got[2]["bodyBase64"], "AP8=");
  EXPECT_EQ(got[3]["bodyBase64"], "e25vIGpzb24=");
  EXPECT_EQ(queue->status().unacked, 4u);
  EXPECT_EQ(agent.receives("orders"), Json::array());
}

TEST_F(ApiSettle, AnswersAnAckOnlyWhenItIsDurable) {
  agent.publish("orders", "a");
  const Json got = agent.receives("orders");
  const auto acked = settles("ack", {{"receipts", {got[0]["receipt"]}}});
  EXPECT_EQ(acked.status(), 0u);
  EXPECT_TRUE(queue->empty());
  const auto cut = disk.restart(1, Keep::nothing);
  ApiHarness found(*cut);
  EXPECT_EQ(found.find("orders")->status().ready, 1u) << "it was not durable yet";
  agent.turn();
  EXPECT_EQ(acked.status(), 200u);
  EXPECT_EQ(acked.json(), (Json{{"settled", 1}, {"stale", Json::array()}}));
  const auto after = disk.restart(1, Keep::nothing);
  ApiHarness done(*after);
  EXPECT_EQ(done.find("orders")->status().ready, 0u);
}

TEST_F(ApiSettle, GivesBackWhatIsNackedDurablyAndCounted) {
  agent.publish("orders", "a");
  const Json got = agent.receives("orders");
  const Json receipts = {got[0]["receipt"]};
  const auto nacked = settles("nack", {{"receipts", receipts}, {"reason", "busy"}, {"delay", 0}});
  EXPECT_EQ(nacked.status(), 0u);
  agent.turn();
  EXPECT_EQ(nacked.status(), 200u);
  const auto after = disk.restart(1, Keep::nothing);
  ApiHarness found(*after);
  const Json again = found.receives("orders");
  EXPECT_EQ(again[0]["deliveryCount"], 1);
  EXPECT_EQ(again[0]["redelivered"], true);
}

TEST_F(ApiSettle, TellsStaleReceiptsFromThoseThatStand) {
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  const Json got = agent.receives("orders", R"({"max":2})");
  const Json one = got[0]["receipt"];
  const std::string foreign = receipt_text(queue->id() + 1, {1, 1});
  settles("ack", {{"receipts", {one}}});
  const auto both = settles("ack", {{"receipts", {one, got[1]["receipt"], foreign}}});
  agent.turn();
  EXPECT_EQ(both.json(), (Json{{"settled", 1}, {"stale", {foreign, one}}}));
  const auto none = settles("ack", {{"receipts", {one}}});
  EXPECT_EQ(none.status(), 409u);
  EXPECT_EQ(none.json()["code"], "stale_receipt");
  EXPECT_EQ(settles("extend", {{"receipts", {one}}, {"timeout", "1s"}}).status(), 409u);
}

TEST_F(ApiSettle, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {R"({"receipts":["x"]})", R"({"receipts":[]})", R"({"receipts":"x"})",
                          R"({})", R"({"receipts":["x"],"other":1})", R"([])", R"({)"})
    EXPECT_EQ(agent.posts("/v1/queues/orders/ack", bad).status(), 400u) << bad;
  const auto unknown = agent.posts("/v1/queues/orders/ack", R"({"reciepts":[]})");
  EXPECT_NE(unknown.body().find("reciepts"), std::string::npos);
  for (const char* bad : {R"({"max":0})", R"({"max":1001})", R"({"wait":5})", R"({"wait":"6m"})",
                          R"({"ackTimeout":"13h"})", R"({"ackTimeout":"0s"})"})
    EXPECT_EQ(agent.posts("/v1/queues/orders/receive", bad).status(), 400u) << bad;
  EXPECT_EQ(agent.posts("/v1/queues/orders/receive", R"({"wait":"soon"})")
                .body()
                .find("expected expected"),
            std::string::npos);
  agent.access.denied.insert({Verb::consume, "orders"});
  EXPECT_EQ(settles("ack", {{"receipts", {receipt_text(queue->id(), {1, 1})}}}).status(), 403u);
}

TEST_F(ApiSettle, CountsALeaseThatRunsOutAsAFailedDelivery) {
  agent.publish("orders", "a");
  const Json got = agent.receives("orders", R"({"ackTimeout":"10s"})");
  const auto extended = settles("extend", {{"receipts", {got[0]["receipt"]}}, {"timeout", "30s"}});
  EXPECT_EQ(extended.status(), 200u);
  agent.passes(seconds(29));
  EXPECT_EQ(queue->status().unacked, 1u);
  agent.passes(seconds(2));
  EXPECT_EQ(queue->status().ready, 1u);
  EXPECT_EQ(settles("ack", {{"receipts", {got[0]["receipt"]}}}).status(), 409u);
  const Json again = agent.receives("orders");
  EXPECT_EQ(again[0]["deliveryCount"], 1);
  agent.passes(seconds(59));
  EXPECT_EQ(queue->status().unacked, 1u) << "60 s, when nobody says otherwise";
  agent.passes(seconds(2));
  EXPECT_EQ(agent.receives("orders")[0]["deliveryCount"], 2);
}

TEST_F(ApiSettle, LeasesForAsLongAsTheQueueSays) {
  queue::QueueSettings settings = queue->settings();
  settings.ack_timeout = seconds(5);
  queue->change(settings);
  agent.publish("orders", "a");
  agent.receives("orders");
  agent.passes(seconds(4));
  EXPECT_EQ(queue->status().unacked, 1u);
  agent.passes(seconds(2));
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST_F(ApiSettle, WaitsForTheFirstMessageAndTakesWhatIsThereWithIt) {
  const auto waiting = agent.posts("/v1/queues/orders/receive", R"({"max":3,"wait":"20s"})");
  EXPECT_EQ(waiting.status(), 0u);
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  agent.turn();
  ASSERT_EQ(waiting.status(), 200u);
  EXPECT_EQ(waiting.json()["messages"].size(), 2u);
  EXPECT_EQ(queue->consumers(), 0u);
  const auto late = agent.posts("/v1/queues/orders/receive", R"({"wait":"20s"})");
  late->wakes();
  EXPECT_EQ(late.json(), (Json{{"messages", Json::array()}}));
}

TEST_F(ApiSettle, GivesBackAnAnswerThatWasNotWritten) {
  agent.publish("orders", "a");
  const auto cut = agent.posts("/v1/queues/orders/receive", "");
  agent.turn();
  ASSERT_EQ(cut.status(), 200u);
  cut->written(false);
  agent.turn();
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST_F(ApiSettle, LimitsTheBytesOfAnAnswerButForOneMessageAlone) {
  ApiLimits limits;
  limits.receive_bytes_max = 250'000;
  agent.api = std::make_unique<ApiHandler>(*agent.registry, agent.access, agent.clock, limits);
  for (int i = 0; i < 4; ++i) agent.publish("orders", std::string(100'000, 'x'));
  EXPECT_EQ(agent.receives("orders", R"({"max":10})").size(), 2u);
  agent.publish("orders", std::string(100'000, 'x'));
  const auto body = agent.spool->begin_body();
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(agent.spool->append_part(*body, Slice::copy_of(std::string(100'000, 'y'))));
  agent.declare("large");
  Request request;
  request.method = "POST";
  request.segments = {"large"};
  request.body_id = *body;
  request.body_parts = 3;
  request.body_size = 300'000;
  request.fields = {{"Content-Type", "text/plain"}};
  agent.handles(request);
  agent.turn();
  const Json got = agent.receives("large", R"({"max":10})");
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0]["bodyText"], std::string(300'000, 'y'));
}

TEST_F(ApiSettle, WaitsForTheAgentThatAMessageCameFrom) {
  const auto origin = std::make_shared<Origin>();
  const auto waiting = agent.posts("/v1/queues/orders/receive", R"({"wait":"1s"})");
  ASSERT_TRUE(queue->offer({queue::message("far"), 0, false, origin, 7}));
  agent.turn();
  waiting->written();
  const auto acked = settles("ack", {{"receipts", {waiting.json()["messages"][0]["receipt"]}}});
  agent.turn();
  EXPECT_EQ(origin->settled, std::vector<std::uint64_t>{7});
  EXPECT_EQ(acked.status(), 0u);
  ASSERT_TRUE(origin->waiting);
  origin->waiting(true);
  EXPECT_EQ(acked.status(), 200u);
}

TEST_F(ApiSettle, DoesNotSayThatWhatALostLinkOwesIsDurable) {
  for (const bool is_lost : {true, false}) {
    const auto origin = std::make_shared<Origin>();
    const auto waiting = agent.posts("/v1/queues/orders/receive", R"({"wait":"1s"})");
    ASSERT_TRUE(queue->offer({queue::message("far"), 0, false, origin, 7}));
    agent.turn();
    waiting->written();
    const auto acked = settles("ack", {{"receipts", {waiting.json()["messages"][0]["receipt"]}}});
    agent.turn();
    EXPECT_EQ(acked->wake_at_time, agent.clock.now() + seconds(30));
    if (is_lost)
      origin->waiting(false);
    else
      acked->wakes();
    EXPECT_EQ(acked.status(), 504u);
  }
}

TEST_F(ApiSettle, TellsHowQueuesAre) {
  agent.publish("orders", "abc");
  agent.publish("orders", "def");
  agent.declare("secret");
  agent.access.denied = {{Verb::publish, "secret"}, {Verb::consume, "secret"}};
  agent.turn();
  agent.receives("orders");
  const Json one = agent.gets("/v1/queues/orders").json();
  EXPECT_EQ(one["name"], "orders");
  EXPECT_EQ(one["ready"], 1);
  EXPECT_EQ(one["unacked"], 1);
  EXPECT_EQ(one["delayed"], 0);
  EXPECT_EQ(one["consumers"], 0);
  EXPECT_EQ(one["durability"], "Disk");
  EXPECT_EQ(one["paused"], false);
  EXPECT_EQ(one["counters"]["published"], 2);
  EXPECT_GT(one["oldestAge"], 0);
  const Json all = agent.gets("/v1/queues").json();
  ASSERT_EQ(all["queues"].size(), 1u) << "the other is nobody's business";
  EXPECT_EQ(all["queues"][0], one);
  EXPECT_EQ(agent.gets("/v1/queues/secret").status(), 403u);
  EXPECT_EQ(agent.gets("/v1/queues/none").status(), 404u);
}

TEST_F(ApiSettle, LooksWithoutSideEffect) {
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  agent.turn();
  const auto looked = agent.gets("/v1/queues/orders/peek?max=2");
  agent.turn();
  ASSERT_EQ(looked.status(), 200u);
  EXPECT_EQ(looked.json()["messages"].size(), 2u);
  EXPECT_FALSE(looked.json()["messages"][0].contains("receipt"));
  EXPECT_EQ(queue->status().ready, 3u);
  EXPECT_EQ(agent.receives("orders")[0]["redelivered"], false);
  for (const char* bad : {"0", "101", "x", ""})
    EXPECT_EQ(agent.gets("/v1/queues/orders/peek?max=" + std::string(bad)).status(), 400u);
}

TEST_F(ApiSettle, LimitsWhatIsOnItsWayToClientsThatDoNotRead) {
  ApiLimits limits;
  limits.received_bytes_max = 1'000;
  agent.api = std::make_unique<ApiHandler>(*agent.registry, agent.access, agent.clock, limits);
  agent.publish("orders", std::string(2'000, 'x'));
  agent.turn();
  const auto unread = agent.gets("/v1/queues/orders/peek");
  agent.turn();
  ASSERT_EQ(unread.status(), 200u);
  EXPECT_EQ(agent.gets("/v1/queues/orders/peek").status(), 429u);
  EXPECT_EQ(agent.posts("/v1/queues/orders/receive", "").status(), 429u);
  unread->written();
  const auto first = agent.gets("/v1/queues/orders/peek");
  const auto second = agent.gets("/v1/queues/orders/peek");
  const auto third = agent.posts("/v1/queues/orders/receive", "");
  agent.turn();
  EXPECT_EQ(first.status(), 200u);
  EXPECT_EQ(second.status(), 429u) << "it was asked before the first was answered";
  EXPECT_EQ(third.status(), 200u) << "its message was out before: beyond the limit by one";
  first->written();
  EXPECT_EQ(agent.posts("/v1/queues/orders/receive", "").status(), 429u);
  third->written();
  agent.publish("orders", std::string(2'000, 'x'));
  EXPECT_EQ(agent.receives("orders").size(), 1u);
  const auto gone = agent.gets("/v1/queues/orders/peek");
  agent.turn();
  gone->goes();
  const auto last = agent.gets("/v1/queues/orders/peek");
  agent.turn();
  EXPECT_EQ(last.status(), 200u);
}

TEST_F(ApiSettle, PurgesDurably) {
  for (const char* body : {"a", "b"}) agent.publish("orders", body);
  agent.turn();
  agent.access.denied = {{Verb::manage, "orders"}};
  EXPECT_EQ(agent.asks("DELETE", "/v1/queues/orders/messages").status(), 403u);
  agent.access.denied.clear();
  const auto purged = agent.asks("DELETE", "/v1/queues/orders/messages");
  EXPECT_EQ(purged.status(), 0u);
  agent.turn();
  EXPECT_EQ(purged.json(), (Json{{"purged", 2}}));
  const auto after = disk.restart(1, Keep::nothing);
  ApiHarness found(*after);
  EXPECT_EQ(found.find("orders")->status().ready, 0u);
}

}  // namespace
}  // namespace pannier::http
