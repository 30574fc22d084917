// What server and client tell each other before a connection is open: the server's properties with
// its capabilities, and SASL responses.
//
// Pure functions; any thread. A capability stands here only if it is there and tested.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/net/session.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/table.h"

namespace pannier::amqp {

// What is spoken is RabbitMQ's dialect, and the product says so; the platform says who speaks it.
queue::Table server_properties(std::string_view version);

// How one may log in: a listener for agents takes certificates and no password.
enum class Logins : std::uint8_t { any, certificate };

// The mechanisms that are offered to this peer.
std::string mechanisms_for(const net::PeerInfo& peer, Logins logins);

// PLAIN (RFC 4616), AMQPLAIN (RabbitMQ's) or EXTERNAL (the certificate that TLS has verified).
// Errors: not_authenticated, bad_syntax, limit_reached for another mechanism.
Result<queue::Credentials> credentials_from(std::string_view mechanism, std::string_view response,
                                            const net::PeerInfo& peer, Logins logins = Logins::any);

}  // namespace pannier::amqp
