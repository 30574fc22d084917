#include "sidecar/http/trace_context.h"

#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

const std::string kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, KnowsWhatATraceparentIs) {
  EXPECT_TRUE(is_traceparent(kParent));
  EXPECT_TRUE(is_traceparent("cc" + kParent.substr(2) + "-what-comes")) << "of a later version";
  for (const std::string& bad :
       {std::string(), kParent + "-more", kParent.substr(1), "ff" + kParent.substr(2),
        "0G" + kParent.substr(2), "00-4BF92F3577B34DA6A3CE929D0E0E4736" + kParent.substr(35),
        "00-" + std::string(32, '0') + kParent.substr(35),
        kParent.substr(0, 36) + std::string(16, '0') + "-01", "cc" + kParent.substr(2) + "x"})
    EXPECT_FALSE(is_traceparent(bad)) << bad;
}

TEST(TraceContext, KnowsWhatATracestateIs) {
  std::string many;
  for (int i = 0; i < 32; ++i)
    many += (i > 0 ? "," : "") + std::string("k") + std::to_string(i) + "=v";
  for (const std::string& good :
       {std::string("a=b"), std::string("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE ,,"),
        std::string("tenant@system=x y"), many})
    EXPECT_TRUE(is_tracestate(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string(","), std::string("a"), std::string("a="), std::string("A=b"),
        std::string("a=b=c"), std::string("a=b,a=c"), "a=" + std::string(257, 'x'), many + ",x=y",
        std::string("a=\xC3\xA4")})
    EXPECT_FALSE(is_tracestate(bad)) << bad;
}

class ApiTrace : public testing::Test {
 protected:
  queue::Table headers_of_next() {
    const auto got = agent.get(*queue, true);
    if (!got) return {};
    const auto properties = queue::Properties::decode(got->message->properties());
    return properties && properties->headers ? *properties->headers : queue::Table();
  }
  static std::string text(const queue::Table& headers, std::string_view name) {
    const queue::Value* value = headers.find(name);
    return value == nullptr || value->as_text() == nullptr ? "" : *value->as_text();
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiTrace, KeepsAContextInHeadersAndGivesItBack) {
  agent.posts("/orders", "a",
              {{"Traceparent", kParent}, {"tracestate", "a=b"}, {"tracestate", "c=d"}});
  const auto taken = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(taken.field("traceparent"), kParent);
  EXPECT_EQ(taken.field("tracestate"), "a=b,c=d");
  taken->written(false);
  agent.turn();
  const Json again = agent.receives("orders")[0];
  EXPECT_EQ(again["traceparent"], kParent) << "a retry has it, too";
  EXPECT_EQ(again["tracestate"], "a=b,c=d");
}

TEST_F(ApiTrace, IgnoresWhatIsMalformed) {
  agent.posts("/orders", "a", {{"traceparent", "00-1"}, {"tracestate", "a=b"}});
  agent.posts("/orders", "b", {{"traceparent", kParent}, {"traceparent", kParent}});
  agent.posts("/orders", "c", {{"traceparent", kParent}, {"tracestate", "A=b"}});
  agent.turn();
  EXPECT_TRUE(headers_of_next().empty());
  EXPECT_TRUE(headers_of_next().empty());
  const queue::Table headers = headers_of_next();
  EXPECT_EQ(text(headers, "traceparent"), kParent);
  EXPECT_EQ(headers.find("tracestate"), nullptr);
  queue::Properties properties;
  properties.headers.emplace();
  properties.headers->set("traceparent", "what an AMQP client wrote");
  ASSERT_TRUE(agent.registry->publish("", "orders", queue::message("x", "", "orders", properties)));
  const auto taken = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(taken.status(), 200u);
  EXPECT_EQ(taken.field("traceparent"), "");
}

TEST_F(ApiTrace, IsEachMessagesOwnInABatchElseTheRequests) {
  const std::string own = "00-" + std::string(32, 'a') + "-" + std::string(16, 'b') + "-00";
  agent.posts("/v1/queues/orders/messages",
              R"({"body":1,"traceparent":")" + own + R"(","tracestate":"x=y"})" + "\n" +
                  R"({"body":2})" + "\n" + R"({"body":3,"headers":{"traceparent":")" + own +
                  R"("}})",
              {{"Content-Type", "application/x-ndjson"},
               {"traceparent", kParent},
               {"tracestate", "of=request"}});
  agent.turn();
  queue::Table headers = headers_of_next();
  EXPECT_EQ(text(headers, "traceparent"), own);
  EXPECT_EQ(text(headers, "tracestate"), "x=y");
  headers = headers_of_next();
  EXPECT_EQ(text(headers, "traceparent"), kParent);
  EXPECT_EQ(text(headers, "tracestate"), "of=request");
  headers = headers_of_next();
  EXPECT_EQ(text(headers, "traceparent"), own);
  EXPECT_EQ(headers.find("tracestate"), nullptr) << "which is not its own";
}

}  // namespace
}  // namespace pannier::http
