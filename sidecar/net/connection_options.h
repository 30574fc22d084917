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
  // For the peer's end, after ours; after an error for the last words, too.
  std::chrono::milliseconds linger{2'000};
  // Of one connection, so that others have theirs.
  std::size_t read_bytes_per_turn = 512u << 10;
  std::size_t write_bytes_per_turn = 4u << 20;
};

struct ConnectionOptions {
  // Called once, when the peer is known: after the TLS handshake. Null: it is sent away.
  std::function<std::unique_ptr<Session>(const PeerInfo& peer)> make_session;
  std::shared_ptr<const TlsContext> tls;  // null: plain
  TlsServer tls_server;                   // clients: whom they mean to reach
  bool is_client = false;
  ConnectionLimits limits;
  // Once, when it is closed; the error says why, also for a normal end (closed).
  std::function<void(const Error& why)> on_closed;
};

}  // namespace pannier::net
