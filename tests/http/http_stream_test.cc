// Streams on a connection: their bytes, what has been written of them, and how they end.
#include <gtest/gtest.h>

#include "tests/http/http_harness.h"

namespace pannier::http {
namespace {

using std::chrono::seconds;

class Listener final : public StreamUser {
 public:
  void on_bytes(ByteView bytes) override { heard += as_text(bytes); }
  bool wants_bytes() const override { return wants; }
  void on_written(std::uint64_t bytes) override { written = bytes; }
  void on_end() override { ++ends; }

  std::string heard;
  std::uint64_t written = 0;
  int ends = 0;
  bool wants = true;
};

class HttpStream : public testing::Test {
 protected:
  // Whatever is asked for becomes a stream.
  void opens(unsigned status = 200) {
    agent.handler.the_plan.may_upgrade = true;
    agent.handler.on_handle = [this, status](const ExchangePtr& exchange) {
      exchange->open({status, {{"X-A", "b"}}, {}}, listener);
    };
  }
  const ExchangePtr& exchange() { return agent.handler.exchanges.back(); }

  MemoryDisk disk;
  HttpHarness agent{disk};
  std::shared_ptr<Listener> listener = std::make_shared<Listener>();
};

constexpr std::string_view kUpgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

TEST_F(HttpStream, LeavesInChunksAndTellsWhatIsWritten) {
  opens();
  HttpPeer peer(agent);
  peer.sends(get("/q"));
  const std::string head = peer.gets();
  EXPECT_TRUE(has(head, "HTTP/1.1 200")) << head;
  EXPECT_TRUE(has(head, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(has(head, "Connection: close\r\n"));
  EXPECT_FALSE(has(head, "Content-Length"));
  exchange()->put(Slice::copy_of("hello"));
  exchange()->put(Slice::copy_of(std::string(20, 'x')));
  peer.takes();
  EXPECT_EQ(listener->written, 0u);
  peer.written(2);  // all but the end of the second chunk
  EXPECT_EQ(listener->written, 5u);
  peer.written();
  EXPECT_EQ(listener->written, 25u);
  EXPECT_EQ(peer.gets(), "5\r\nhello\r\n14\r\n" + std::string(20, 'x') + "\r\n");
  exchange()->finish();
  exchange()->put(Slice::copy_of("late"));
  EXPECT_EQ(peer.gets(), "0\r\n\r\n");
  EXPECT_EQ(listener->ends, 1);
  EXPECT_TRUE(peer.is_over());
}

TEST_F(HttpStream, CountsARecordOfTlsAsWrittenOnlyWhenItIsWhole) {
  opens();
  HttpPeer peer(agent, {"test", true, true, ""});
  peer.sends(get("/q")).gets();
  exchange()->put(Slice::copy_of("hello"));
  peer.written(1);
  EXPECT_EQ(listener->written, 0u);
  peer.written();
  EXPECT_EQ(listener->written, 5u);
}

TEST_F(HttpStream, HasNoChunksForHttp10) {
  opens();
  HttpPeer peer(agent);
  peer.sends("GET /q HTTP/1.0\r\n\r\n");
  exchange()->put(Slice::copy_of("hello"));
  exchange()->finish();
  const std::string all = peer.gets();
  EXPECT_FALSE(has(all, "chunked"));
  EXPECT_TRUE(all.ends_with("\r\n\r\nhello")) << all;
  EXPECT_TRUE(peer.is_over());
}

TEST_F(HttpStream, HearsNoOtherRequestAndEndsAFlood) {
  opens();
  HttpPeer peer(agent);
  peer.sends(get("/q") + get("/other"));
  peer.sends(get("/more"));
  EXPECT_EQ(agent.handler.exchanges.size(), 1u);
  EXPECT_EQ(peer.session().read_ahead(), 0u);
  EXPECT_TRUE(peer.session().wants_bytes()) << "its end is to be noticed";
  EXPECT_FALSE(peer.session().on_bytes(Bytes(65u << 10)));
}

TEST_F(HttpStream, WaitsForItsTurn) {
  int requests = 0;
  agent.handler.on_handle = [&](const ExchangePtr& asked) {
    if (++requests == 2) asked->open({200, {}, {}}, listener), asked->put(Slice::copy_of("event"));
  };
  HttpPeer peer(agent);
  peer.sends(get("/q") + get("/stream"));
  EXPECT_EQ(peer.gets(), "");
  agent.handler.exchanges[0]->answer(says("first"));
  const std::string all = peer.gets();
  EXPECT_LT(all.find("first"), all.find("5\r\nevent"));
  EXPECT_EQ(listener->written, 5u);
}

TEST_F(HttpStream, TellsItsUserOnceThatTheClientHasGone) {
  opens();
  HttpPeer peer(agent);
  peer.sends(get("/q")).gets();
  exchange()->put(Slice::copy_of("hello"));
  peer.goes();
  EXPECT_EQ(listener->ends, 1);
  EXPECT_EQ(listener->written, 0u);
  EXPECT_TRUE(exchange()->is_gone());
  exchange()->put(Slice::copy_of("more"));
  exchange()->finish();
  peer.dies();
  EXPECT_EQ(listener->ends, 1);
}

TEST_F(HttpStream, WakesItsUserAndNobodyElseWhileItIsIdle) {
  opens();
  HttpPeer peer(agent);
  peer.sends(get("/q")).gets();
  EXPECT_FALSE(peer.session().deadline()) << "no limit of the session's";
  int woken = 0;
  exchange()->wake_at(agent.clock.now() + seconds(15), [&] { ++woken; });
  EXPECT_EQ(peer.session().deadline(), agent.clock.now() + seconds(15));
  peer.passes(seconds(15));
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(peer.session().deadline());
}

TEST_F(HttpStream, IsOnlyBytesOnceItIsUpgraded) {
  opens(101);
  HttpPeer peer(agent);
  peer.sends(get("/q", kUpgrade) + "early");
  const std::string head = peer.gets();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << head;
  EXPECT_TRUE(has(head, "Connection: Upgrade\r\n")) << head;
  EXPECT_TRUE(has(head, "Upgrade: websocket\r\n"));
  EXPECT_FALSE(has(head, "Content-Length"));
  EXPECT_FALSE(has(head, "chunked"));
  EXPECT_FALSE(has(head, "close"));
  peer.sends(" bird");
  EXPECT_EQ(listener->heard, "early bird");
  exchange()->put(Slice::copy_of("frame"));
  EXPECT_EQ(peer.gets(), "frame");
  listener->wants = false;
  EXPECT_FALSE(peer.session().wants_bytes());
  exchange()->finish();
  EXPECT_EQ(peer.gets(), "");
  EXPECT_TRUE(peer.is_over());
  EXPECT_EQ(listener->ends, 1);
}

TEST_F(HttpStream, UpgradesOnlyWhereItIsPlanned) {
  HttpPeer peer(agent);
  peer.sends(get("/q", kUpgrade));
  EXPECT_EQ(status_in(peer.gets()), 501);
  EXPECT_TRUE(peer.is_over());
  opens(101);
  HttpPeer old(agent);
  old.sends("GET /q HTTP/1.0\r\n" + std::string(kUpgrade) + "\r\n");
  EXPECT_EQ(status_in(old.gets()), 501);
  HttpPeer other(agent);
  other.sends(get("/q", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"));
  EXPECT_EQ(status_in(other.gets()), 501);
  EXPECT_TRUE(agent.handler.exchanges.empty());
}

TEST_F(HttpStream, EndsWithItsListener) {
  opens();
  HttpPeer peer(agent);
  peer.sends(get("/q")).gets();
  agent.context.close_all();
  EXPECT_FALSE(peer.is_over()) << "not before it is finished";
  exchange()->put(Slice::copy_of("last"));
  exchange()->finish();
  EXPECT_EQ(peer.gets(), "4\r\nlast\r\n0\r\n\r\n");
  EXPECT_TRUE(peer.is_over());
}

// A long poll, too, is one timer and nothing else.
TEST_F(HttpStream, LeavesALongPollAloneUntilItsTime) {
  HttpPeer peer(agent);
  peer.sends(get("/q"));
  int woken = 0;
  exchange()->wake_at(agent.clock.now() + seconds(300), [&] { ++woken; });
  peer.rings = 0;
  for (int i = 0; i < 299; ++i) {
    EXPECT_EQ(peer.session().deadline(), agent.clock.now() + seconds(300 - i));
    peer.passes(seconds(1));
  }
  EXPECT_EQ(woken + peer.rings, 0);
  peer.passes(seconds(1));
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace pannier::http
