// ClientOptions and ClientLimits: what a client session wants of its connection, and what it will
// hold at most; and the parts of the handshake that are values only (AMQP 0-9-1, 2.2.4, 4.2.3).
//
// Pure functions; any thread.
#pragma once

#include <chrono>
#include <string>

#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/connection_methods.h"

namespace pannier::amqp {

struct ClientLimits {
  std::size_t whole_body_bytes = 256u << 10;  // larger bodies are handed over in parts
  std::uint64_t message_bytes_max = 128u << 20;
  std::size_t requests_waiting = 4'096;  // for their answers, per channel
  std::size_t unconfirmed = 65'536;      // publishes per channel
  std::size_t unsent_bytes = 1u << 20;   // is_overfull() beyond; nothing is refused
  std::chrono::seconds handshake{10};    // also how long a close may take
  // Whether the properties of each message are decoded once, so that its user may rely on them.
  bool checks_properties = true;
  Unfold unfold;              // of links' bodies; null: none comes folded
  bool speaks_links = false;  // whether methods of class 200 are handed over, or are a fault
};

struct ClientOptions {
  enum class Login : std::uint8_t { plain, external };
  Login login = Login::plain;
  std::string user = "guest";  // plain only
  std::string password;
  std::string vhost = "/";
  queue::Table properties;  // besides product, platform and capabilities, or instead of them
  std::uint32_t frame_max = 131'072;
  std::uint16_t channel_max = 2'047;
  std::uint16_t heartbeat_seconds = 60;  // 0: none
  ClientLimits limits;
};

// Errors: not_supported, when the server speaks another version or does not offer the mechanism.
Result<ConnectionStartOk> start_ok(const ClientOptions& options, const ConnectionStart& start);

// The lower of what both want; 0 is the server's word for no limit, and ours for no heartbeat.
// Errors: limit_reached, when the server's frames are smaller than the specification allows.
Result<ConnectionTuneOk> tune_ok(const ClientOptions& options, const ConnectionTune& tune);

}  // namespace pannier::amqp
