#include "sidecar/http/cloud_events.h"

#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

class CloudEvents : public testing::Test {
 protected:
  void publishes(queue::Table headers) {
    queue::Properties properties;
    properties.headers = std::move(headers);
    ASSERT_TRUE(
        agent.registry->publish("", "orders", queue::message("x", "", "orders", properties)));
    agent.turn();
  }
  ApiExchange takes() {
    ApiExchange taken = agent.gets("/orders");
    agent.turn();
    taken->written();
    return taken;
  }
  ApiExchange posts_batch(std::string_view body) {
    ApiExchange sent = agent.posts("/v1/queues/orders/messages", body,
                                   {{"Content-Type", std::string(kEventsBatchType)}});
    agent.turn();
    return sent;
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
  const Fields event = {{"ce-specversion", "1.0"},       {"ce-id", "7"},
                        {"CE-Source", "/shop"},          {"ce-type", "order"},
                        {"ce-myext", "%E2%82%AC%20%22"}, {"ce-quoted", "\"a\\\"b\""}};
};

TEST_F(CloudEvents, AreAmqpHeadersAndFieldsAgain) {
  agent.posts("/orders", "a", event);
  agent.turn();
  const Json headers = agent.receives("orders", R"({"ackTimeout":"1s"})")[0]["headers"];
  EXPECT_EQ(headers, (Json{{"cloudEvents:specversion", "1.0"},
                           {"cloudEvents:id", "7"},
                           {"cloudEvents:source", "/shop"},
                           {"cloudEvents:type", "order"},
                           {"cloudEvents:myext", "\u20ac \""},
                           {"cloudEvents:quoted", "a\"b"}}));
  agent.passes(std::chrono::seconds(1));
  const auto taken = takes();
  EXPECT_EQ(taken.field("Pannier-Delivery-Count"), "1") << "kept through a retry";
  EXPECT_EQ(taken.field("ce-source"), "/shop");
  EXPECT_EQ(taken.field("ce-myext"), "%E2%82%AC%20%22");
  EXPECT_EQ(taken.field("ce-quoted"), "a%22b");
}

TEST_F(CloudEvents, OfAmqpHaveEitherPrefixAndAnyType) {
  queue::Table headers;
  headers.set("cloudEvents_id", "other");
  headers.set("cloudEvents:id", "7");
  headers.set("cloudEvents_time", queue::Timestamp{0});
  headers.set("cloudEvents:count", std::int32_t{-3});
  headers.set("cloudEvents:flag", true);
  headers.set("cloudEvents:bytes", queue::ByteArray{Bytes{std::byte{'A'}}});
  headers.set("cloudEvents:line", "a\r\nSet-Cookie: b");
  headers.set("cloudEvents:Bad Name", "x");
  headers.set("cloudEvents:datacontenttype", "text/plain");
  headers.set("ce-old", "as it was kept");
  publishes(std::move(headers));
  const auto taken = takes();
  EXPECT_EQ(taken.field("ce-id"), "7");
  EXPECT_EQ(taken.field("ce-time"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(taken.field("ce-count"), "-3");
  EXPECT_EQ(taken.field("ce-flag"), "true");
  EXPECT_EQ(taken.field("ce-bytes"), "QQ==");
  EXPECT_EQ(taken.field("ce-line"), "a%0D%0ASet-Cookie:%20b");
  EXPECT_EQ(taken.field("ce-old"), "as%20it%20was%20kept");
  EXPECT_EQ(taken.field("ce-datacontenttype"), "");
}

TEST_F(CloudEvents, NameWhatIsMissingOnlyWhenTheySayThatTheyAreSome) {
  const auto detail = [&](Fields fields) {
    const auto sent = agent.posts("/orders", "a", std::move(fields));
    agent.turn();
    return std::to_string(sent.status()) + " " + sent.json().value("detail", "");
  };
  EXPECT_EQ(detail({{"ce-specversion", "1.0"}, {"ce-id", ""}, {"ce-type", "t"}}),
            "400 an event of CloudEvents needs ce-id, ce-source");
  EXPECT_EQ(detail({{"ce-specversion", "0.3"}}), "400 ce-specversion: expected 1.0");
  Fields with_type = event;
  with_type.emplace_back("ce-datacontenttype", "text/plain");
  EXPECT_TRUE(detail(with_type).starts_with("400 ce-datacontenttype"));
  EXPECT_TRUE(detail({{"ce-a", "%FF"}}).starts_with("400 ce-a"));
  EXPECT_TRUE(detail({{"ce-" + std::string(300, 'a'), "x"}}).starts_with("400 "))
      << "no header has such a name";
  EXPECT_TRUE(detail({{"ce-type", "t"}}).starts_with("201"));
}

TEST_F(CloudEvents, PassStructuredAsTheyAre) {
  const std::string body = R"({ "specversion": "1.0", "id": "7" })";
  agent.posts("/orders", body, {{"Content-Type", "application/cloudevents+json; charset=utf-8"}});
  agent.turn();
  const auto taken = takes();
  EXPECT_EQ(taken.body(), body);
  EXPECT_EQ(taken.field("Content-Type"), "application/cloudevents+json; charset=utf-8");
}

TEST_F(CloudEvents, OfABatchAreMessagesOfTheirOwn) {
  const auto sent = posts_batch(
      R"([{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":[1,2.50,{"b":null}]}},
          {"type":"t","specversion":"1.0","id":"2","source":"/s","data_base64":"QQ=="}])");
  ASSERT_EQ(sent.status(), 201u) << sent.body();
  EXPECT_EQ(sent.json()["ids"].size(), 2u);
  const auto got = agent.receives("orders", R"({"max":5})");
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0]["contentType"], "application/cloudevents+json");
  EXPECT_EQ(got[0]["body"]["data"], Json::parse(R"({"a":[1,2.5,{"b":null}]})"));
  EXPECT_EQ(got[1]["body"]["id"], "2");
}

TEST_F(CloudEvents, OfABatchAreAllOfThemGoodOrNoneIsTaken) {
  const std::string good = R"({"specversion":"1.0","id":"1","source":"/s","type":"t"})";
  const std::pair<std::string, std::string> kBad[] = {
      {"[" + good + R"(,{"specversion":"1.0","id":"1","source":""}])",
       "event 2: 'source' is missing"},
      {"[" + good + R"(,{"specversion":"2.0"}])", "event 2: 'specversion': expected 1.0"},
      {"[" + good + ",5]", "event 2: expected an object"},
      {"[" + good + ",[]]", "event 2: expected an object"},
      {good, "event 1: expected an array"},
      {"7", "event 1: expected an array"},
      {"[" + good, "event 2: no valid JSON"},
      {"[]", "a batch without messages"},
      {"[" + std::string(100, '['), "event 1: expected an object"},
      {R"([{"a":)" + std::string(100, '['), "event 1: nested too deeply"}};
  for (const auto& [body, why] : kBad) {
    const auto sent = posts_batch(body);
    EXPECT_EQ(sent.status(), 400u) << body;
    EXPECT_TRUE(sent.json()["detail"].get<std::string>().starts_with(why)) << sent.body();
  }
  EXPECT_TRUE(queue->empty());
}

}  // namespace
}  // namespace pannier::http
