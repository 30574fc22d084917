#include "sidecar/http/http_session.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/http/http_harness.h"

namespace pannier::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HttpSessionTest : public ::testing::Test {
 protected:
  std::vector<ExchangePtr>& exchanges() { return agent.handler.exchanges; }
  void echo() {
    agent.handler.on_handle = [](const ExchangePtr& exchange) {
      exchange->answer({200, {}, exchange->request().body});
    };
  }

  MemoryDisk disk;
  HttpHarness agent{disk};
};

TEST_F(HttpSessionTest, AnswersWithDateLengthAndServer) {
  HttpPeer peer(agent);
  peer.sends(get("/a%2Fb/c?wait=2%30s&x"));
  ASSERT_EQ(exchanges().size(), 1u);
  const Request& request = exchanges()[0]->request();
  EXPECT_EQ(request.segments, (std::vector<std::string>{"a/b", "c"}));
  EXPECT_EQ(request.parameter("wait"), "20s");
  EXPECT_EQ(request.parameter("x"), "");
  exchanges()[0]->answer({200, {{"X-Mine", "1"}, {"Date", "never"}}, Slice::copy_of("hello")});
  EXPECT_EQ(peer.gets(),
            "HTTP/1.1 200 OK\r\nDate: Mon, 21 Sep 2026 14:13:20 GMT\r\nServer: pannier\r\n"
            "X-Mine: 1\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_FALSE(peer.is_over());
}

TEST_F(HttpSessionTest, TakesRequestsInAnyChunking) {
  echo();
  const std::string all = post("hello") + "\r\n" + get("/b") +
                          "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n" +
                          post("last", "Connection: close\r\n");
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    HttpPeer peer(agent);
    std::string_view rest = all;
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random() % (1 + round));
      peer.sends(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    const std::string got = peer.gets();
    EXPECT_TRUE(has(got, "\r\n\r\nhelloHTTP/1.1 200 OK")) << got;
    EXPECT_TRUE(has(got, "Content-Length: 13\r\n\r\nabc0123456789HTTP/1.1")) << got;
    EXPECT_TRUE(got.ends_with("Connection: close\r\n\r\nlast")) << got;
    EXPECT_TRUE(peer.is_over());
  }
}

TEST_F(HttpSessionTest, AnswersLeaveInTheOrderOfTheirRequests) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2") + get("/3"));
  ASSERT_EQ(exchanges().size(), 3u);
  exchanges()[2]->answer(says("three"));
  exchanges()[1]->answer(says("two"));
  EXPECT_EQ(peer.gets(), "");
  exchanges()[0]->answer(says("one"));
  const std::string got = peer.gets();
  EXPECT_LT(got.find("one"), got.find("two"));
  EXPECT_LT(got.find("two"), got.find("three"));
  EXPECT_GT(peer.rings, 0);
}

TEST_F(HttpSessionTest, IsDoneOnlyWhenAllBytesOfThatAnswerAreWritten) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2"));
  std::vector<std::string> done;
  exchanges()[0]->answer(says("one"), [&](bool whole) { done.push_back(whole ? "1" : "1 lost"); });
  exchanges()[1]->answer(says(std::string(5'000, 'x')),
                         [&](bool whole) { done.push_back(whole ? "2" : "2 lost"); });
  EXPECT_TRUE(done.empty());
  peer.takes();
  EXPECT_TRUE(done.empty());
  peer.written(5'200);
  EXPECT_TRUE(done.empty());
  peer.written(5'000);
  EXPECT_EQ(done, (std::vector<std::string>{"1"}));
  peer.written(1);
  EXPECT_EQ(done.size(), 1u);
  peer.written(0);
  EXPECT_EQ(done, (std::vector<std::string>{"1", "2"}));
  EXPECT_FALSE(exchanges()[1]->is_gone());
}

TEST_F(HttpSessionTest, CountsNoAnswerAsWrittenInATlsRecordThatIsNotWhole) {
  HttpPeer peer(agent, {"test", true, false, ""});
  peer.sends(get("/1") + get("/2"));
  int done = 0;
  for (const auto& exchange : exchanges()) exchange->answer(says("x"), [&](bool) { ++done; });
  peer.written(1);
  EXPECT_EQ(done, 0);
  peer.written(0);
  EXPECT_EQ(done, 2);
}

TEST_F(HttpSessionTest, TellsHandlersOnceWhenTheClientGoes) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2") + get("/3"));
  std::vector<std::string> told;
  exchanges()[0]->answer(says("one"), [&](bool whole) { told.push_back(whole ? "1" : "1 lost"); });
  exchanges()[2]->answer(says("three"),
                         [&](bool whole) { told.push_back(whole ? "3" : "3 lost"); });
  exchanges()[1]->on_gone([&] { told.push_back("2 gone"); });
  EXPECT_TRUE(peer.session().wants_bytes());  // or nobody would notice
  peer.goes();
  EXPECT_EQ(told, (std::vector<std::string>{"1 lost", "2 gone", "3 lost"}));
  EXPECT_TRUE(exchanges()[1]->is_gone());
  exchanges()[1]->answer(says("late"), [&](bool) { told.push_back("late"); });
  exchanges()[1]->wake_at(agent.clock.now(), [&] { told.push_back("woken"); });
  peer.dies();
  exchanges()[1]->put(Slice());
  EXPECT_EQ(told.size(), 3u);
}

TEST_F(HttpSessionTest, StreamsABodyPieceByPiece) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2"));
  int asked = 0;
  bool done = false;
  exchanges()[1]->answer(says("behind"));
  exchanges()[0]->begin(
      {200, {}, {}}, 6, [&] { ++asked; }, [&](bool whole) { done = whole; });
  EXPECT_EQ(asked, 0);
  peer.written();
  EXPECT_EQ(asked, 1);
  peer.written();
  EXPECT_EQ(asked, 1);
  exchanges()[0]->put(Slice::copy_of("abc"));
  peer.written();
  EXPECT_EQ(asked, 2);
  exchanges()[0]->put(Slice());  // nothing yet: asked again, and not out of this call
  EXPECT_EQ(asked, 2);
  peer.passes(milliseconds(1));
  EXPECT_EQ(asked, 3);
  exchanges()[0]->put(Slice::copy_of("def"));
  const std::string got = peer.gets();
  EXPECT_TRUE(has(got, "Content-Length: 6\r\n\r\nabcdefHTTP/1.1 200 OK")) << got;
  EXPECT_TRUE(got.ends_with("behind"));
  EXPECT_TRUE(done);
  EXPECT_EQ(asked, 3);
}

TEST_F(HttpSessionTest, EndsTheConnectionInTheMidstOfABodyThatIsCutOff) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2"));
  std::optional<bool> done;
  exchanges()[0]->begin(
      {200, {}, {}}, 6, [] {}, [&](bool whole) { done = whole; });
  exchanges()[0]->put(Slice::copy_of("abc"));
  exchanges()[0]->cut_off();
  exchanges()[1]->answer(says("behind"));
  EXPECT_TRUE(peer.gets().ends_with("\r\n\r\nabc"));
  EXPECT_TRUE(peer.is_over());
  peer.goes();
  EXPECT_EQ(done, false);
}

TEST_F(HttpSessionTest, NeverSplitsAnAnswer) {
  HttpPeer peer(agent);
  peer.sends(get("/1"));
  std::optional<bool> done;
  exchanges()[0]->answer({200, {{"X-Id", "a\r\nSet-Cookie: b"}}, {}},
                         [&](bool whole) { done = whole; });
  const std::string got = peer.gets();
  EXPECT_EQ(done, false) << "a message that it was to carry is not settled";
  EXPECT_EQ(status_in(got), 500);
  EXPECT_FALSE(has(got, "Set-Cookie"));
}

TEST_F(HttpSessionTest, AnswersHeadWithoutABodyAndNoContentWithoutALength) {
  HttpPeer peer(agent);
  peer.sends("HEAD /q HTTP/1.1\r\nHost: x\r\n\r\n" + get("/2"));
  exchanges()[0]->answer(says("hello"));
  exchanges()[1]->answer({204, {}, {}});
  const std::string got = peer.gets();
  EXPECT_TRUE(has(got, "Content-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n")) << got;
  EXPECT_FALSE(has(got.substr(got.find("204")), "Content-Length"));
}

TEST_F(HttpSessionTest, KeepsAnHttp10ConnectionOnlyWhenAsked) {
  echo();
  HttpPeer once(agent);
  EXPECT_TRUE(has(once.sends("GET / HTTP/1.0\r\n\r\n").gets(), "Connection: close"));
  EXPECT_TRUE(once.is_over());
  HttpPeer kept(agent);
  kept.sends("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(has(kept.gets(), "Connection: keep-alive"));
  EXPECT_FALSE(kept.is_over());
}

TEST_F(HttpSessionTest, AsksForABodyOnlyWhenItIsWanted) {
  HttpPeer peer(agent);
  const std::string head =
      "POST /q HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  peer.sends(get("/1") + head);
  EXPECT_EQ(peer.gets(), "");  // the first is not answered
  exchanges()[0]->answer(says("one"));
  EXPECT_TRUE(peer.gets().ends_with("oneHTTP/1.1 100 Continue\r\n\r\n"));
  peer.sends("hello");
  ASSERT_EQ(exchanges().size(), 2u);
  EXPECT_EQ(exchanges()[1]->request().body.text(), "hello");
  exchanges()[1]->answer(says("two"));
  EXPECT_FALSE(has(peer.gets(), "100 Continue"));
  agent.handler.refuses = Error{Errc::not_found, "no such queue"};
  peer.sends(head);
  const std::string got = peer.gets();
  EXPECT_EQ(status_in(got), 404);
  EXPECT_TRUE(has(got, "Connection: close"));  // or the body would be taken for a request
  EXPECT_TRUE(peer.is_over());
}

TEST_F(HttpSessionTest, RefusesWithoutReadingAndKeepsTheConnectionBehindASmallBody) {
  agent.handler.refuses = Error{Errc::not_found, "no such queue"};
  HttpPeer peer(agent);
  std::string two = post("hello");
  EXPECT_EQ(status_in(peer.sends(two.substr(0, two.size() - 2)).gets()), 404);
  EXPECT_FALSE(peer.is_over());
  agent.handler.refuses.reset();
  peer.sends("lo" + get("/next"));
  EXPECT_EQ(exchanges().size(), 1u);
  HttpPeer large(agent);
  agent.handler.the_plan.body_bytes_max = 1'000;
  EXPECT_EQ(
      status_in(
          large.sends("POST /q HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n").gets()),
      413);
  EXPECT_TRUE(large.is_over());
}

TEST_F(HttpSessionTest, LogsInOnceAConnectionAndNotAgainForTheSameCredentials) {
  agent.handler.the_plan.login = Login::required;
  agent.access.is_later = true;
  HttpPeer peer(agent);
  const std::string with = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n";
  peer.sends(get("/1", with) + get("/2", with) + get("/3", "Authorization: Bearer token\r\n"));
  EXPECT_TRUE(exchanges().empty());
  ASSERT_EQ(agent.access.waiting.size(), 1u);
  agent.access.waiting[0]();
  ASSERT_EQ(exchanges().size(), 2u);
  EXPECT_EQ(exchanges()[1]->principal().name, "guest");
  EXPECT_EQ(exchanges()[1]->request().field("Authorization"), std::nullopt);
  EXPECT_EQ(agent.access.asked, 2);  // other credentials are another question
  peer.dies();
  agent.access.waiting[1]();  // nobody is there any more
  EXPECT_EQ(exchanges().size(), 2u);
}

TEST_F(HttpSessionTest, AsksForCredentialsThatAreMissingOrWrong) {
  agent.handler.the_plan.login = Login::required;
  HttpPeer peer(agent);
  for (const std::string fields :
       {"", "Authorization: Basic Z3Vlc3Q6d3Jvbmc=\r\n", "Authorization: Basic ===\r\n",
        "Authorization: Digest x\r\n", "Authorization: Bearer\r\n"}) {
    const std::string got = peer.sends(get("/1", fields)).gets();
    EXPECT_EQ(status_in(got), 401) << fields;
    EXPECT_TRUE(has(got, "WWW-Authenticate: Basic realm=\"pannier\"\r\n"));
    EXPECT_FALSE(has(got, "wrong\"") || has(got, "Z3V"));
  }
  EXPECT_TRUE(exchanges().empty());
  agent.context.dev_guest = true;
  peer.sends(get("/1"));
  ASSERT_EQ(exchanges().size(), 1u);
  EXPECT_EQ(exchanges()[0]->principal().name, "guest");
  agent.handler.the_plan.login = Login::optional;
  peer.sends(get("/2", "Authorization: Bearer nonsense\r\n"));
  EXPECT_EQ(exchanges().size(), 1u);
}

TEST_F(HttpSessionTest, KnowsOnlyLocalNamesWhereItIsToldTo) {
  agent.context.local_names_only = true;
  const auto status = [&](const std::string& host, const std::string& fields = "",
                          const std::string& target = "/q") {
    echo();
    HttpPeer peer(agent, {"test", false, true, "", "10.1.2.3"});
    return status_in(
        peer.sends("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n")
            .gets());
  };
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:80", "10.1.2.3:80"})
    EXPECT_EQ(status(host), 200) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "[::1].evil", "127.0.0.1.evil",
                           "evil.example:80"})
    EXPECT_EQ(status(host), 403) << host;
  EXPECT_EQ(status("localhost:80", "Origin: http://localhost:3000\r\n"), 200);
  EXPECT_EQ(status("localhost:80", "Origin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status("localhost:80", "Origin: null\r\n"), 403);
  EXPECT_EQ(status("localhost", "", "http://evil.example/q"), 403);
  EXPECT_EQ(status("localhost:80", "Sec-Fetch-Site: cross-site\r\n"), 403);
  EXPECT_EQ(status("localhost:80", "Sec-Fetch-Site: same-site\r\n"), 200);
}

TEST_F(HttpSessionTest, WakesAHandlerUnlessItHasAnswered) {
  HttpPeer peer(agent);
  peer.sends(get("/1") + get("/2"));
  int first = 0, second = 0;
  exchanges()[0]->wake_at(agent.clock.now() + seconds(5), [&] { ++first; });
  exchanges()[1]->wake_at(agent.clock.now() + seconds(5), [&] { ++second; });
  exchanges()[1]->answer(says("two"));
  peer.passes(seconds(4));
  EXPECT_EQ(first, 0);
  peer.passes(seconds(1));
  peer.passes(seconds(60));
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST_F(HttpSessionTest, EndsOnceAllIsAnsweredWhenTheAgentEnds) {
  HttpPeer idle(agent), busy(agent);
  busy.sends(get("/1"));
  agent.context.close_all();
  EXPECT_TRUE(idle.is_over());
  EXPECT_FALSE(busy.is_over());
  busy.sends(get("/2"));
  exchanges()[0]->answer(says("one"));
  EXPECT_TRUE(has(busy.gets(), "Connection: close\r\n\r\none"));
  EXPECT_TRUE(busy.is_over());
  EXPECT_EQ(exchanges().size(), 1u);
}

TEST_F(HttpSessionTest, HandsLargeBodiesToTheSpoolInParts) {
  HttpLimits limits;
  limits.part_bytes = 10'000;
  MemoryDisk other;
  HttpHarness parts(other, limits);
  parts.handler.the_plan = {Login::none, 1u << 20, true};
  HttpPeer peer(parts);
  peer.trickles(post(std::string(10'000, 'a')), 777);
  peer.trickles(post(std::string(25'000, 'b')), 777);
  ASSERT_EQ(parts.handler.exchanges.size(), 2u);
  EXPECT_EQ(parts.handler.exchanges[0]->request().body.size(), 10'000u);
  EXPECT_EQ(parts.handler.exchanges[0]->request().body_id, 0u);
  const Request& large = parts.handler.exchanges[1]->request();
  EXPECT_NE(large.body_id, 0u);
  EXPECT_EQ(large.body_parts, 3u);
  EXPECT_EQ(large.body_size, 25'000u);
  EXPECT_TRUE(large.body.empty());
  const auto body = large.body_id;
  parts.turn();
  std::optional<bool> read;
  parts.spool->read_part(
      body, 2, [&](Result<Slice> part) { read = part && part->text() == std::string(5'000, 'b'); });
  parts.turn();
  EXPECT_EQ(read, true);
  peer.goes();  // nobody took it: it is aborted
  EXPECT_EQ(large.body_id, 0u);
  parts.spool->read_part(body, 0, [&](Result<Slice> part) { read = part.has_value(); });
  parts.turn();
  EXPECT_EQ(read, false);
}

}  // namespace
}  // namespace pannier::http
