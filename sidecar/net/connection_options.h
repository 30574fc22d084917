// ConnectionOptions: what a connection is made of besides its socket: its session, its TLS, its
// limits, and who is told of its end.
//
// Values; loop thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "sidecar/net/session.h"
#include "sidecar/net/tls_stream.h"

namespace pannier::net {

struct ConnectionLimits {
  std::chrono::milliseconds handshake{10'000};    // of TLS
  std::chrono::milliseconds write_stall{60'000};  // output that does not move
  std::chrono::milliseconds linger{2'000};        // for the peer's end, after ours
  std::size_t read_bytes_per_turn = 512u << 10;   // of one connection, so that others have theirs
};

struct ConnectionOptions {
  // Called once the peer is known: after the TLS handshake.
  std::function<std::unique_ptr<Session>(const PeerInfo& peer)> make_session;
  std::shared_ptr<const TlsContext> tls;  // null: plain
  TlsServer tls_server;                   // clients: whom they mean to reach
  bool is_client = false;
  ConnectionLimits limits;
  // Once, when it is closed; the error says why, also for a normal end (closed).
  std::function<void(const Error& why)> on_closed;
};

}  // namespace pannier::net
