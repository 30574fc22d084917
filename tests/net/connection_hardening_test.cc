// Sessions that do what is rude, peers that do what is worse, and what a connection makes of it.
#include <malloc.h>

#include "sidecar/net/loop_impl.h"
#include "tests/net/net_harness.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;

class ConnectionHardeningTest : public NetTest {
 protected:
  void meets() {
    listens();
    first_ = dials();
    until([&] { return clients.count() == 1 && servers.count() == 1; });
  }
  void client_goes() { first_.reset(); }
  void turns(int count = 50) {
    for (int i = 0; i < count; ++i) loop.run_ready();
  }

 private:
  std::unique_ptr<Dialled> first_;
};

TEST_P(ConnectionHardeningTest, AsksForNoOtherSessionWhenTheSessionClosesItsConnection) {
  meets();
  servers[0].on_heard = [&] { listener->close_all(); };
  clients[0].output().put(Slice::copy_of(std::string(1u << 20, 'x')));
  clients[0].say("");
  until([&] { return closed.size() == 1; });
  turns();
  EXPECT_EQ(servers.count(), 1u);
}

TEST_P(ConnectionHardeningTest, SurvivesASessionThatClosesItsConnectionAtEveryTurnOfItsLife) {
  meets();
  servers[0].on_sent = [&] { listener->close_all(); };
  servers[0].output().put(Slice::copy_of(std::string(1u << 20, 'x')));
  servers[0].says_goodbye();
  until([&] { return closed.size() == 1; });
  EXPECT_TRUE(servers[0].is_closed);
  const auto second = dials();
  until([&] { return clients.count() == 2 && servers.count() == 2; });
  servers[1].on_closed = [&] { listener->close_all(), listener.reset(), servers[1].say("late"); };
  clients[1].says_goodbye();
  until([&] { return servers.gone(1); });
  turns();
}

TEST_P(ConnectionHardeningTest, SurvivesTheEndOfItsDialWithinItsOwnLastCall) {
  listens();
  std::unique_ptr<Dialled> client;
  bool is_told = false;
  ConnectionOptions options;
  options.make_session = [this](const PeerInfo& peer) { return clients.make(peer); };
  options.on_closed = [&](const Error&) { client.reset(), is_told = true; };
  if (GetParam()) options.tls = client_context;
  options.tls_server.host = "localhost";
  client = dial(loop, "127.0.0.1", listener->port(), std::move(options));
  until([&] { return servers.count() == 1; });
  listener->close_all();
  until([&] { return is_told; });
}

TEST_P(ConnectionHardeningTest, DoesNotSpinForADeadlineThatDoesNotMove) {
  meets();
  servers[0].stays_late = true;
  servers[0].wakes_at = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  servers[0].on_heard = [&] { servers[0].stays_late = false; };
  servers[0].say("");
  for (int i = 0; i < 1'000; ++i) {
    loop.impl().io.poll_one();
    loop.impl().end_turn();
  }
  EXPECT_GE(servers[0].woken, 1);
  EXPECT_LE(servers[0].woken, 500);
  servers[0].wakes_at.reset();
}

TEST_P(ConnectionHardeningTest, LeavesTheLoopToOthersHoweverMuchItHasToSay) {
  meets();
  int sent = 0;
  servers[0].on_sent = [&] {
    if (++sent < 20'000) servers[0].output().put(as_bytes("x"));
  };
  servers[0].say("x");
  int sent_before = -1;
  loop.post([&] { sent_before = sent; });
  until([&] { return sent_before >= 0; });
  EXPECT_LE(sent_before, 500);
  until([&] { return clients[0].heard.size() == 20'000; });
}

// Whoever settles by sending would lose it; the kernel takes it all the same.
TEST_P(ConnectionHardeningTest, TakesNothingForSentThatAPeerWhoHasGoneIsTold) {
  meets();
  turns();
  servers[0].wants = false;  // nor does it read that the peer has gone
  bool is_sent = false;
  servers[0].on_sent = [&] { is_sent = true; };
  client_goes();
  turns();
  servers[0].say("too late");
  until([&] { return servers[0].is_closed; });
  EXPECT_FALSE(is_sent);
}

TEST_P(ConnectionHardeningTest, HearsNothingOnceItWantsNothing) {
  meets();
  turns();
  servers[0].wants = false;
  clients[0].say("unwanted");
  turns();
  EXPECT_EQ(servers[0].heard, "");
  servers[0].wants = true;
  servers[0].say("");
  until([&] { return servers[0].heard == "unwanted"; });
}

TEST_P(ConnectionHardeningTest, IsHeardToTheEndByAPeerThatIsStillTalking) {
  meets();
  servers[0].fails = true;
  clients[0].output().put(Slice::copy_of(std::string(32u << 20, 'x')));
  clients[0].say("");
  until([&] { return closed.size() == 1; });
  EXPECT_THAT(clients[0].heard, testing::StartsWith("sorry"));
}

TEST_P(ConnectionHardeningTest, SaysAllThatIsUnderWayBeforeItEndsForAnError) {
  meets();
  clients[0].wants = false;
  clients[0].say("");
  const std::size_t much = 16u << 20;
  servers[0].output().put(Slice::copy_of(std::string(much, 'x')));
  servers[0].say("");
  turns();
  servers[0].fails = true;
  clients[0].say("wrong");
  until([&] { return servers.gone(0) || !servers[0].heard.empty(); });
  clients[0].wants = true;
  clients[0].say("");
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(clients[0].heard.size(), much + 5);
}

TEST_P(ConnectionHardeningTest, IsNotCutOffByWhatItsSessionSaysAfterItsGoodbye) {
  meets();
  clients[0].wants = false;
  clients[0].say("");
  servers[0].output().put(as_bytes("last words"));
  servers[0].says_goodbye();
  turns();
  if (servers[0].session != nullptr) servers[0].say("and another thing");
  turns();
  clients[0].wants = true;
  clients[0].say("");
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(clients[0].heard, "last words");
  EXPECT_THAT(closed[0].detail, HasSubstr("the peer has closed"));
}

TEST_P(ConnectionHardeningTest, HasOneSessionCloseOthersWithinItsEnd) {
  listens();
  std::vector<std::unique_ptr<Dialled>> all;
  for (int i = 0; i < 8; ++i) all.push_back(dials());
  until([&] { return clients.count() == 8 && servers.count() == 8; });
  for (std::size_t i = 0; i < 8; ++i) {
    clients[i].on_closed = [&all] { std::exchange(all, {}).clear(); };
    servers[i].on_closed = [this] { listener->close_all(); };
    servers[i].on_gone = [this] { listener->close_all(); };
  }
  std::exchange(all.back(), nullptr).reset();
  until([&] { return listener->connections() == 0; });
  turns();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(servers[i].session, nullptr) << i;
}

TEST_P(ConnectionHardeningTest, LetsASessionsDestructorCloseOtherConnections) {
  listens();
  std::vector<std::unique_ptr<Dialled>> all;
  for (int i = 0; i < 8; ++i) all.push_back(dials());
  until([&] { return clients.count() == 8 && servers.count() == 8; });
  for (std::size_t i = 0; i < 8; ++i)
    clients[i].on_gone = [&all, i] { all[(i + 1) % 8].reset(), all[(i + 2) % 8].reset(); };
  all[0].reset();
  until([&] { return listener->connections() == 0; });
  turns();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(clients[i].session, nullptr) << i;
}

TEST_P(ConnectionHardeningTest, LeavesNothingBehindWhenTheLoopGoes) {
  TestSessions served;
  {
    Loop other;
    ListenerOptions options;
    options.addresses = {"127.0.0.1"};
    options.make_session = [&](const PeerInfo& peer) { return served.make(peer); };
    auto open = Listener::open(other, std::move(options));
    ASSERT_TRUE(open);
    const RawClient client;
    ASSERT_TRUE(client.connects((*open)->port()));
    while (served.count() == 0) other.run_ready();
    served[0].wakes_at = std::chrono::steady_clock::now() + std::chrono::hours(1);
    served[0].on_gone = [&] { EXPECT_FALSE(served[0].is_closed) << "whom would it tell?"; };
    served[0].say("");
  }
  EXPECT_EQ(served[0].session, nullptr);
}

TEST_P(ConnectionHardeningTest, HoldsLittleOfALargeMessageBesidesTheMessage) {
  meets();
  clients[0].wants = false;
  clients[0].say("");
  const Slice much = Slice::copy_of(std::string(64u << 20, 'x'));
  const auto used = [] { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; };
  const std::size_t before = used();
  servers[0].output().put(much);
  servers[0].say("");
  turns();
  EXPECT_GT(servers[0].unsent, 32u << 20);
  EXPECT_LE(used(), before + (8u << 20));
}

TEST_P(ConnectionHardeningTest, DoesNotSpinForAWakeUpCallThatIsAlwaysInThePast) {
  const auto past = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  loop.set_end_of_turn([&] { loop.wake_at(past); });
  int woken = 0;
  for (int i = 0; i < 1'000; ++i) {
    woken += loop.impl().io.poll_one() > 0 ? 1 : 0;
    loop.impl().end_turn();
  }
  EXPECT_GE(woken, 1);
  EXPECT_LE(woken, 100);
  loop.set_end_of_turn({});
}

INSTANTIATE_TEST_SUITE_P(Over, ConnectionHardeningTest, testing::Bool(),
                         [](const auto& with) { return with.param ? "Tls" : "Plain"; });

class TlsConnectionHardeningTest : public ConnectionHardeningTest {};

TEST_P(TlsConnectionHardeningTest, GetsItsAlertAcrossToAClientThatIsAlreadyTalking) {
  server_context = context_of({.chain = papers.chain,
                               .key = papers.key,
                               .roots = root,
                               .client_certificate = ClientCertificate::required});
  listens();
  ConnectionOptions options;
  options.make_session = [this](const PeerInfo& peer) {
    auto session = clients.make(peer);
    session->output().put(Slice::copy_of(std::string(8u << 20, 'x')));
    return session;
  };
  options.on_closed = [this](const Error& why) { closed.push_back(why); };
  options.tls = client_context;
  options.tls_server.host = "localhost";
  const auto client = dial(loop, "127.0.0.1", listener->port(), std::move(options));
  until([&] { return closed.size() == 1; });
  EXPECT_EQ(closed[0].code, Errc::not_authenticated) << closed[0].detail;
}

TEST_P(TlsConnectionHardeningTest, AnswersAGoodbyeWithAGoodbye) {
  listens();
  RawClient client;
  ASSERT_TRUE(client.connects(listener->port()));
  SSL* ssl = client.starts_tls();
  until([&] { return SSL_do_handshake(ssl) == 1; });
  until([&] { return servers.count() == 1; });
  SSL_shutdown(ssl);
  until([&] { return SSL_shutdown(ssl) == 1 || client.sees_the_end(); });
  EXPECT_NE(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, 0);
}

// Each asks for an answer, which nobody reads.
TEST_P(TlsConnectionHardeningTest, StopsReadingFromAPeerThatAsksForNewKeysForEver) {
  listens();
  RawClient client;
  const int small = 4'096;
  ::setsockopt(client.number(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  ::setsockopt(client.number(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  ASSERT_TRUE(client.connects(listener->port()));
  SSL* ssl = client.starts_tls();
  until([&] { return SSL_do_handshake(ssl) == 1; });
  until([&] { return servers.count() == 1; });
  int asked = 0;
  for (int idle = 0; idle < 100 && asked < 400'000;) {
    SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    const bool said = SSL_do_handshake(ssl) == 1;
    idle = said ? 0 : idle + 1;
    if (said) ++asked;
    if (!said || asked % 100 == 0) loop.run_ready();
  }
  EXPECT_LT(asked, 400'000);
}

INSTANTIATE_TEST_SUITE_P(Over, TlsConnectionHardeningTest, testing::Values(true),
                         [](const auto&) { return "Tls"; });

}  // namespace
}  // namespace pannier::net
