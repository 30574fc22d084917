// Clients that mean harm: smuggling, floods, slowness, and going at every moment.
#include <gtest/gtest.h>

#include "common/log.h"
#include "sidecar/http/target.h"
#include "tests/http/http_harness.h"

namespace pannier::http {
namespace {

using std::chrono::seconds;

class HttpHardening : public ::testing::Test {
 protected:
  // The answer's status; the connection has to end, and the handler must not have been asked.
  int refusal_of(std::string_view bytes) {
    const std::size_t before = agent.handler.exchanges.size();
    std::optional<int> status;
    for (const std::size_t size : {bytes.size(), std::size_t{1}}) {
      HttpPeer peer(agent);
      const std::string got = peer.trickles(bytes, size).gets();
      EXPECT_TRUE(peer.is_over()) << bytes;
      EXPECT_TRUE(has(got, "application/problem+json")) << bytes;
      EXPECT_TRUE(has(got, "Connection: close")) << bytes;
      EXPECT_TRUE(!status || *status == status_in(got)) << bytes << got;
      status = status_in(got);
    }
    EXPECT_EQ(agent.handler.exchanges.size(), before) << bytes;
    return *status;
  }
  static std::string with(const std::string& fields, const std::string& body = "") {
    return "POST /q HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body;
  }

  MemoryDisk disk;
  HttpHarness agent{disk};
};

// Whoever may connect could fill the log's disk.
TEST_F(HttpHardening, WritesFewLinesOfManyRefusals) {
  std::size_t lines = 0;
  log::set_sink([&lines](std::string_view) { ++lines; });
  agent.handler.the_plan.login = Login::required;
  for (int i = 0; i < 200; ++i) {
    HttpPeer bad(agent);
    bad.sends("no request\r\n\r\n");
    HttpPeer unknown(agent);
    unknown.sends(get("/1", "Authorization: Bearer nonsense\r\n"));
  }
  log::set_sink({});
  EXPECT_LT(lines, 200u) << "of 400";
}

TEST_F(HttpHardening, RefusesWhatTwoReadersWouldUnderstandDifferently) {
  const std::string smuggled = get("/smuggled");
  for (const std::string& fields :
       std::vector<std::string>{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                                "Content-Length: 5\r\nContent-Length: 6\r\n",
                                "Content-Length: 5\r\nContent-Length: 5\r\n",
                                "Content-Length: 5, 5\r\n",
                                "Content-Length: +5\r\n",
                                "Content-Length: 0x5\r\n",
                                "Content-Length: -1\r\n",
                                "Content-Length:\r\n",
                                "Content-Length: 99999999999999999999\r\n",
                                "Content-Length : 5\r\n",
                                "Transfer-Encoding : chunked\r\n",
                                "Transfer-Encoding: chunked, identity\r\n",
                                "Transfer-Encoding: gzip, chunked\r\n",
                                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                                "Transfer-Encoding:\r\n",
                                "X: a\r\n Transfer-Encoding: chunked\r\n",
                                "X: a\r\n\tfolded\r\n",
                                " X: a\r\n",
                                "X: a\nTransfer-Encoding: chunked\r\n",
                                "X: a\rTransfer-Encoding: chunked\r\n",
                                "X\r\n",
                                ": a\r\n",
                                "X: \x01\r\n",
                                "Host: y\r\n"})
    EXPECT_EQ(refusal_of(with(fields, "0\r\n\r\n" + smuggled)), 400) << fields;
  EXPECT_EQ(refusal_of(with(std::string("X: a\0b\r\n", 8))), 400);
  EXPECT_EQ(refusal_of(with("Transfer-Encoding: identity\r\n")), 501);
  EXPECT_EQ(refusal_of(with("Transfer-Encoding: xchunked\r\n")), 501);
  EXPECT_EQ(refusal_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST_F(HttpHardening, RefusesRequestLinesThatAreNone) {
  for (const std::string line :
       {"GET /", "GET  / HTTP/1.1", "GET /a b HTTP/1.1", "G@T / HTTP/1.1", "GET / HTTP/1.1 ",
        "GET / http/1.1", " GET / HTTP/1.1", "GET /%zz HTTP/1.1", "GET /%00 HTTP/1.1",
        "GET /%c3%28 HTTP/1.1", "GET q HTTP/1.1", "GET * HTTP/1.1", "GET /a#b HTTP/1.1",
        "GET /\xc3\xa9 HTTP/1.1", "GET /%4 HTTP/1.1"})
    EXPECT_EQ(refusal_of(line + "\r\nHost: x\r\n\r\n"), 400) << line;
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(refusal_of("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of(get("/", "Upgrade: websocket\r\nConnection: upgrade\r\n")), 501);
  EXPECT_EQ(refusal_of(get("/", "Expect: a miracle\r\n")), 417);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\n"), 400);
  EXPECT_EQ(refusal_of("\x16\x03\x01\x02\n"), 400);
}

TEST_F(HttpHardening, BoundsHeads) {
  EXPECT_EQ(refusal_of(get("/" + std::string(9'000, 'a'))), 414);
  EXPECT_EQ(refusal_of("GET /" + std::string(20'000, 'a')), 414);
  EXPECT_EQ(refusal_of(get("/", "X: " + std::string(20'000, 'a') + "\r\n")), 431);
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X: \r\n";
  EXPECT_EQ(refusal_of(get("/", many)), 431);
}

TEST_F(HttpHardening, RefusesBadAndEndlessChunks) {
  const auto chunked = [](const std::string& body) {
    return with("Transfer-Encoding: chunked\r\n", body);
  };
  for (const std::string body :
       {"x\r\n", "-1\r\n\r\n", "5\r\nhelloXYZ\r\n", "FFFFFFFFFFFFFFFFF\r\nab",
        "5;\x01\r\nhello\r\n", "0\r\nX : a\r\n\r\n", "\r\n\r\n", "5\nhello\r\n", "5 \r\nhello\r\n",
        "0\n\n"})
    EXPECT_EQ(refusal_of(chunked(body)), 400) << body;
  EXPECT_EQ(refusal_of(chunked("5;" + std::string(20'000, 'a'))), 431);
  EXPECT_EQ(refusal_of(chunked("0\r\nX: " + std::string(20'000, 'a'))), 431);
  std::string extended;
  for (int i = 0; i < 2'000; ++i) extended += "1;ext=" + std::string(20, 'a') + "\r\nx\r\n";
  EXPECT_EQ(refusal_of(chunked(extended)), 431);
  agent.handler.the_plan.body_bytes_max = 1'000;
  HttpPeer peer(agent);
  peer.sends(chunked(""));
  for (int i = 0; i < 20; ++i) peer.sends("64\r\n" + std::string(100, 'a') + "\r\n");
  EXPECT_EQ(status_in(peer.gets()), 413);
  EXPECT_TRUE(peer.is_over());
  EXPECT_EQ(agent.context.incomplete.used(), 0u);
}

TEST_F(HttpHardening, HoldsBackAFloodOfPipelinedRequests) {
  HttpPeer peer(agent);
  const std::string one = get("/1");
  std::size_t sent = 0;
  while (peer.session().wants_bytes() && sent < 10'000) peer.sends(one), ++sent;
  EXPECT_LT(sent, 10'000u);
  EXPECT_EQ(agent.handler.exchanges.size(), agent.context.limits.pipelined);
  EXPECT_LE(peer.session().read_ahead(), agent.context.limits.pipelined_bytes + one.size());
  for (std::size_t i = 0; i < agent.handler.exchanges.size(); ++i) {
    const std::size_t before = agent.handler.exchanges.size();
    agent.handler.exchanges[i]->answer(says("ok"));
    EXPECT_EQ(agent.handler.exchanges.size(), before);  // not out of its own call
    peer.gets();
  }
  EXPECT_EQ(agent.handler.exchanges.size(), sent);
  EXPECT_TRUE(peer.session().wants_bytes());
}

TEST_F(HttpHardening, AsksNoMoreOfHandlersWhileAnswersAreNotTaken) {
  agent.handler.on_handle = [](const ExchangePtr& exchange) {
    exchange->answer(says(std::string(600'000, 'x')));
  };
  HttpPeer peer(agent);
  for (int i = 0; i < 10; ++i) peer.sends(get("/1"));
  EXPECT_EQ(agent.handler.exchanges.size(), 2u);
  peer.gets();
  EXPECT_EQ(agent.handler.exchanges.size(), 10u);
}

TEST_F(HttpHardening, CutsOffTheSlow) {
  HttpPeer idle(agent);
  idle.sends(get("/1"));
  idle.passes(seconds(1'000));
  EXPECT_FALSE(idle.is_over());  // it waits for us
  agent.handler.exchanges[0]->answer(says("one"));
  idle.gets();
  idle.passes(seconds(179));
  EXPECT_FALSE(idle.is_over());
  idle.passes(seconds(1));
  EXPECT_TRUE(idle.is_over());
  EXPECT_EQ(idle.gets(), "");

  HttpPeer head(agent);
  for (const char c : std::string_view("GET / HTT")) {
    EXPECT_FALSE(head.is_over());
    head.sends({&c, 1}).passes(std::chrono::milliseconds(1'200));
  }
  EXPECT_EQ(status_in(head.gets()), 408);
  EXPECT_TRUE(head.is_over());

  agent.handler.the_plan.body_bytes_max = 1u << 20;
  HttpPeer body(agent);
  body.sends(with("Content-Length: 100000\r\n"));
  for (int i = 0; i < 5; ++i) {
    body.passes(seconds(29)).sends(std::string(1'024, 'a'));
    EXPECT_FALSE(body.is_over());
  }
  for (int i = 0; i < 30; ++i) body.passes(seconds(1)).sends("a");
  EXPECT_EQ(status_in(body.gets()), 408);
  EXPECT_TRUE(body.is_over());
}

TEST_F(HttpHardening, RefusesBodiesBeyondTheBudgetAndGivesItBack) {
  HttpLimits limits;
  limits.incomplete_bytes = 100'000;
  MemoryDisk other;
  HttpHarness small(other, limits);
  const std::string body(40'000, 'a');
  HttpPeer first(small), second(small), third(small);
  first.sends(post(body));
  second.sends(post(body));
  ASSERT_EQ(small.handler.exchanges.size(), 2u);
  const std::string got = third.sends(post(body)).gets();
  EXPECT_EQ(status_in(got), 429);
  EXPECT_TRUE(has(got, "Retry-After: 1\r\n"));
  EXPECT_FALSE(third.is_over());
  small.handler.exchanges[0]->answer(says("done"));
  third.sends(post(body));
  EXPECT_EQ(small.handler.exchanges.size(), 3u);
  second.goes();
  third.dies();
  EXPECT_EQ(small.context.incomplete.used(), 0u);
}

TEST_F(HttpHardening, ClosesAtEveryMomentWithoutALeftover) {
  agent.handler.the_plan = {Login::required, 1u << 20, true};
  agent.access.is_later = true;
  agent.context.limits.part_bytes = 50;
  const std::string all = post(std::string(200, 'a'), "Authorization: Bearer token\r\n") +
                          get("/2", "Authorization: Bearer token\r\n");
  for (std::size_t size = 0; size <= all.size(); ++size) {
    agent.access.waiting.clear();
    int gone = 0;
    const std::size_t before = agent.handler.exchanges.size();
    agent.handler.on_handle = [&](const ExchangePtr& exchange) {
      exchange->on_gone([&gone] { ++gone; });
    };
    HttpPeer peer(agent);
    peer.sends(all.substr(0, size));
    if (size % 2 == 0)
      for (const auto& answer : std::exchange(agent.access.waiting, {})) answer();
    peer.goes();
    EXPECT_EQ(static_cast<std::size_t>(gone), agent.handler.exchanges.size() - before);
    if (size % 3 == 0) peer.dies();
    for (const auto& answer : agent.access.waiting) answer();
    agent.turn();
  }
  EXPECT_EQ(agent.context.incomplete.used(), 0u);
  EXPECT_TRUE(agent.context.sessions().empty());
}

TEST_F(HttpHardening, StopsReadingWhileTheSpoolIsBusyAndGoesOnWithRoom) {
  agent.handler.the_plan = {Login::none, 64u << 20, true};
  agent.context.limits.part_bytes = 100'000;  // for the small segments of tests
  HttpPeer peer(agent);
  const std::string chunk(200'000, 'a');
  const std::size_t chunks = 100;  // more than the journal may hold unwritten
  peer.sends(with("Content-Length: " + std::to_string(chunk.size() * chunks) + "\r\n"));
  std::size_t sent = 0;
  while (peer.session().wants_bytes() && sent < chunks) peer.sends(chunk), ++sent;
  ASSERT_LT(sent, chunks);
  EXPECT_LE(agent.context.incomplete.used(), agent.context.limits.part_bytes);
  peer.passes(seconds(600));
  EXPECT_FALSE(peer.is_over());  // the wait is ours
  for (int i = 0; i < 1'000 && sent < chunks; ++i) {
    agent.turn();
    while (peer.session().wants_bytes() && sent < chunks) peer.sends(chunk), ++sent;
  }
  agent.turn();
  ASSERT_EQ(agent.handler.exchanges.size(), 1u) << sent << peer.gets();
  EXPECT_EQ(agent.handler.exchanges[0]->request().body_size, chunk.size() * chunks);
}

}  // namespace
}  // namespace pannier::http
