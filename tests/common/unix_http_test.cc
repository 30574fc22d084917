#include "common/unix_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace pannier {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr milliseconds kEnough{20'000};

// One connection: what is answered to each of its requests, in pieces; then it is closed.
struct Script {
  std::vector<std::string> answers;
  bool in_bytes = false;
  bool answers_unasked = false;  // before it has read anything
  bool stays_silent = false;     // until the client goes
};

class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<Script> scripts) {
    char pattern[] = "/tmp/pannier-http-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path().data(), path().size());
    EXPECT_EQ(::bind(door_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(door_, 4), 0);
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) serve(script);
    });
  }
  ~ScriptedServer() {
    finish();
    ::close(door_);
    std::filesystem::remove_all(folder_);
  }
  void finish() {
    if (thread_.joinable()) thread_.join();
  }
  std::string path() const { return folder_ + "/server.sock"; }
  std::vector<std::string> heard;  // after finish()

 private:
  void serve(const Script& script) {
    const int client = ::accept(door_, nullptr, nullptr);
    for (const std::string& answer : script.answers) {
      if (!script.answers_unasked) hear(client);
      const std::size_t step = script.in_bytes ? 1 : answer.size();
      for (std::size_t at = 0; at < answer.size(); at += step)
        static_cast<void>(::send(client, answer.data() + at, step, MSG_NOSIGNAL));
    }
    char byte;
    if (script.stays_silent)
      while (::recv(client, &byte, 1, 0) > 0) continue;
    ::close(client);
  }
  void hear(int client) {
    std::string request;
    char bytes[512];
    while (!request.ends_with("\r\n\r\n") && !request.ends_with("body")) {
      const ssize_t got = ::recv(client, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      request.append(bytes, static_cast<std::size_t>(got));
    }
    heard.push_back(std::move(request));
  }

  std::string folder_;
  const int door_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::thread thread_;
};

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

TEST(UnixHttp, SendsWhatItIsToldAndReadsAnAnswerByteByByte) {
  ScriptedServer server({{{ok("hello")}, true}});
  UnixHttp http(server.path());
  const auto answer = http.request({"POST", "/a%2Fb", {{"Content-Type", "x/y"}}, "body"}, kEnough);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->body, "hello");
  server.finish();
  EXPECT_THAT(server.heard,
              ElementsAre("POST /a%2Fb HTTP/1.1\r\nHost: localhost\r\nContent-Type: x/y\r\n"
                          "Content-Length: 4\r\n\r\nbody"));
}

TEST(UnixHttp, OneConnectionServesSeveralRequests) {
  ScriptedServer server({{{ok("one"), ok("two")}}});
  UnixHttp http(server.path());
  EXPECT_EQ(http.request({}, kEnough)->body, "one");
  EXPECT_EQ(http.request({}, kEnough)->body, "two");
}

TEST(UnixHttp, ConnectsAgainWhereTheServerHasClosedOrSaidTooMuch) {
  ScriptedServer server({{{ok("one") + "and more"}}, {{ok("two")}}, {{ok("three")}}});
  UnixHttp http(server.path());
  EXPECT_EQ(http.request({}, kEnough)->body, "one");
  EXPECT_EQ(http.request({}, kEnough)->body, "two");
  EXPECT_EQ(http.request({}, kEnough)->body, "three");
}

TEST(UnixHttp, ARefusalIsHeardWhileTheBodyIsStillBeingSent) {
  ScriptedServer server({{{"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"}, false, true}});
  UnixHttp http(server.path());
  const auto answer = http.request({"POST", "/", {}, std::string(8u << 20, 'x')}, kEnough);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->status, 413);
}

TEST(UnixHttp, AServerThatHangsUpIsAnErrorThatNamesItsSocket) {
  ScriptedServer server({{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}}, {{""}}});
  UnixHttp http(server.path());
  const auto half = http.request({}, kEnough), none = http.request({}, kEnough);
  EXPECT_EQ(half.error().code, Errc::closed);
  EXPECT_THAT(half.error().detail, HasSubstr("closed in the middle of its answer"));
  EXPECT_EQ(none.error().code, Errc::closed);
  EXPECT_THAT(none.error().detail, HasSubstr(server.path()));
}

TEST(UnixHttp, AServerThatIsSlowIsGivenUpAtTheDeadlineOfTheWholeExchange) {
  ScriptedServer server({{{"HTTP/1.1 200 OK\r\nContent-Le"}, true, false, true}, {{ok("x")}}});
  UnixHttp http(server.path());
  EXPECT_EQ(http.request({}, milliseconds(30)).error().code, Errc::timed_out);
  EXPECT_EQ(http.request({}, kEnough)->body, "x") << "on a new connection";
}

TEST(UnixHttp, GarbageIsAnErrorAndEndsTheConnection) {
  ScriptedServer server({{{"SSH-2.0-OpenSSH_9.2\r\n"}, false, false, true}});
  UnixHttp http(server.path());
  const auto answer = http.request({}, kEnough);
  EXPECT_EQ(answer.error().code, Errc::bad_frame);
  EXPECT_THAT(answer.error().detail, HasSubstr(server.path()));
}

TEST(UnixHttp, AnAnswerOverTheLimitIsRefused) {
  ScriptedServer server({{{ok(std::string(100, 'x'))}}});
  UnixHttp http(server.path(), {.body_max = 99});
  EXPECT_EQ(http.request({}, kEnough).error().code, Errc::too_large);
}

TEST(UnixHttp, NobodyThereAndNoPathAtAllAreErrors) {
  EXPECT_EQ(UnixHttp("/nonexistent/x.sock").request({}, kEnough).error().code, Errc::closed);
  EXPECT_EQ(UnixHttp("").request({}, kEnough).error().code, Errc::bad_argument);
  EXPECT_EQ(UnixHttp(std::string(108, 'x')).request({}, kEnough).error().code, Errc::bad_argument);
}

TEST(UnixHttp, ARequestThatWouldBecomeAnotherOneIsNotSent) {
  const auto error_of = [](const HttpRequest& request) {
    return UnixHttp("/nonexistent/x.sock").request(request, kEnough).error().code;
  };
  EXPECT_EQ(error_of({"GET", "/a b", {}, ""}), Errc::bad_argument);
  EXPECT_EQ(error_of({"GET", "/\r\nX: y", {}, ""}), Errc::bad_argument);
  EXPECT_EQ(error_of({"GET", "a", {}, ""}), Errc::bad_argument);
  EXPECT_EQ(error_of({"G T", "/", {}, ""}), Errc::bad_argument);
  EXPECT_EQ(error_of({"GET", "/", {{"A", "b\r\nC: d"}}, ""}), Errc::bad_argument);
  EXPECT_EQ(error_of({"GET", "/", {{"A: b", "c"}}, ""}), Errc::bad_argument);
}

TEST(UnixHttp, PercentEncodesWhateverCouldMeanSomething) {
  EXPECT_EQ(percent_encoded("Az09-._~"), "Az09-._~");
  EXPECT_EQ(percent_encoded("a/b c?#%\xff\n"), "a%2Fb%20c%3F%23%25%FF%0A");
}

}  // namespace
}  // namespace pannier
