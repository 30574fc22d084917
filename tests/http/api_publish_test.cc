#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

class ApiPublish : public testing::Test {
 protected:
  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiPublish, AnswersOnlyAfterTheSyncThatCoversTheMessage) {
  agent.turn();
  const auto sent = agent.posts("/orders", "hello", {{"Pannier-Message-Id", "m-1"}});
  EXPECT_EQ(sent.status(), 0u);
  agent.registry->end_turn();
  EXPECT_EQ(sent.status(), 0u);
  agent.turn();
  ASSERT_EQ(sent.status(), 201u);
  EXPECT_EQ(sent.json(), (Json{{"id", "m-1"}, {"queue", "orders"}, {"durability", "Disk"}}));
}

TEST_F(ApiPublish, KeepsWhatTheHeadersSayInProperties) {
  queue::QueueSettings settings = queue->settings();
  settings.dedup.emplace();
  queue->change(settings);
  agent.posts("/orders", "{}",
              {{"Content-Type", "application/json"},
               {"Content-Encoding", "identity"},
               {"pannier-priority", "7"},
               {"Pannier-Reply-To", "answers"},
               {"Pannier-Group", "g"},
               {"Idempotency-Key", "\"once\""},
               {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
               {"CE-Type", "order"},
               {"Pannier-Delay", "0"},
               {"X-Other", "no"}});
  const auto got = agent.get(*queue);
  ASSERT_TRUE(got);
  const auto properties = queue::Properties::decode(got->message->properties());
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->content_type, "application/json");
  EXPECT_EQ(properties->content_encoding, "identity");
  EXPECT_EQ(properties->priority, 7);
  EXPECT_EQ(properties->reply_to, "answers");
  EXPECT_EQ(properties->delivery_mode, 2);
  EXPECT_EQ(properties->message_id, "once");
  const queue::Table& headers = *properties->headers;
  EXPECT_EQ(headers.size(), 4u);
  EXPECT_EQ(*headers.find("x-group")->as_text(), "g");
  EXPECT_EQ(headers.find("traceparent")->as_text()->size(), 55u);
  EXPECT_EQ(*headers.find("cloudEvents:type")->as_text(), "order");
  EXPECT_EQ(*headers.find("idempotency-key")->as_text(), "once");
  EXPECT_EQ(as_text(got->message->attributes), std::string("\x01\x04\x00once", 7));
}

TEST_F(ApiPublish, RefusesWhatItCannotReadInsteadOfIgnoringIt) {
  EXPECT_EQ(agent.posts("/orders", "a", {{"Pannier-Priority", "high"}}).status(), 400u);
  EXPECT_EQ(agent.posts("/orders", "a", {{"Pannier-Reply-To", std::string(256, 'x')}}).status(),
            400u);
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u);
}

TEST_F(ApiPublish, RefusesAFieldOfOursThatComesTwice) {
  for (const char* name : {"Pannier-Delay", "Pannier-Group", "Pannier-Message-Id"}) {
    const auto sent =
        agent.posts("/orders", "a", {{name, "1s"}, {"pannier-ttl", "1s"}, {name, ""}});
    EXPECT_EQ(sent.status(), 400u) << name;
    EXPECT_NE(sent.body().find(name), std::string::npos) << sent.body();
  }
}

TEST_F(ApiPublish, DeclaresAQueueThatNobodyKnowsWhereClientsMay) {
  agent.access.denies_declare = true;
  EXPECT_EQ(agent.posts("/new", "a").status(), 404u);
  agent.access.denies_declare = false;
  const auto sent = agent.posts("/new", "a");
  agent.turn();
  EXPECT_EQ(sent.status(), 201u);
  ASSERT_TRUE(agent.find("new"));
  EXPECT_TRUE(agent.registry->definition_of("new")->durable);
}

TEST_F(ApiPublish, RefusesWhoMayNotAndQueuesServedElsewhere) {
  agent.access.denied.insert({Verb::publish, "orders"});
  EXPECT_EQ(agent.posts("/orders", "a").status(), 403u);
  agent.access.denied.insert({Verb::publish, "unknown"});
  EXPECT_EQ(agent.posts("/unknown", "a").status(), 403u);
  EXPECT_FALSE(agent.find("unknown"));
  Policy policy;
  policy.other_queues = {"elsewhere"};
  EXPECT_TRUE(agent.registry->apply(policy));
  EXPECT_EQ(agent.posts("/elsewhere", "a").status(), 403u);
}

TEST_F(ApiPublish, AnswersAFullQueueWith429) {
  queue::Table arguments;
  arguments.set("x-max-length", std::int32_t{1});
  arguments.set("x-overflow", "reject-publish");
  agent.declare("small", arguments);
  const auto first = agent.posts("/small", "a");
  const auto second = agent.posts("/small", "b");
  EXPECT_EQ(second.status(), 429u);
  EXPECT_EQ(second.json()["code"], "queue_full");
  const auto batch = agent.posts("/v1/queues/small/messages", "{\"body\":1}\n",
                                 {{"Content-Type", "application/x-ndjson"}});
  EXPECT_EQ(batch.status(), 429u);
  agent.turn();
  EXPECT_EQ(first.status(), 201u);
}

TEST_F(ApiPublish, AnswersAtOnceForAMemoryQueueAndSaysSo) {
  agent.declare("fleeting", {}, false);
  const auto sent = agent.posts("/fleeting", "a");
  if (agent.find("fleeting")->settings().durability != Durability::memory) agent.turn();
  EXPECT_EQ(sent.status(), 201u);
}

TEST_F(ApiPublish, TakesABodyThatLiesInParts) {
  const auto body = agent.spool->begin_body();
  ASSERT_TRUE(body);
  const std::string half(100'000, 'x');
  ASSERT_TRUE(agent.spool->append_part(*body, Slice::copy_of(half)));
  ASSERT_TRUE(agent.spool->append_part(*body, Slice::copy_of(half)));
  Request request;
  request.method = "POST";
  request.segments = {"orders"};
  request.body_id = *body;
  request.body_parts = 2;
  request.body_size = 200'000;
  const auto sent = agent.handles(request);
  EXPECT_EQ(sent->request().body_id, 0u) << "it is the message's by now";
  agent.turn();
  EXPECT_EQ(sent.status(), 201u);
  const auto taken = agent.gets("/orders");
  agent.turn();
  ASSERT_EQ(taken.status(), 200u);
  EXPECT_EQ(taken->announced_size, 200'000u);
  for (int i = 0; i < 2; ++i) {
    taken->has_room();
    agent.turn();
  }
  EXPECT_EQ(taken.body(), half + half);
  EXPECT_EQ(queue->status().unacked, 1u);
  taken->written();
  EXPECT_TRUE(queue->empty());
}

TEST_F(ApiPublish, LimitsTheAnswersThatWait) {
  ApiLimits limits;
  limits.answers_waiting = 2;
  agent.api = std::make_unique<ApiHandler>(*agent.registry, agent.access, agent.clock, limits);
  const auto first = agent.posts("/orders", "a");
  const auto second = agent.posts("/orders", "b");
  EXPECT_EQ(agent.posts("/orders", "c").status(), 429u);
  agent.turn();
  EXPECT_EQ(first.status(), 201u);
  EXPECT_EQ(second.status(), 201u);
  EXPECT_EQ(queue->status().ready, 2u);
}

TEST_F(ApiPublish, WaitsForRoomAndGivesUpAfterItsTime) {
  // The committer stands still: the journal runs full.
  std::vector<ApiExchange> sent;
  const std::string body(100'000, 'x');
  for (int i = 0; i < 200; ++i) {
    sent.push_back(agent.posts("/orders", body));
    if (sent.back()->wake_at_time || sent.back()->answered) break;
  }
  ASSERT_TRUE(sent.back()->wake_at_time) << "the journal never was full";
  EXPECT_EQ(*sent.back()->wake_at_time, agent.clock.now() + std::chrono::seconds(5));
  const auto late = agent.posts("/orders", "late");
  const auto goes = agent.posts("/orders", "goes");
  late->wakes();
  EXPECT_EQ(late.status(), 429u);
  goes->goes();
  for (const ApiExchange* over : {&late, &goes})
    EXPECT_EQ(over->fake.use_count(), 1) << "its body is kept, and nothing is charged for it";
  agent.turn();
  agent.turn();
  for (const ApiExchange& each : sent) EXPECT_EQ(each.status(), 201u);
  EXPECT_EQ(queue->status().ready, sent.size()) << "neither the late one nor who has gone";
  EXPECT_EQ(agent.api->waiting_answers(), 0u);
}

TEST_F(ApiPublish, StillAnswersAfterItsSyncWhenWeAreGoing) {
  const auto sent = agent.posts("/orders", "a");
  agent.api->close("the agent is ending");
  EXPECT_EQ(agent.posts("/orders", "b").status(), 503u);
  EXPECT_EQ(sent.status(), 0u);
  agent.turn();
  EXPECT_EQ(sent.status(), 201u);
}

}  // namespace
}  // namespace pannier::http
