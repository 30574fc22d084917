// Streams over a WebSocket: what its client may say, and what it is told.
#include <gtest/gtest.h>

#include "tests/http/api_harness.h"
#include "tests/http/socket_frames.h"

namespace pannier::http {
namespace {

using std::chrono::seconds;

class ApiSocket : public testing::Test {
 protected:
  ApiExchange connects(const std::string& query = "") {
    ApiExchange socket = agent.asks("GET", "/v1/queues/orders/stream" + query, "",
                                    {{"Host", "localhost"},
                                     {"Upgrade", "websocket"},
                                     {"Connection", "Upgrade"},
                                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                     {"Sec-WebSocket-Version", "13"}});
    EXPECT_EQ(socket.status(), 101u) << socket.body();
    return socket;
  }
  static void says(const ApiExchange& socket, const Json& message) {
    sends(socket, client_frame(Opcode::text, message.dump()));
  }
  static void sends(const ApiExchange& socket, std::string_view bytes) {
    socket.fake->stream->on_bytes(as_bytes(bytes));
  }
  std::vector<Json> hears(const ApiExchange& socket) {
    agent.turn();
    std::vector<Json> messages;
    for (auto& [opcode, payload] : server_frames(socket.fake->reads()))
      if (opcode == Opcode::text) messages.push_back(Json::parse(payload));
    return messages;
  }
  // The code of the close that it was sent.
  static unsigned close_in(const ApiExchange& socket) {
    for (auto& [opcode, payload] : server_frames(socket.fake->reads()))
      if (opcode == Opcode::close && payload.size() >= 2)
        return static_cast<unsigned char>(payload[0]) * 256u +
               static_cast<unsigned char>(payload[1]);
    return 0;
  }

  MemoryDisk disk;
  ApiHarness agent{disk};
  queue::QueuePtr queue = agent.declare("orders");
};

TEST_F(ApiSocket, SettlesOnceDurable) {
  agent.publish("orders", "a");
  const auto socket = connects();
  const auto got = hears(socket);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0]["type"], "message");
  EXPECT_EQ(got[0]["bodyBase64"], "YQ==");
  says(socket, {{"type", "ack"}, {"receipts", {got[0]["receipt"]}}});
  EXPECT_TRUE(queue->empty());
  EXPECT_EQ(socket->reads(), "") << "not synced yet";
  const auto settled = hears(socket);
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(
      settled[0],
      (Json{{"type", "settled"}, {"receipts", {got[0]["receipt"]}}, {"stale", Json::array()}}));
  says(socket, {{"type", "ack"}, {"receipts", {got[0]["receipt"]}}});
  EXPECT_EQ(hears(socket).at(0)["code"], "stale_receipt");
}

TEST_F(ApiSocket, NacksExtendsAndChangesItsCredit) {
  for (const char* body : {"a", "b", "c"}) agent.publish("orders", body);
  const auto socket = connects("?max=1");
  auto got = hears(socket);
  ASSERT_EQ(got.size(), 1u);
  says(socket, {{"type", "extend"}, {"receipts", {got[0]["receipt"]}}, {"timeout", "2m"}});
  EXPECT_EQ(hears(socket).at(0)["type"], "extended");
  says(socket, {{"type", "credit"}, {"max", 0}});
  says(socket, {{"type", "nack"}, {"receipts", {got[0]["receipt"]}}, {"reason", "later"}});
  got = hears(socket);
  ASSERT_EQ(got.size(), 1u) << "no credit, no message";
  EXPECT_EQ(got[0]["type"], "settled");
  says(socket, {{"type", "credit"}, {"max", 2}});
  got = hears(socket);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0]["deliveryCount"], 1);
  EXPECT_EQ(queue->status().ready, 1u);
}

TEST_F(ApiSocket, HoldsBackWhatIsNackedWithADelayAndGoesOnWithTheNext) {
  for (const char* body : {"a", "b"}) agent.publish("orders", body);
  const auto socket = connects("?max=1");
  auto got = hears(socket);
  ASSERT_EQ(got.size(), 1u);
  says(socket, {{"type", "nack"}, {"receipts", {got[0]["receipt"]}}, {"delay", "5s"}});
  got = hears(socket);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0]["bodyBase64"], "Yg==");
  EXPECT_EQ(got[1]["type"], "settled");
  EXPECT_EQ(queue->status().delayed, 1u);
  says(socket, {{"type", "ack"}, {"receipts", {got[0]["receipt"]}}});
  EXPECT_EQ(hears(socket).size(), 1u);
  agent.passes(seconds(5));
  got = hears(socket);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0]["bodyBase64"], "YQ==");
  EXPECT_EQ(got[0]["deliveryCount"], 1);
}

TEST_F(ApiSocket, AnswersWhatItDoesNotUnderstandAndGoesOn) {
  const auto socket = connects();
  for (const char* bad :
       {"", "x", "[]", "{}", R"({"type":"other"})", R"({"type":"ack"})",
        R"({"type":"ack","receipts":["x"]})", R"({"type":"ack","receipts":["x"],"timeout":"1s"})",
        R"({"type":"credit"})", R"({"type":"credit","max":1001})",
        R"({"type":"extend","receipts":["x"]})", R"({"type":1})",
        R"({"type":"nack","receipts":["x"],"delay":"-5s"})",
        R"({"type":"nack","receipts":["x"],"delay":"1194h"})",
        R"({"type":"nack","receipts":["x"],"reason":1})"}) {
    sends(socket, client_frame(Opcode::text, bad));
    const auto heard = hears(socket);
    ASSERT_EQ(heard.size(), 1u) << bad;
    EXPECT_EQ(heard[0]["type"], "error");
    EXPECT_EQ(heard[0]["code"], "bad_argument") << bad;
  }
  sends(socket, client_frame(Opcode::ping, "still?"));
  const auto frames = server_frames(socket->reads());
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0], (std::pair<Opcode, std::string>(Opcode::pong, "still?")));
}

TEST_F(ApiSocket, ClosesOnWhatBreaksTheProtocolAndGivesBackWhatItHad) {
  agent.publish("orders", "a");
  const std::pair<std::string, unsigned> kBad[] = {
      {std::string("\x81\x05hello"), 1002},
      {client_frame(Opcode::binary, "x"), 1003},
      {client_frame(Opcode::text, "\xFF"), 1007},
      {client_frame(Opcode::text, std::string((256u << 10) + 1, 'x')), 1009}};
  for (const auto& [bytes, code] : kBad) {
    const auto socket = connects();
    EXPECT_EQ(hears(socket).size(), 1u);
    sends(socket, bytes);
    EXPECT_EQ(close_in(socket), code);
    if (code == 1003) sends(socket, client_frame(Opcode::close, ""));
    EXPECT_TRUE(socket->is_finished);
    sends(socket, client_frame(Opcode::text, "{}"));
    EXPECT_EQ(socket->reads(), "") << "nothing more is heard";
    socket->ends_stream();
    EXPECT_EQ(agent.api->streams(), 0u);
    agent.turn();
    EXPECT_EQ(queue->status().ready, 1u);
  }
}

TEST_F(ApiSocket, AnswersItsClientsCloseAfterWhatItHasSettled) {
  agent.publish("orders", "a");
  const auto socket = connects();
  const auto got = hears(socket);
  says(socket, {{"type", "ack"}, {"receipts", {got[0]["receipt"]}}});
  sends(socket, client_frame(Opcode::close, "\x03\xE8"));
  EXPECT_FALSE(socket->is_finished);
  agent.turn();
  const auto frames = server_frames(socket->reads());
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(Json::parse(frames[0].second)["type"], "settled");
  EXPECT_EQ(frames[1], (std::pair<Opcode, std::string>(Opcode::close, "\x03\xE8")));
  EXPECT_TRUE(socket->is_finished);
}

TEST_F(ApiSocket, IsToldWhyItEnds) {
  const auto orphan = connects();
  EXPECT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  agent.turn();
  auto frames = server_frames(orphan->reads());
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(Json::parse(frames[0].second)["type"], "gone");
  EXPECT_EQ(Json::parse(frames[0].second)["code"], "not_found");
  EXPECT_EQ(frames[1].second.substr(0, 2), "\x03\xE8");
  queue = agent.declare("orders");
  const auto last = connects();
  agent.api->close("the agent is ending");
  frames = server_frames(last->reads());
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].second.substr(0, 2), "\x03\xE9");
  EXPECT_FALSE(last->is_finished) << "before its client has heard it";
  sends(last, client_frame(Opcode::ping, "p") + client_frame(Opcode::close, "\x03\xE9"));
  EXPECT_TRUE(last->is_finished);
  EXPECT_EQ(last->reads(), "");
  EXPECT_FALSE(orphan->is_finished);
  agent.clock.advance(seconds(2));
  orphan->wakes();
  EXPECT_TRUE(orphan->is_finished) << "or does not say so";
}

TEST_F(ApiSocket, ReadsNoMoreWhileItsAnswersAreNotRead) {
  const auto socket = connects();
  int pings = 0;
  for (; socket->stream->wants_bytes() && pings < 10'000; ++pings)
    sends(socket, client_frame(Opcode::ping, std::string(125, 'p')));
  EXPECT_LE(pings, 1'000);
  socket->reads();
  EXPECT_TRUE(socket->stream->wants_bytes());
}

TEST_F(ApiSocket, ReadsAcksWhateverMessagesAreUnread) {
  for (int i = 0; i < 400; ++i) agent.publish("orders", std::string(1'000, 'x'));
  const auto socket = connects("?max=1000");
  agent.turn();
  EXPECT_GT(queue->status().ready, 0u) << "it reads too slowly";
  EXPECT_TRUE(socket->stream->wants_bytes()) << "or it could wait for itself";
}

TEST_F(ApiSocket, TellsWhatIsLateAndLetsGoOfIt) {
  agent.publish("orders", "a");
  const auto socket = connects();
  const auto got = hears(socket);
  says(socket, {{"type", "ack"}, {"receipts", {got[0]["receipt"]}}});
  agent.clock.advance(seconds(30));
  socket->wakes();
  const auto frames = server_frames(socket->reads());
  ASSERT_GE(frames.size(), 1u);
  EXPECT_EQ(Json::parse(frames[0].second)["code"], "timed_out");
  EXPECT_TRUE(hears(socket).empty()) << "once";
}

}  // namespace
}  // namespace pannier::http
