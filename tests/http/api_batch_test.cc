#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

const Fields kNdjson = {{"Content-Type", "application/x-ndjson"}};
const Fields kJson = {{"Content-Type", "application/json; charset=utf-8"}};
constexpr std::string_view kMessages = "/v1/queues/orders/messages";

class ApiBatch : public testing::Test {
 protected:
  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");

  std::vector<std::string> bodies() {
    std::vector<std::string> texts;
    while (const auto got = agent.get(*queue, true)) texts.emplace_back(got->message->body.text());
    return texts;
  }
};

using Texts = std::vector<std::string>;

TEST_F(ApiBatch, PublishesLinesOfJsonInOrder) {
  const auto sent = agent.posts(kMessages,
                                "{\"body\": {\"a\": [1, 2.50, \"\\u00e9\", null]}, \"id\":\"m1\"}\n"
                                "\n{\"bodyBase64\":\"AAH/\",\"id\":\"\"}\r\n{\"bodyText\":\"hi\"}",
                                kNdjson);
  EXPECT_EQ(sent.status(), 0u) << "not before its sync";
  agent.turn();
  ASSERT_EQ(sent.status(), 201u) << sent.body();
  EXPECT_EQ(sent.json()["ids"].size(), 3u);
  EXPECT_EQ(sent.json()["ids"][0], "m1");
  EXPECT_EQ(sent.json()["ids"][1].get<std::string>().size(), 36u) << "an empty one is none";
  EXPECT_EQ(bodies(), (Texts{"{\"a\":[1,2.50,\"é\",null]}", std::string("\0\1\xFF", 3), "hi"}));
}

TEST_F(ApiBatch, TakesAnArrayWhoseFirstElementIsAMessage) {
  const auto sent = agent.posts(kMessages,
                                R"([{"body":1,"priority":3,"group":"g","replyTo":"r",)"
                                R"("headers":{"n":5,"s":"t"}},{"body":"x"}])",
                                kJson);
  agent.turn();
  ASSERT_EQ(sent.status(), 201u) << sent.body();
  const auto first = agent.get(*queue, true);
  const auto properties = queue::Properties::decode(first->message->properties());
  EXPECT_EQ(properties->content_type, "application/json");
  EXPECT_EQ(properties->priority, 3);
  EXPECT_EQ(properties->reply_to, "r");
  EXPECT_EQ(*properties->headers->find("x-group")->as_text(), "g");
  EXPECT_EQ(properties->headers->find("n")->as_integer(), 5);
  EXPECT_EQ(bodies(), Texts{"\"x\""});
}

TEST_F(ApiBatch, TakesAnyOtherJsonAsOneMessageAsItStands) {
  const Texts kSent = {"[1, 2]", "[]", "[{\"bdy\": 1}]", "{\"body\": 1}", "no json"};
  for (const std::string& text : kSent) agent.posts(kMessages, text, kJson);
  agent.posts(std::string(kMessages) + "?batch=false", "[{\"body\":1}]", kJson);
  agent.turn();
  Texts expected = kSent;
  expected.emplace_back("[{\"body\":1}]");
  EXPECT_EQ(bodies(), expected);
}

TEST_F(ApiBatch, RefusesAllOfABatchForOneBadMessageAndNamesIt) {
  const std::pair<std::string, std::string> kBad[] = {
      {R"([{"body":1},{"bdy":2}])", "message 2: unknown key \"bdy\""},
      {R"([{"body":1},5])", "message 2: expected an object"},
      {R"([{"body":1},{"id":"a"}])", "message 2: none of body, bodyText and bodyBase64"},
      {R"([{"body":1,"bodyText":"a"}])", "message 1: more than one"},
      {R"([{"body":1,"priority":256}])", "message 1: 'priority'"},
      {R"([{"body":1,"delay":"5"}])", "message 1: 'delay': expected a duration"},
      {R"([{"body":1,"delay":5}])", "message 1: 'delay': expected a duration"},
      {R"([{"body":1,"ttl":"-1s"}])", "message 1: 'ttl': expected a duration"},
      {R"([{"body":1,"ttl":"1194h"}])", "message 1: 'ttl': expected at most 1193h"},
      {R"([{"body":1,"headers":{"x-delay":"5s"}}])", "message 1: invalid x-delay"},
      {R"([{"body":2},{"body":1,"headers":{"x-group":5}}])", "message 2: invalid x-group"},
      {R"([{"body":1,"bodyless":{}}])", "message 1: 'bodyless' is an object"},
      {R"([{"body":1,"headers":{"a":[]}}])", "message 1: "},
      {R"([{"body":1},)", "message 2: no valid JSON"},
      {R"([{"bodyBase64":"A"}])", "message 1: 'bodyBase64'"},
      {R"([{"body":)" + std::string(100, '[') + std::string(100, ']') + "}]", "message 1: 'body'"}};
  for (const auto& [text, why] : kBad) {
    const auto sent = agent.posts(kMessages, text, kJson);
    EXPECT_EQ(sent.status(), 400u) << text;
    EXPECT_NE(sent.body().find(Json(why).dump().substr(1, why.size() / 2)), std::string::npos)
        << sent.body();
  }
  EXPECT_EQ(agent.posts(kMessages, "", kNdjson).status(), 400u);
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiBatch, RefusesWhatIsTooMuchAtOnce) {
  std::string lines;
  for (int i = 0; i < 4'097; ++i) lines += "{\"body\":1}\n";
  EXPECT_EQ(agent.posts(kMessages, lines, kNdjson).status(), 413u);
  // Larger than a group of the journal may be.
  std::string large;
  for (int i = 0; i < 3; ++i) large += "{\"bodyText\":\"" + std::string(1'000'000, 'x') + "\"}\n";
  EXPECT_EQ(agent.posts(kMessages, large, kNdjson).status(), 413u);
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiBatch, HoldsEachMessageToTheLimitsOfOne) {
  ApiLimits limits;
  limits.message_bytes_max = 100;
  MemoryDisk other;
  ApiHarness small(other, limits);
  const auto listed = small.declare("orders");
  const std::string fits = "{\"bodyText\":\"" + std::string(100, 'x') + "\"}\n";
  const std::string large = "{\"bodyText\":\"" + std::string(101, 'x') + "\"}\n";
  const auto refused = small.posts(kMessages, fits + large, kNdjson);
  EXPECT_EQ(refused.status(), 413u) << refused.body();
  EXPECT_NE(refused.body().find("message 2: "), std::string::npos) << refused.body();
  const auto sent = small.posts(kMessages, fits + fits, kNdjson);
  small.turn();
  EXPECT_EQ(sent.status(), 201u) << sent.body();
  EXPECT_EQ(listed->status().ready, 2u);
}

// They go to AMQP's consumers in one frame, which has at most 128 KiB.
TEST_F(ApiBatch, RefusesHeadersThatNoFrameCouldCarry) {
  const std::string large(64u << 10, 'y');
  const auto sent =
      agent.posts(kMessages, R"({"body":1,"headers":{"a":")" + large + "\"}}", kNdjson);
  EXPECT_EQ(sent.status(), 413u);
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiBatch, IsCountedAsItsMessages) {
  agent.posts(kMessages, "{\"body\":1}\n{\"body\":2}\n{\"body\":3}", kNdjson);
  agent.turn();
  EXPECT_EQ(agent.registry->context().journaled_publishes, 3u) << "what status calls confirmed";
  queue::QueueSettings settings = queue->settings();
  settings.messages_max = 4;
  settings.overflow = Overflow::reject_publish;
  queue->change(settings);
  const auto refused = agent.posts(kMessages, "{\"body\":1}\n{\"body\":2}", kNdjson);
  EXPECT_EQ(refused.status(), 429u);
  EXPECT_EQ(queue->status().counters.refused, 2u);
}

// Of a batch that goes message by message some would be in the queue by now, and once more later.
TEST_F(ApiBatch, WaitsAsAWholeWhileTheJournalHasNoRoomForAllOfIt) {
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "{\"bodyText\":\"" + std::string(1'000, 'x') + "\"}\n";
  std::uint64_t batches = 0;  // the committer stands still
  std::vector<ApiExchange> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(agent.posts(kMessages, lines, kNdjson));
    if (sent.back()->wake_at_time || sent.back()->answered) break;
    ++batches;
  }
  ASSERT_TRUE(sent.back()->wake_at_time) << sent.back().body();
  EXPECT_EQ(queue->status().ready, 100 * batches) << "nothing of the one that waits";
  const auto late = agent.posts(kMessages, lines, kNdjson);
  late->wakes();
  EXPECT_EQ(late.status(), 429u);
  for (int i = 0; i < 4; ++i) agent.turn();
  for (const ApiExchange& each : sent) EXPECT_EQ(each.status(), 201u);
  EXPECT_EQ(queue->status().ready, 100 * sent.size());
}

TEST_F(ApiBatch, IsThereAsAWholeOrNotAtAllAfterAPowerCut) {
  agent.turn();
  const std::size_t before = disk.steps();
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "{\"bodyText\":\"" + std::string(2'000, 'x') + "\"}\n";
  const auto sent = agent.posts(kMessages, lines, kNdjson);
  agent.turn();
  ASSERT_EQ(sent.status(), 201u);
  const std::size_t steps = disk.steps() - before;
  ASSERT_GT(steps, 0u);
  int whole = 0;
  for (std::size_t step = 0; step <= steps; ++step)
    for (const std::uint64_t seed : {1, 2, 3, 4}) {
      MemoryDisk other;
      bool confirmed = false;
      {
        ApiHarness cut(other);
        cut.declare("orders");
        cut.turn();
        other.crash_at(other.steps() + step);
        const auto again = cut.posts(kMessages, lines, kNdjson);
        cut.turn();
        confirmed = again.status() == 201;
      }
      const auto after = other.restart(seed);
      ApiHarness found(*after);
      const auto ready = found.find("orders")->status().ready;
      EXPECT_TRUE(ready == 20 || (ready == 0 && !confirmed)) << ready << " at step " << step;
      whole += ready == 20 ? 1 : 0;
    }
  EXPECT_GT(whole, 0);
}

}  // namespace
}  // namespace pannier::http
