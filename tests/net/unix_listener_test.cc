#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/net/net_harness.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;

class UnixListener : public testing::Test {
 protected:
  UnixListener() {
    char pattern[] = "/tmp/pannier-door-XXXXXX";
    folder = ::mkdtemp(pattern);
    path = folder + "/control.sock";
  }
  ~UnixListener() override { std::filesystem::remove_all(folder); }

  Result<std::unique_ptr<Listener>> opens(const std::string& at) {
    ListenerOptions options;
    options.socket_path = at;
    options.make_session = [this](const PeerInfo& peer) { return servers.make(peer); };
    return Listener::open(loop, std::move(options));
  }
  void listens() {
    auto opened = opens(path);
    ASSERT_TRUE(opened) << opened.error().detail;
    listener = std::move(*opened);
  }
  bool connects(const RawClient& client) const {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), path.size());
    return ::connect(client.number(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  static int unix_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
  // A socket file on which nobody answers, as a crash leaves it.
  void leaves_a_stale_file() const {
    const RawClient gone(unix_socket());
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    ASSERT_EQ(::bind(gone.number(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  mode_t mode() const {
    struct stat found {};
    EXPECT_EQ(::lstat(path.c_str(), &found), 0);
    return found.st_mode & 07777;
  }
  template <typename Condition>
  void until(Condition&& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      loop.run_ready();
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it never happens";
    }
  }

  std::string folder, path;
  Loop loop;
  TestSessions servers;
  std::unique_ptr<Listener> listener;
};

TEST_F(UnixListener, GivesWhoeverConnectsASessionThatKnowsItIsTheControlSocket) {
  listens();
  const RawClient client(unix_socket());
  ASSERT_TRUE(connects(client));
  until([&] { return servers.count() == 1; });
  EXPECT_TRUE(servers[0].peer.is_control);
  EXPECT_FALSE(servers[0].peer.is_tls);
  EXPECT_EQ(servers[0].peer.certificate_uri, "");
  ASSERT_EQ(::send(client.number(), "hello", 5, 0), 5);
  until([&] { return servers[0].heard == "hello"; });
  servers[0].say("answer");
  char bytes[16];
  ssize_t got = -1;
  until([&] { return (got = ::recv(client.number(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0; });
  EXPECT_EQ(std::string_view(bytes, static_cast<std::size_t>(got)), "answer");
  servers[0].says_goodbye();
  until([&] { return client.sees_the_end(); });
}

TEST_F(UnixListener, APeerOverTcpIsNotTheControlSocket) {
  ListenerOptions options;
  options.addresses = {"127.0.0.1"};
  options.make_session = [this](const PeerInfo& peer) { return servers.make(peer); };
  auto opened = Listener::open(loop, std::move(options));
  ASSERT_TRUE(opened);
  const RawClient client;
  ASSERT_TRUE(client.connects((*opened)->port()));
  until([&] { return servers.count() == 1; });
  EXPECT_FALSE(servers[0].peer.is_control);
  EXPECT_TRUE(servers[0].peer.is_loopback);
  EXPECT_THAT(servers[0].peer.address, HasSubstr("127.0.0.1:"));
}

TEST_F(UnixListener, NobodyButItsOwnerMayOpenTheFile) {
  const mode_t before = ::umask(0);
  listens();
  ::umask(before);
  EXPECT_EQ(mode(), 0600u);
}

TEST_F(UnixListener, ReplacesAFileOnWhichNobodyAnswers) {
  leaves_a_stale_file();
  listens();
  const RawClient client(unix_socket());
  EXPECT_TRUE(connects(client));
}

TEST_F(UnixListener, LeavesASocketAloneOnWhichSomebodyAnswers) {
  listens();
  const auto second = opens(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::bad_config);
  EXPECT_THAT(second.error().detail, HasSubstr(path));
  EXPECT_THAT(second.error().detail, HasSubstr("another process listens there"));
  const RawClient client(unix_socket());
  EXPECT_TRUE(connects(client));
}

TEST_F(UnixListener, LeavesAFileAloneThatIsNoSocket) {
  std::ofstream(path) << "precious";
  const auto opened = opens(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::bad_config);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST_F(UnixListener, TakesItsFileAwayWhenItStops) {
  listens();
  listener->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
  listens();
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(UnixListener, LeavesAFileAloneThatHasTakenThePlaceOfItsOwn) {
  listens();
  std::filesystem::rename(path, path + ".away");
  std::ofstream(path) << "another's";
  listener->stop();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnixListener, APathThatIsTooLongIsAnErrorThatSaysSo) {
  const auto opened = opens(folder + "/" + std::string(120, 'x'));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::bad_config);
  EXPECT_THAT(opened.error().detail, HasSubstr("name a shorter one"));
}

TEST_F(UnixListener, AFolderThatIsNotThereIsAnErrorThatNamesThePath) {
  const auto opened = opens(folder + "/none/control.sock");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr(folder + "/none/control.sock"));
}

}  // namespace
}  // namespace pannier::net
