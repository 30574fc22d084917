#include "sidecar/drain_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace pannier {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Answers one connection, once it has heard a whole request.
class FakeAgent {
 public:
  FakeAgent() {
    char pattern[] = "/tmp/pannier-drain-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path().data(), path().size());
    EXPECT_EQ(::bind(door_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(door_, 4), 0);
  }
  ~FakeAgent() {
    if (thread_.joinable()) thread_.join();
    ::close(door_);
    std::filesystem::remove_all(folder_);
  }
  void answers(std::string answer) {
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int client = ::accept(door_, nullptr, nullptr);
      char bytes[512];
      while (heard.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(client, bytes, sizeof bytes, 0);
        if (got <= 0) break;
        heard.append(bytes, static_cast<std::size_t>(got));
      }
      for (const char each : answer) static_cast<void>(::send(client, &each, 1, MSG_NOSIGNAL));
      ::close(client);
    });
  }
  void is_heard() { thread_.join(); }
  std::string path() const { return folder_ + "/control.sock"; }
  std::string heard;

 private:
  std::string folder_;
  const int door_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::thread thread_;
};

TEST(DrainClient, AsksOnceAndIsContentWithAnAcceptance) {
  FakeAgent agent;
  agent.answers("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  const auto asked = ask_to_drain(agent.path());
  EXPECT_TRUE(asked) << asked.error().detail;
  agent.is_heard();
  EXPECT_TRUE(agent.heard.starts_with("POST /drain HTTP/1.1\r\nHost: "));
}

TEST(DrainClient, AnyOtherAnswerIsAnErrorThatShowsIt) {
  FakeAgent agent;
  agent.answers("HTTP/1.1 403 Forbidden\r\n\r\n");
  const auto asked = ask_to_drain(agent.path());
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Errc::access_denied);
  EXPECT_THAT(asked.error().detail, HasSubstr("403 Forbidden"));
}

TEST(DrainClient, AnAgentThatHangsUpIsAnError) {
  FakeAgent agent;
  agent.answers("HTTP/1.1 2");
  const auto asked = ask_to_drain(agent.path());
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Errc::closed);
}

TEST(DrainClient, AnAgentThatSaysNothingIsGivenUp) {
  const FakeAgent agent;
  const auto asked = ask_to_drain(agent.path(), milliseconds(20));
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Errc::timed_out);
}

TEST(DrainClient, NobodyThereIsAnErrorThatNamesTheSocket) {
  const auto asked = ask_to_drain("/nonexistent/control.sock");
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code, Errc::closed);
  EXPECT_THAT(asked.error().detail, HasSubstr("/nonexistent/control.sock"));
  EXPECT_EQ(ask_to_drain(std::string(200, 'x')).error().code, Errc::bad_argument);
}

}  // namespace
}  // namespace pannier
