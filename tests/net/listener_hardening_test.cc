// Listeners that run out of descriptors, places or certificates.
#include <fcntl.h>
#include <sys/resource.h>

#include "tests/net/net_harness.h"

namespace pannier::net {
namespace {

// No new descriptors while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    ::close(next);
    const rlimit now{static_cast<rlim_t>(next), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class ListenerHardeningTest : public NetTest {};

TEST_P(ListenerHardeningTest, AcceptsOnEveryAddressAgainOnceThereAreDescriptors) {
  addresses = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  listens();
  std::vector<std::unique_ptr<RawClient>> all;
  for (int i = 0; i < 3; ++i) all.push_back(std::make_unique<RawClient>());
  {
    const NoDescriptors for_a_while;
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_TRUE(all[i]->connects(listener->port(), addresses[i].c_str()));
    for (int i = 0; i < 50; ++i) loop.run_ready();
    EXPECT_EQ(listener->connections(), 0u);
  }
  until([&] { return listener->connections() == 3; });
}

TEST_P(ListenerHardeningTest, FindsOnePortThatIsFreeOnAllAddresses) {
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  const rlimit before = descriptors;
  descriptors.rlim_cur = descriptors.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
  std::vector<std::unique_ptr<RawClient>> taken;
  sockaddr_in at{};
  at.sin_family = AF_INET;
  ::inet_pton(AF_INET, "127.0.0.2", &at.sin_addr);
  for (int i = 0; i < 2'000; ++i) {
    taken.push_back(std::make_unique<RawClient>());
    if (::bind(taken.back()->number(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
      break;
  }
  addresses = {"127.0.0.1", "127.0.0.2"};
  for (int i = 0; i < 200 && !HasFatalFailure(); ++i) listens();
  taken.clear();
  ::setrlimit(RLIMIT_NOFILE, &before);
}

INSTANTIATE_TEST_SUITE_P(Over, ListenerHardeningTest, testing::Bool(),
                         [](const auto& with) { return with.param ? "Tls" : "Plain"; });

class TlsListenerHardeningTest : public NetTest {};

TEST_P(TlsListenerHardeningTest, ServesNobodyWhileThereIsNoCertificate) {
  server_context = nullptr;
  listens();
  client_context = nullptr;
  const auto client = dials();
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(servers.count(), 0u);
  EXPECT_EQ(refused, 1);
}

TEST_P(TlsListenerHardeningTest, LetsTheOldestHandshakeMakeRoomWhenAllPlacesAreTaken) {
  listens(3);
  const RawClient mute[3];
  for (const RawClient& one : mute) ASSERT_TRUE(one.connects(listener->port()));
  until([&] { return listener->connections() == 3; });
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  EXPECT_TRUE(mute[0].sees_the_end());
  EXPECT_FALSE(mute[1].sees_the_end());
  EXPECT_EQ(refused, 1);
}

TEST_P(TlsListenerHardeningTest, KeepsFewInTheirHandshakeAndThoseWhoAreThroughItForGood) {
  handshakes_max = 2;
  listens();
  std::vector<std::unique_ptr<Dialled>> good;
  for (std::size_t i = 1; i <= 4; ++i) {
    good.push_back(dials());
    until([&] { return clients.count() == i && servers.count() == i; });
  }
  const RawClient mute[5];
  for (const RawClient& one : mute) ASSERT_TRUE(one.connects(listener->port()));
  until([&] { return refused == 3; });
  EXPECT_EQ(listener->connections(), 6u);
  EXPECT_TRUE(mute[2].sees_the_end());
  EXPECT_FALSE(mute[3].sees_the_end());
  EXPECT_TRUE(closed.empty());
}

INSTANTIATE_TEST_SUITE_P(Over, TlsListenerHardeningTest, testing::Values(true),
                         [](const auto&) { return "Tls"; });

}  // namespace
}  // namespace pannier::net
