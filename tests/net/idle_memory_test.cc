// What idle connections with TLS cost, in a process of their own clients: the goal for the whole
// agent is 64 MiB for 1,000.
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <iostream>

#include "tests/net/net_harness.h"

namespace pannier::net {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kConnections = 100;  // how much they take is not looked at there
#else
constexpr std::size_t kConnections = 1'000;
#endif
constexpr std::size_t kSaidBytes = 12'000;  // by each side, once

std::size_t resident_bytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Says something, hears the answer, and stays until it is killed.
[[noreturn]] void be_the_clients(std::uint16_t port) {
  const std::string question(kSaidBytes, 'q');
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  for (std::size_t i = 0; i < kConnections; ++i) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    const int number = ::socket(AF_INET, SOCK_STREAM, 0);
    const int at_once = 1;
    ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, number);
    if (::connect(number, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        SSL_connect(ssl) != 1 || SSL_write(ssl, question.data(), kSaidBytes) != kSaidBytes)
      ::_exit(1);
    char answer[4096];
    for (int heard = 0; heard < static_cast<int>(kSaidBytes);) {
      const int got = SSL_read(ssl, answer, sizeof answer);
      if (got <= 0) ::_exit(1);
      heard += got;
    }
  }
  ::pause();
  ::_exit(0);
}

class IdleMemoryTest : public NetTest {};

TEST_P(IdleMemoryTest, HoldsAThousandIdleConnectionsInHalfOfWhatTheAgentMayHave) {
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
  if (descriptors.rlim_cur < kConnections + 50) GTEST_SKIP() << "too few descriptors";
  listens(kConnections);
  const std::size_t before = resident_bytes();
  const pid_t clients_process = ::fork();
  if (clients_process == 0) be_the_clients(listener->port());
  std::size_t answered = 0;
  until([&] {
    if (answered < servers.count() && servers[answered].heard.size() == kSaidBytes) {
      servers[answered].heard = {};
      servers[answered++].say(std::string(kSaidBytes, 'a'));
    }
    return answered == kConnections;
  });
  EXPECT_EQ(answered, kConnections);
  const std::size_t grown = resident_bytes() - before;
  std::cout << kConnections << " idle TLS connections: " << (grown >> 10) << " KiB\n";
  RecordProperty("kib", static_cast<int>(grown >> 10));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(grown, 32u << 20);
#endif
  ::kill(clients_process, SIGKILL);
  ::waitpid(clients_process, nullptr, 0);
}

INSTANTIATE_TEST_SUITE_P(Over, IdleMemoryTest, testing::Values(true),
                         [](const auto&) { return "Tls"; });

}  // namespace
}  // namespace pannier::net
