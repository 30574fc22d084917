#include "sidecar/http/idempotency_key.h"

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

Request with(std::initializer_list<std::string> values) {
  Request request;
  for (const std::string& value : values) request.fields.emplace_back("idempotency-key", value);
  return request;
}

TEST(IdempotencyKey, IsAStringInQuotesOrAWord) {
  const std::pair<std::string, std::string> kGood[] = {
      {"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
      {"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
      {"a+/b==", "a+/b=="},
      {R"("a \"b\" \\ c")", R"(a "b" \ c)"},
      {"\" \"", " "},
      {"\"a;b,c\"", "a;b,c"},
      {std::string(255, 'x'), std::string(255, 'x')}};
  for (const auto& [text, key] : kGood) {
    const auto read = idempotency_key(with({text}));
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, key);
    EXPECT_EQ(*idempotency_key(with({idempotency_field(key)})), key) << "as it is written again";
  }
  EXPECT_EQ(*idempotency_key(Request()), std::nullopt);
}

TEST(IdempotencyKey, IsRefusedWhenItIsAnythingElse) {
  const std::string kBad[] = {"",          "\"\"",         "\"",       "\"a",
                              "a\"",       "a b",          "a,b",      "a;b=1",
                              "\"a\";b=1", "\"a\", \"b\"", "\"a\\\"",  R"("\x")",
                              "\"é\"",     "a\x7F",        "\"a\tb\"", std::string(256, 'x')};
  for (const std::string& text : kBad) {
    const auto read = idempotency_key(with({text}));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::bad_argument);
    EXPECT_TRUE(read.error().detail.starts_with("Idempotency-Key: ")) << read.error().detail;
  }
  EXPECT_FALSE(idempotency_key(with({"a", "a"})));
  EXPECT_EQ(idempotency_field("a\nb"), "");
  EXPECT_EQ(idempotency_field("é"), "");
}

class ApiIdempotency : public testing::Test {
 protected:
  void deduplicates(DedupBy by) {
    queue::QueueSettings settings = queue->settings();
    settings.dedup.emplace();
    settings.dedup->by = by;
    queue->change(settings);
  }
  void expect_refused(const ApiExchange& sent, std::string_view why) {
    EXPECT_EQ(sent.status(), 409u) << why;
    EXPECT_EQ(sent.json()["code"], "precondition");
    EXPECT_NE(sent.body().find("spec.delivery.dedup"), std::string::npos) << sent.body();
    EXPECT_NE(sent.body().find(why), std::string::npos) << sent.body();
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiIdempotency, IsRefusedWhereNothingIsDeduplicatedNeverIgnored) {
  expect_refused(agent.posts("/orders", "a", {{"Idempotency-Key", "k"}}),
                 "queue 'orders' does not deduplicate");
  deduplicates(DedupBy::producer_sequence);
  expect_refused(agent.posts("/orders", "a", {{"Idempotency-Key", "k"}}), "ProducerSequence");
  expect_refused(agent.posts("/unknown", "a", {{"Idempotency-Key", "k"}}), "no queue 'unknown'");
  EXPECT_FALSE(agent.find("unknown")) << "nor is a queue made for it";
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiIdempotency, IsTheMessagesId) {
  deduplicates(DedupBy::message_id);
  const auto sent = agent.posts("/orders", "a", {{"Idempotency-Key", "\"k 1\""}});
  const auto same =
      agent.posts("/orders", "a", {{"Idempotency-Key", "k2"}, {"Pannier-Message-Id", "k2"}});
  const auto other =
      agent.posts("/orders", "a", {{"Idempotency-Key", "k3"}, {"Pannier-Message-Id", "m"}});
  EXPECT_EQ(other.status(), 400u);
  agent.turn();
  ASSERT_EQ(sent.status(), 201u);
  EXPECT_EQ(sent.json()["id"], "k 1");
  EXPECT_FALSE(sent.json().contains("duplicate"));
  EXPECT_EQ(same.json()["id"], "k2");
  const auto taken = agent.gets("/orders");
  agent.turn();
  EXPECT_EQ(taken.field("Pannier-Message-Id"), "k 1");
  EXPECT_EQ(taken.field("Idempotency-Key"), "\"k 1\"");
}

TEST_F(ApiIdempotency, IsNothingForABatch) {
  deduplicates(DedupBy::message_id);
  const auto sent =
      agent.posts("/v1/queues/orders/messages", "{\"body\":1}\n",
                  {{"Content-Type", "application/x-ndjson"}, {"Idempotency-Key", "k"}});
  EXPECT_EQ(sent.status(), 400u);
}

}  // namespace
}  // namespace pannier::http
