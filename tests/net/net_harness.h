// What the tests of connections share: a listener and its clients on one loop that is run by hand,
// over real sockets on loopback; and a client that does what no client of ours would.
//
// Owned by the test; one thread.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar/net/dialer.h"
#include "sidecar/net/listener.h"
#include "tests/net/test_session.h"
#include "tests/net/tls_pair.h"

namespace pannier::net {

// A bare socket to a port of loopback; -1: it cannot be connected.
class RawClient {
 public:
  explicit RawClient(int number = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
      : number_(number) {}
  ~RawClient() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (context_ != nullptr) SSL_CTX_free(context_);
    ::close(number_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connects(std::uint16_t port, const char* address = "127.0.0.1") const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    return ::connect(number_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  // True once the other side has closed; throws away what it says before.
  bool sees_the_end() const {
    char bytes[4096];
    const ssize_t got = ::recv(number_, bytes, sizeof bytes, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }
  // Trusts everyone. SSL_do_handshake() is the caller's, with the loop in between.
  SSL* starts_tls() {
    context_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, number_);
    SSL_set_connect_state(ssl_);
    const timeval none{0, 1'000};
    ::setsockopt(number_, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    ::setsockopt(number_, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    return ssl_;
  }
  int number() const { return number_; }

 private:
  const int number_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

class NetTest : public testing::TestWithParam<bool> {
 protected:
  void listens(std::size_t connections_max = 100, ConnectionLimits limits = {}) {
    ListenerOptions options;
    options.addresses = addresses;
    options.connections_max = connections_max;
    options.handshakes_max = handshakes_max;
    options.limits = limits;
    options.make_session = [this](const PeerInfo& peer) { return servers.make(peer); };
    options.on_refused = [this] { ++refused; };
    if (GetParam()) options.tls = [this] { return server_context; };
    auto opened = Listener::open(loop, std::move(options));
    ASSERT_TRUE(opened) << opened.error().detail;
    listener = std::move(*opened);
  }
  std::unique_ptr<Dialled> dials() {
    ConnectionOptions options;
    options.make_session = [this](const PeerInfo& peer) { return clients.make(peer); };
    options.on_closed = [this](const Error& why) { closed.push_back(why); };
    if (GetParam()) options.tls = client_context;
    options.tls_server.host = "localhost";
    return dial(loop, "127.0.0.1", listener->port(), std::move(options));
  }
  std::unique_ptr<Dialled> dials_pod(const std::string& pod) {
    ConnectionOptions options;
    options.make_session = [this](const PeerInfo& peer) { return clients.make(peer); };
    options.on_closed = [this](const Error& why) { closed.push_back(why); };
    options.tls = client_context;
    options.tls_server.spiffe_uri = Office::uri(pod);
    return dial(loop, "127.0.0.1", listener->port(), std::move(options));
  }
  // Turns until it holds; a test that waits for ever fails instead.
  template <typename Condition>
  void until(Condition&& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!holds()) {
      loop.run_ready();
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it never happens";
    }
  }

  const Office office{system_clock()};
  const Papers papers = office.server();
  std::shared_ptr<const TlsContext> server_context =
      context_of({.chain = papers.chain, .key = papers.key});
  const std::string root = office.root();
  std::shared_ptr<const TlsContext> client_context =
      context_of({.role = TlsRole::client, .roots = root});
  Loop loop;
  TestSessions servers, clients;
  std::unique_ptr<Listener> listener;
  std::vector<std::string> addresses{"127.0.0.1"};
  std::size_t handshakes_max = 100;
  int refused = 0;
  std::vector<Error> closed;
};

class TlsNetTest : public NetTest {};

}  // namespace pannier::net
