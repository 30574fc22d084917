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
  void applies(std::optional<DedupBy> by) {
    PolicyQueue wanted;
    wanted.uid = "1";
    wanted.generation = ++generation;
    wanted.name = "orders";
    if (by) wanted.delivery.dedup = Dedup{*by, std::chrono::minutes(5), 1'000};
    Policy policy;
    policy.queues.push_back(wanted);
    EXPECT_TRUE(agent.registry->apply(policy));
    agent.turn();
    queue = agent.find("orders");
  }
  ApiIdempotency() { applies({}); }
  void expect_refused(const ApiExchange& sent, std::string_view why) {
    EXPECT_EQ(sent.status(), 409u) << why;
    EXPECT_EQ(sent.json()["code"], "precondition");
    EXPECT_NE(sent.body().find("spec.delivery.dedup"), std::string::npos) << sent.body();
    EXPECT_NE(sent.body().find(why), std::string::npos) << sent.body();
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  std::uint64_t generation = 0;
  queue::QueuePtr queue;
};

TEST_F(ApiIdempotency, IsRefusedWhereNothingIsDeduplicatedNeverIgnored) {
  expect_refused(agent.posts("/orders", "a", {{"Idempotency-Key", "k"}}),
                 "queue 'orders' does not deduplicate");
  applies(DedupBy::producer_sequence);
  expect_refused(agent.posts("/orders", "a", {{"Idempotency-Key", "k"}}), "ProducerSequence");
  expect_refused(agent.posts("/unknown", "a", {{"Idempotency-Key", "k"}}), "no queue 'unknown'");
  EXPECT_FALSE(agent.find("unknown")) << "nor is a queue made for it";
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiIdempotency, IsTheMessagesId) {
  applies(DedupBy::message_id);
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

TEST_F(ApiIdempotency, AnswersARepeatAsTheFirstOnceThatIsSafe) {
  applies(DedupBy::message_id);
  const auto first = agent.posts("/orders", "a", {{"Idempotency-Key", "\"k\""}});
  const auto repeat = agent.posts("/orders", "a", {{"Idempotency-Key", "k"}});
  const auto by_id = agent.posts("/orders", "a", {{"Pannier-Message-Id", "k"}});
  EXPECT_EQ(repeat.status(), 0u) << "the first is not safe yet";
  agent.turn();
  const Json once = {{"id", "k"}, {"queue", "orders"}, {"durability", "Disk"}};
  Json again = once;
  again["duplicate"] = true;
  EXPECT_EQ(first.status(), 201u);
  EXPECT_EQ(repeat.status(), 201u);
  EXPECT_EQ(first.json(), once);
  EXPECT_EQ(repeat.json(), again);
  EXPECT_EQ(by_id.json(), again);
  EXPECT_EQ(queue->status().ready, 1u);
  const auto after = disk.restart(1, Keep::nothing);
  ApiHarness found(*after);
  std::uint64_t ready = 0;  // of a queue that waits for its policy
  found.registry->for_each(
      [&ready](const queue::Queue& each, const auto&) { ready += each.status().ready; });
  EXPECT_EQ(ready, 1u);
}

TEST_F(ApiIdempotency, LeavesTheBodyOfARepeatToItsRequest) {
  applies(DedupBy::message_id);
  agent.posts("/orders", "a", {{"Idempotency-Key", "k"}});
  const auto body = agent.spool->begin_body();
  ASSERT_TRUE(agent.spool->append_part(*body, Slice::copy_of(std::string(100'000, 'x'))));
  Request request;
  request.method = "POST";
  request.segments = {"orders"};
  request.fields = {{"Idempotency-Key", "k"}};
  request.body_id = *body;
  request.body_parts = 1;
  request.body_size = 100'000;
  const auto repeat = agent.handles(request);
  agent.turn();
  EXPECT_EQ(repeat.json()["duplicate"], true);
  EXPECT_EQ(repeat->request().body_id, *body) << "nobody else ends it";
}

TEST_F(ApiIdempotency, IsNothingForABatch) {
  applies(DedupBy::message_id);
  const auto sent =
      agent.posts("/v1/queues/orders/messages", "{\"body\":1}\n",
                  {{"Content-Type", "application/x-ndjson"}, {"Idempotency-Key", "k"}});
  EXPECT_EQ(sent.status(), 400u);
}

}  // namespace
}  // namespace pannier::http
