// Streams of server-sent events, as ApiHandler makes them.
#include <gtest/gtest.h>

#include "tests/http/api_harness.h"

namespace pannier::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Event {
  std::string name, id;
  Json data;
};

// Checks the format while it reads it: lines that are none of an event's are comments.
std::vector<Event> events_in(std::string_view text) {
  std::vector<Event> events;
  Event event;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    EXPECT_NE(end, std::string_view::npos) << "an event ends with an empty line";
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end, text.size() - 1) + 1);
    if (line.starts_with("event: ")) event.name = line.substr(7);
    if (line.starts_with("id: ")) event.id = line.substr(4);
    if (line.starts_with("data: ")) event.data = Json::parse(line.substr(6), nullptr, false);
    if (line.empty() && !event.name.empty()) events.push_back(std::exchange(event, {}));
  }
  return events;
}

class ApiStreams : public testing::Test {
 protected:
  ApiExchange streams(const std::string& query = "") {
    ApiExchange stream = agent.gets("/v1/queues/orders/stream" + query);
    EXPECT_EQ(stream.status(), 200u) << stream.body();
    return stream;
  }
  std::vector<Event> reads(const ApiExchange& stream) {
    agent.turn();
    return events_in(stream.fake->reads());
  }
  // As the session would: it looks at the timer that is set.
  void wakes(const ApiExchange& stream) {
    if (stream.fake->wake_at_time && *stream.fake->wake_at_time <= agent.clock.now())
      stream.fake->wakes();
  }
  unsigned settles(const char* call, const Json& body) {
    const auto done = agent.posts("/v1/queues/orders/" + std::string(call), body.dump());
    agent.turn();
    return done.status();
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiStreams, SendsAnEventAMessageWithItsReceipt) {
  const auto stream = streams();
  EXPECT_EQ(stream.field("Content-Type"), "text/event-stream");
  EXPECT_EQ(queue->consumers(), 1u);
  agent.posts("/orders", "{\n \"id\": 1\r\n}", {{"Content-Type", "application/json"}});
  const auto events = reads(stream);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "message");
  EXPECT_EQ(events[0].data["body"], (Json{{"id", 1}})) << "in one line, whatever its publisher did";
  EXPECT_EQ(events[0].data["receipt"], events[0].id);
  EXPECT_EQ(queue->status().unacked, 1u);
  EXPECT_EQ(settles("ack", {{"receipts", {events[0].id}}}), 200u);
  EXPECT_TRUE(queue->empty());
}

TEST_F(ApiStreams, GivesNoMoreThanItsCreditAndGoesOnWhenItIsSettled) {
  for (const char* body : {"a", "b", "c", "d"}) agent.publish("orders", body);
  const auto stream = streams("?max=2");
  const auto first = reads(stream);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_TRUE(reads(stream).empty());
  EXPECT_EQ(settles("ack", {{"receipts", {first[0].id}}}), 200u);
  const auto second = reads(stream);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(settles("nack", {{"receipts", {first[1].id}}}), 200u);
  const auto again = reads(stream);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_TRUE(again[0].data["redelivered"]) << "what came back takes its old place";
}

TEST_F(ApiStreams, GetsItsCreditBackWhenALeaseRunsOut) {
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  const auto stream = streams("?max=1&ackTimeout=5s");
  const auto first = reads(stream);
  ASSERT_EQ(first.size(), 1u);
  agent.clock.advance(seconds(5));
  wakes(stream);  // before the queue has looked
  EXPECT_TRUE(reads(stream).empty());
  agent.passes(milliseconds(100));
  wakes(stream);
  const auto again = reads(stream);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].data["deliveryCount"], 1);
  EXPECT_EQ(settles("ack", {{"receipts", {first[0].id}}}), 409u) << "the late one is stale";
  EXPECT_EQ(settles("extend", {{"receipts", {again[0].id}}, {"timeout", "1m"}}), 200u);
  agent.passes(seconds(30));
  wakes(stream);
  EXPECT_TRUE(reads(stream).empty());
  EXPECT_EQ(settles("ack", {{"receipts", {again[0].id}}}), 200u);
  EXPECT_EQ(reads(stream).size(), 1u);
}

TEST_F(ApiStreams, SettlesByItselfOnlyWhatIsWritten) {
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  const auto stream = streams("?max=2&autoAck=true");
  agent.turn();
  EXPECT_EQ(queue->status().unacked, 2u) << "put, and not written";
  EXPECT_EQ(reads(stream).size(), 2u);
  EXPECT_EQ(queue->status().unacked, 1u) << "the third is on its way";
  stream->goes();
  agent.turn();
  const auto left = agent.receives("orders", R"({"max": 10})");
  ASSERT_EQ(left.size(), 1u);
  EXPECT_TRUE(left[0]["redelivered"]);
}

TEST_F(ApiStreams, GivesBackWhatAClientHadWhenItGoes) {
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  const auto stream = streams();
  const auto got = reads(stream);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(settles("ack", {{"receipts", {got[0].id}}}), 200u);
  agent.publish("orders", "c");  // handed out, and not put
  stream->goes();
  agent.turn();
  EXPECT_EQ(queue->consumers(), 0u);
  EXPECT_EQ(agent.api->streams(), 0u);
  const auto again = agent.receives("orders", R"({"max": 10})");
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0]["deliveryCount"], 1);
  EXPECT_EQ(again[1]["deliveryCount"], 0) << "which nobody saw";
}

TEST_F(ApiStreams, BelievesNoReceiptThatSomebodyMadeUp) {
  agent.publish("orders", "a");
  agent.publish("orders", "b");
  const auto stream = streams("?max=1&autoAck=true");
  agent.turn();
  const std::string id = events_in(stream->reads_unwritten()).at(0).id;
  std::string forged = id;
  forged[23] = forged[23] == '0' ? '1' : '0';  // another message, by the same delivery
  EXPECT_EQ(settles("ack", {{"receipts", {forged}}}), 409u);
  stream->reads();
  EXPECT_EQ(reads(stream).size(), 1u) << "settled as it was written, and the next came";
  EXPECT_TRUE(queue->empty());
}

TEST_F(ApiStreams, IsTheLastConsumerOfAQueueThatGoesWithIt) {
  queue::QueueDefinition definition;
  definition.name = "passing";
  definition.auto_delete = true;
  ASSERT_TRUE(agent.registry->declare_queue(std::move(definition), 0));
  const auto stream = agent.gets("/v1/queues/passing/stream");
  stream.fake->goes();
  EXPECT_FALSE(agent.find("passing"));
}

TEST_F(ApiStreams, SaysALastWordWhenItsQueueGoesOrTheRightOrTheAgent) {
  const auto orphan = streams();
  EXPECT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  auto events = reads(orphan);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "gone");
  EXPECT_EQ(events[0].data["code"], "not_found");
  EXPECT_TRUE(orphan->is_finished);
  orphan->ends_stream();
  EXPECT_EQ(agent.api->streams(), 0u);

  queue = agent.declare("orders");
  agent.publish("orders", "a");
  const auto denied = streams();
  EXPECT_EQ(reads(denied).size(), 1u);
  agent.api->on_policy();
  EXPECT_FALSE(denied->is_finished) << "nothing has changed for it";
  agent.access.denied.insert({Verb::consume, "orders"});
  agent.api->on_policy();
  events = reads(denied);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data["code"], "access_denied");
  EXPECT_EQ(queue->status().ready, 1u);

  agent.access.denied.clear();
  const auto last = streams();
  EXPECT_EQ(reads(last).size(), 1u);
  agent.api->close("the agent is ending");
  events = reads(last);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data["code"], "closed");
  EXPECT_EQ(agent.gets("/v1/queues/orders/stream").status(), 503u);
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST_F(ApiStreams, BeatsOnlyWhileItIsIdleAndCostsNothingElse) {
  const auto stream = streams();
  stream->reads();
  EXPECT_EQ(stream->wake_at_time, agent.clock.now() + seconds(15));
  agent.clock.advance(seconds(10));
  agent.publish("orders", "a");
  EXPECT_EQ(reads(stream).size(), 1u);
  agent.clock.advance(seconds(5));
  wakes(stream);
  EXPECT_EQ(stream->reads(), "");
  EXPECT_EQ(stream->wake_at_time, agent.clock.now() + seconds(10));
  agent.clock.advance(seconds(10));
  wakes(stream);
  EXPECT_EQ(stream->reads(), ": beat\n\n");
  EXPECT_FALSE(agent.loop.run_one()) << "nothing is posted for one that is idle";
}

TEST_F(ApiStreams, GivesASlowReaderNoMoreThanItsLimit) {
  const auto slow = streams("?max=1000");
  const auto quick = streams("?max=1000");
  for (int i = 0; i < 400; ++i) agent.publish("orders", std::string(1'000, 'x'));
  std::size_t read = 0;
  for (int i = 0; i < 20; ++i) read += reads(quick).size();
  std::size_t slow_bytes = 0;
  for (const Slice& piece : slow->pieces) slow_bytes += piece.size();
  EXPECT_LE(slow_bytes, 2 * ApiLimits().stream_unsent_bytes) << "as base64 it is longer";
  EXPECT_EQ(read + slow->pieces.size() - 1, 400u) << "all the others are the quick one's";
}

TEST_F(ApiStreams, GivesAllSlowReadersTogetherNoMoreThanTheirLimit) {
  ApiLimits limits;
  limits.streams_bytes_max = 100'000;
  MemoryDisk other;
  ApiHarness small(other, limits);
  const auto orders = small.declare("orders");
  std::vector<ApiExchange> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(small.gets("/v1/queues/orders/stream?max=1000"));
  for (int i = 0; i < 400; ++i) small.publish("orders", std::string(1'000, 'x'));
  small.turn();
  EXPECT_LE(orders->status().unacked, 110u);
  // Whoever reads makes room, for whoever it may be.
  for (int round = 0; round < 30; ++round) {
    for (const ApiExchange& each : slow) each.fake->reads();
    small.turn();
  }
  EXPECT_EQ(orders->status().ready, 0u);
  EXPECT_EQ(small.posts("/v1/queues/orders/receive", "{}").status(), 200u)
      << "receivers have a limit of their own";
}

TEST_F(ApiStreams, PutsBodiesInPartsTogether) {
  const std::string large(700'000, 'y');
  Request request;
  request.method = "POST";
  request.segments = {"orders"};
  request.fields = {{"Content-Type", "text/plain"}};
  auto body = agent.spool->begin_body();
  ASSERT_TRUE(body);
  for (std::size_t at = 0; at < large.size(); at += 100'000) {
    ASSERT_TRUE(agent.spool->append_part(*body, Slice::copy_of(large.substr(at, 100'000))));
    agent.turn();
  }
  request.body_id = *body;
  request.body_parts = 7;
  request.body_size = large.size();
  agent.handles(std::move(request));
  agent.publish("orders", "small");
  const auto stream = streams();
  std::vector<Event> events;
  for (int i = 0; i < 3; ++i)
    for (Event& event : reads(stream)) events.push_back(std::move(event));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data["bodyText"], large);
  EXPECT_EQ(events[1].data["bodyBase64"], "c21hbGw=") << "in their order";
}

TEST_F(ApiStreams, RefusesWhatMakesNoSense) {
  for (const char* query : {"?max=0", "?max=1001", "?max=x", "?autoAck=yes", "?ackTimeout=0s",
                            "?ackTimeout=13h", "?wait=5s"})
    EXPECT_EQ(agent.gets("/v1/queues/orders/stream" + std::string(query)).status(), 400u) << query;
  EXPECT_EQ(agent.gets("/v1/queues/unknown/stream").status(), 404u);
  EXPECT_EQ(agent.posts("/v1/queues/orders/stream", "").field("Allow"), "GET");
  agent.access.denied.insert({Verb::consume, "orders"});
  EXPECT_EQ(agent.gets("/v1/queues/orders/stream").status(), 403u);
  ApiLimits limits;
  limits.streams = 1;
  MemoryDisk other;
  ApiHarness small(other, limits);
  small.declare("orders");
  const auto one = small.gets("/v1/queues/orders/stream");
  EXPECT_EQ(small.gets("/v1/queues/orders/stream").status(), 429u);
  one.fake->goes();
  EXPECT_EQ(small.gets("/v1/queues/orders/stream").status(), 200u);
}

TEST_F(ApiStreams, OutlivesTheHandlerWithoutTouchingIt) {
  agent.publish("orders", "a");
  const auto stream = streams();
  EXPECT_EQ(reads(stream).size(), 1u);
  agent.api.reset();
  agent.clock.advance(seconds(60));
  stream->wakes();
  stream->goes();
  EXPECT_EQ(queue->consumers(), 0u);
  EXPECT_EQ(queue->status().unacked, 0u);
}

}  // namespace
}  // namespace pannier::http
