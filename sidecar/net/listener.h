// Listener: accepts connections on some addresses, or on a Unix socket, and gives each a session,
// up to a limit.
//
// Owned by Agent; loop thread. Its connections live on when it is destroyed, unless close_all() is
// called before. Whoever comes when a limit is reached takes the place of the one that has been in
// its TLS handshake for longest, so that who has shown nothing yet never keeps others out; if there
// is none, it is closed at once. Both are counted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/net/connection_options.h"
#include "sidecar/net/loop.h"

namespace pannier::net {

struct ListenerOptions {
  std::vector<std::string> addresses;  // IPv4 or IPv6
  std::uint16_t port = 0;              // 0: any free one, the same on all addresses
  std::string socket_path;             // a Unix socket instead: see unix_door.h
  std::size_t connections_max = 4'096;
  std::size_t handshakes_max = 512;  // of these, within their TLS handshake
  std::function<std::unique_ptr<Session>(const PeerInfo& peer)> make_session;
  // Asked anew for each connection, so that certificates change under it; none: plain. While it
  // gives null everybody is refused.
  std::function<std::shared_ptr<const TlsContext>()> tls;
  ConnectionLimits limits;
  std::function<void(std::size_t connections)> on_count;  // for a gauge
  std::function<void()> on_refused;
};

class Listener {
 public:
  // Errors: bad_config, with the address and what to do.
  static Result<std::unique_ptr<Listener>> open(Loop& loop, ListenerOptions options);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const;
  std::size_t connections() const;
  // Accepts no more; a Unix socket's file goes.
  void stop();
  // Every connection, at once.
  void close_all();

 private:
  struct Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace pannier::net
