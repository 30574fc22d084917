// What the TLS tests share: an authority with its certificates at a fake time, and a client and a
// server stream back to back. Owned by the test; one thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/certificate_authority.h"
#include "common/random.h"
#include "sidecar/net/tls_stream.h"
#include "tests/support/fake_clock.h"

namespace pannier::net {

using namespace std::chrono_literals;

// A certificate and its key, as files hold them.
struct Papers {
  std::string chain;
  std::string key;
};

class Office {
 public:
  explicit Office(const Clock& clock, std::string_view name = "office")
      : clock_(clock), ca_(*make_ca(name, 1000h, now())) {}

  WallTime now() const { return wall_time(clock_.now_ms()); }
  std::string root() const { return ca_.certificate.to_pem(); }
  Papers issue_at(const LeafRequest& leaf, WallTime at) const {
    const PrivateKey key = *PrivateKey::make();
    const auto made = issue(ca_, key.public_key(), leaf, at);
    if (!made) ADD_FAILURE() << made.error().detail;
    return {made->to_pem(), std::string((*key.to_pem()).view())};
  }
  Papers server(const std::string& host = "localhost") const {
    return issue_at(
        {.dns = {host}, .ips = {"127.0.0.1", "::1"}, .is_server = true, .validity = 24h}, now());
  }
  static std::string uri(const std::string& pod) { return "spiffe://td/ns/n/sa/s/pod/" + pod; }
  Papers peer(const std::string& pod) const {
    return issue_at({.uris = {uri(pod)}, .is_server = true, .is_client = true, .validity = 24h},
                    now());
  }

 private:
  const Clock& clock_;
  const Authority ca_;
};

inline std::shared_ptr<const TlsContext> context_of(const TlsOptions& options) {
  auto made = TlsContext::make(options);
  if (!made) ADD_FAILURE() << made.error().detail;
  return made ? *made : nullptr;
}

// One end, what it has to send, what it has got, and why it failed.
struct End {
  template <typename... Args>
  explicit End(Args&&... args) : stream(std::forward<Args>(args)...) {}

  void feed(ByteView bytes) {
    const auto fed = stream.on_ciphertext(
        bytes, [this](ByteView plain) { got.append(as_text(plain)); }, out);
    if (!fed && !error) error = fed.error();
  }
  void say(std::string_view text) {
    const ByteView pieces[] = {as_bytes(text)};
    const auto said = stream.encrypt(pieces, out);
    if (!said) ADD_FAILURE() << said.error().detail;
  }

  TlsStream stream;
  Bytes out{};
  std::string got{};
  std::optional<Error> error{};
};

struct Pair {
  Pair(std::shared_ptr<const TlsContext> server_context,
       std::shared_ptr<const TlsContext> client_context, const TlsServer& to)
      : server(std::move(server_context)), client(std::move(client_context), to) {
    const auto started = client.stream.start(client.out);
    if (!started) client.error = started.error();
  }

  // Carries bytes both ways, in pieces as `random` wants them, until nobody has any.
  void run(Random* random = nullptr) {
    while (!client.out.empty() || !server.out.empty()) {
      carry(client, server, random);
      carry(server, client, random);
    }
  }
  static void carry(End& from, End& to, Random* random = nullptr) {
    const Bytes sent = std::exchange(from.out, {});
    for (ByteView rest = sent; !rest.empty();) {
      const std::size_t size = random == nullptr
                                   ? rest.size()
                                   : std::min<std::size_t>(rest.size(), 1 + random->below(20'000));
      to.feed(rest.first(size));
      rest = rest.subspan(size);
    }
  }
  bool is_established() const {
    return client.stream.is_established() && server.stream.is_established();
  }

  End server;
  End client;
};

}  // namespace pannier::net
