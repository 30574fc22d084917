// Connections over real sockets on loopback, both ends on one loop that is run by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/net/net_harness.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;

TEST_P(NetTest, CarriesBytesBothWays) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  clients[0].say("hello");
  until([&] { return servers[0].heard == "hello"; });
  servers[0].say("you too");
  until([&] { return clients[0].heard == "you too"; });
  EXPECT_THAT(servers[0].peer.address, HasSubstr("127.0.0.1:"));
  EXPECT_TRUE(servers[0].peer.is_loopback);
  EXPECT_EQ(servers[0].peer.is_tls, GetParam());
}

TEST_P(NetTest, CarriesMoreThanTheKernelTakesAtOnceInOrder) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  std::string expected;
  for (int i = 0; i < 3'000; ++i) {
    const std::string piece(static_cast<std::size_t>(1 + i * 7 % 9'000),
                            static_cast<char>('a' + i % 26));
    expected += piece;
    clients[0].output().put(Slice::copy_of(piece));
  }
  clients[0].say("");
  until([&] { return servers[0].heard.size() == expected.size(); });
  EXPECT_TRUE(servers[0].heard == expected);
  EXPECT_EQ(clients[0].unsent, 0u);
}

TEST_P(NetTest, ReadsNoMoreThanTheSessionWants) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  servers[0].wants = false;
  servers[0].say("");  // it is looked at anew
  for (int i = 0; i < 10; ++i) loop.run_ready();
  const std::size_t much = 64u << 20;
  clients[0].output().put(Slice::copy_of(std::string(much, 'x')));
  clients[0].say("");
  for (int i = 0; i < 1'000; ++i) loop.run_ready();
  EXPECT_LE(servers[0].heard.size(), ConnectionLimits{}.read_bytes_per_turn);
  EXPECT_GT(clients[0].unsent, 0u);
  servers[0].wants = true;
  servers[0].say("");
  until([&] { return servers[0].heard.size() == much; });
}

TEST_P(NetTest, SendsEverythingBeforeItCloses) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  const std::size_t much = 8u << 20;
  servers[0].output().put(Slice::copy_of(std::string(much, 'x')));
  servers[0].says_goodbye();
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(clients[0].heard.size(), much);
  EXPECT_TRUE(clients[0].is_closed);
  until([&] { return listener->connections() == 0; });
}

TEST_P(NetTest, TellsTheSessionThatThePeerHasGone) {
  listens();
  auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  client.reset();
  EXPECT_TRUE(clients.gone(0));
  until([&] { return servers.gone(0); });
  EXPECT_EQ(listener->connections(), 0u);
  EXPECT_TRUE(closed.empty()) << "whoever closes it knows";
}

TEST_P(NetTest, ClosesWhoeverComesBeyondTheLimit) {
  listens(2);
  const auto first = dials(), second = dials();
  until([&] { return servers.count() == 2; });
  const auto third = dials();
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(servers.count(), 2u);
}

TEST_P(NetTest, WakesTheSessionAtItsDeadline) {
  listens();
  const auto client = dials();
  until([&] { return servers.count() == 1; });
  servers[0].wakes_at = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  servers[0].say("");
  until([&] { return servers[0].woken > 0; });
  EXPECT_FALSE(servers[0].woken_early);
}

TEST_P(NetTest, CutsOffAPeerThatTakesNothing) {
  ConnectionLimits limits;
  limits.write_stall = std::chrono::milliseconds(30);
  listens(10, limits);
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  clients[0].wants = false;
  clients[0].say("");
  servers[0].output().put(Slice::copy_of(std::string(64u << 20, 'x')));
  servers[0].say("");
  until([&] { return servers.gone(0); });
}

TEST_P(NetTest, EndsTheConnectionWhenTheSessionFails) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  servers[0].fails = true;
  clients[0].say("anything");
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(clients[0].heard, "sorry");
}

TEST_P(NetTest, SaysWhyADialFailed) {
  listens();
  const std::uint16_t port = listener->port();
  listener.reset();
  ConnectionOptions options;
  options.make_session = [this](const PeerInfo& peer) { return clients.make(peer); };
  options.on_closed = [this](const Error& why) { closed.push_back(why); };
  const auto client = dial(loop, "127.0.0.1", port, options);
  until([&] { return closed.size() == 1; });
  EXPECT_THAT(closed[0].detail, HasSubstr("refused"));
  const auto other = dial(loop, "somewhere", port, options);
  until([&] { return closed.size() == 2; });
  EXPECT_THAT(closed[1].detail, HasSubstr("'somewhere' is no IP address"));
}

TEST_P(NetTest, SaysWhichAddressItCannotListenOn) {
  listens();
  ListenerOptions options;
  options.addresses = {"127.0.0.1"};
  options.port = listener->port();
  const auto second = Listener::open(loop, options);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, HasSubstr("127.0.0.1 port"));
  options.addresses = {"localhost"};
  EXPECT_THAT(Listener::open(loop, options).error().detail, HasSubstr("'localhost'"));
}

TEST_P(NetTest, ListensOnBothProtocolsOfLoopback) {
  ListenerOptions options;
  options.addresses = {"127.0.0.1", "::1"};
  options.make_session = [this](const PeerInfo& peer) { return servers.make(peer); };
  auto opened = Listener::open(loop, std::move(options));
  if (!opened && opened.error().detail.find("::1") != std::string::npos)
    GTEST_SKIP() << "no IPv6 here";
  listener = std::move(*opened);
  ConnectionOptions from;
  from.make_session = [this](const PeerInfo& peer) { return clients.make(peer); };
  const auto client = dial(loop, "::1", listener->port(), from);
  until([&] { return servers.count() == 1; });
  EXPECT_THAT(servers[0].peer.address, HasSubstr("[::1]:"));
}

TEST_P(NetTest, EndsATurnAfterWhatCameInIt) {
  listens();
  const auto client = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  int turns = 0;
  std::string seen;
  loop.set_end_of_turn([&] {
    if (!std::exchange(seen, servers[0].heard).empty() || seen.empty()) return;
    ++turns;
    servers[0].say("in the same turn");
  });
  clients[0].say("question");
  until([&] { return clients[0].heard == "in the same turn"; });
  EXPECT_EQ(seen, "question");
  EXPECT_EQ(turns, 1);
  loop.set_end_of_turn({});
}

INSTANTIATE_TEST_SUITE_P(Over, NetTest, testing::Bool(),
                         [](const auto& with) { return with.param ? "Tls" : "Plain"; });

TEST_P(TlsNetTest, KnowsThePodAtTheOtherEnd) {
  const Papers peer = office.peer("7");
  server_context = context_of({.chain = peer.chain,
                               .key = peer.key,
                               .roots = root,
                               .client_certificate = ClientCertificate::required});
  client_context =
      context_of({.role = TlsRole::client, .chain = peer.chain, .key = peer.key, .roots = root});
  listens();
  const auto client = dials_pod("7");
  until([&] { return servers.count() == 1 && clients.count() == 1; });
  EXPECT_EQ(servers[0].peer.certificate_uri, Office::uri("7"));
  EXPECT_EQ(clients[0].peer.certificate_uri, Office::uri("7"));
  const auto other = dials_pod("8");
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(closed[0].code, Errc::not_authenticated);
}

TEST_P(TlsNetTest, ServesNobodyWhoSpeaksPlain) {
  listens();
  client_context = nullptr;
  const auto client = dials();
  until([&] { return clients.count() == 1; });
  clients[0].say("GET / HTTP/1.1\r\n\r\n");
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(servers.count(), 0u);
}

TEST_P(TlsNetTest, CutsOffWhoeverDoesNotShakeHands) {
  ConnectionLimits limits;
  limits.handshake = std::chrono::milliseconds(20);
  listens(10, limits);
  client_context = nullptr;
  const auto client = dials();
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(servers.count(), 0u);
}

TEST_P(TlsNetTest, ShowsANewCertificateWithoutDroppingOldConnections) {
  listens();
  const auto first = dials();
  until([&] { return clients.count() == 1 && servers.count() == 1; });
  const Office later(system_clock(), "later");
  const Papers renewed = later.server();
  server_context = context_of({.chain = renewed.chain, .key = renewed.key});
  const std::string both = root + later.root();
  client_context = context_of({.role = TlsRole::client, .roots = both});
  const auto second = dials();
  until([&] { return clients.count() == 2 && servers.count() == 2; });
  clients[0].say("still here");
  until([&] { return servers[0].heard == "still here"; });
  client_context = context_of({.role = TlsRole::client, .roots = root});
  const auto third = dials();
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(closed[0].code, Errc::not_authenticated) << "it was shown the new one";
}

INSTANTIATE_TEST_SUITE_P(Over, TlsNetTest, testing::Values(true),
                         [](const auto&) { return "Tls"; });

}  // namespace
}  // namespace pannier::net
