// Who may what: every call of the API, by principals that have one right each.
#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

struct Sample {
  std::string_view method;
  std::string_view target;
  std::string_view body;
  std::set<Verb> rights;  // any of them is enough
};

constexpr std::string_view kReceipts = R"({"receipts": ["RECEIPT"]})";
constexpr std::string_view kExtend = R"({"receipts": ["RECEIPT"], "timeout": "1m"})";

// No default: a new call does not compile until it is here. Nothing for `none`, and for what is no
// call.
std::optional<Sample> sample_of(Call call) {
  switch (call) {
    case Call::none:
    case Call::openapi: return {};  // about this program, not about what it holds
    case Call::publish: return Sample{"POST", "/orders", "x", {Verb::publish}};
    case Call::take: return Sample{"GET", "/orders", "", {Verb::consume}};
    case Call::messages:
      return Sample{
          "POST", "/v1/queues/orders/messages?batch=true", R"([{"body":1}])", {Verb::publish}};
    case Call::purge: return Sample{"DELETE", "/v1/queues/orders/messages", "", {Verb::manage}};
    case Call::receive: return Sample{"POST", "/v1/queues/orders/receive", "", {Verb::consume}};
    case Call::ack: return Sample{"POST", "/v1/queues/orders/ack", kReceipts, {Verb::consume}};
    case Call::nack: return Sample{"POST", "/v1/queues/orders/nack", kReceipts, {Verb::consume}};
    case Call::extend: return Sample{"POST", "/v1/queues/orders/extend", kExtend, {Verb::consume}};
    case Call::queues: return Sample{"GET", "/v1/queues", "", {Verb::publish, Verb::consume}};
    case Call::queue: return Sample{"GET", "/v1/queues/orders", "", {Verb::publish, Verb::consume}};
    case Call::peek: return Sample{"GET", "/v1/queues/orders/peek", "", {Verb::consume}};
    case Call::stream: return Sample{"GET", "/v1/queues/orders/stream", "", {Verb::consume}};
  }
  return {};
}

Request request_of(const Sample& sample) {
  Request request;
  request.method = sample.method;
  std::string_view path = sample.target.substr(0, sample.target.find('?'));
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    request.segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return request;
}

std::vector<std::pair<Call, Sample>> all_calls() {
  std::vector<std::pair<Call, Sample>> all;
  for (unsigned i = 0; i < 256; ++i)
    if (auto sample = sample_of(static_cast<Call>(i)))
      all.emplace_back(static_cast<Call>(i), std::move(*sample));
  return all;
}

// One message is leased, one is ready.
class ApiAccessTest : public testing::Test {
 protected:
  ApiAccessTest() {
    agent.posts("/orders", "leased");
    receipt = agent.receives("orders")[0]["receipt"];
    agent.posts("/orders", "ready");
    agent.turn();
  }
  void allows(const std::set<Verb>& rights) {
    agent.access.denied.clear();
    for (const Verb verb : {Verb::publish, Verb::consume, Verb::manage})
      if (!rights.contains(verb)) agent.access.denied.insert({verb, "orders"});
  }
  ApiExchange asks(const Sample& sample) {
    std::string body(sample.body);
    if (const auto at = body.find("RECEIPT"); at != std::string::npos) body.replace(at, 7, receipt);
    const Fields type = {{"Content-Type", "application/json"}};
    auto asked = agent.asks(std::string(sample.method), sample.target, body, type);
    agent.turn();
    return asked;
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
  std::string receipt;
};

TEST_F(ApiAccessTest, NoCallDoesOrTellsAnythingWithoutOneOfItsRights) {
  for (const auto& [call, sample] : all_calls()) {
    ASSERT_EQ(route_of(request_of(sample)).call, call) << sample.target;
    std::set<Verb> others = {Verb::publish, Verb::consume, Verb::manage};
    for (const Verb verb : sample.rights) others.erase(verb);
    for (const auto& rights : {std::set<Verb>(), others}) {
      allows(rights);
      const auto before = queue->status();
      const auto refused = asks(sample);
      if (call == Call::queues)
        EXPECT_EQ(refused.body(), R"({"queues":[]})");
      else
        EXPECT_EQ(refused.status(), 403u) << sample.method << ' ' << sample.target;
      const auto after = queue->status();
      EXPECT_EQ(after.ready, before.ready) << sample.target;
      EXPECT_EQ(after.unacked, before.unacked) << sample.target;
      EXPECT_EQ(after.counters.published, before.counters.published) << sample.target;
      EXPECT_EQ(after.counters.delivered, before.counters.delivered) << sample.target;
    }
  }
}

TEST(ApiRights, OneRightIsEnoughForACallThatNeedsIt) {
  for (const auto& [call, sample] : all_calls())
    for (const Verb right : sample.rights) {
      class One : public ApiAccessTest {
       public:
        void TestBody() override {}
        unsigned status(const Sample& of, Verb with) {
          allows({with});
          return asks(of).status();
        }
      } one;
      EXPECT_EQ(one.status(sample, right) / 100, 2u) << sample.method << ' ' << sample.target;
    }
}

TEST_F(ApiAccessTest, NobodyIsHeardWithoutALogin) {
  for (const auto& [call, sample] : all_calls()) {
    const auto plan = agent.api->plan(request_of(sample));
    ASSERT_TRUE(plan) << sample.target;
    EXPECT_EQ(plan->login, Login::required) << sample.target;
  }
}

}  // namespace
}  // namespace pannier::http
