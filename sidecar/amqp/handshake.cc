#include "sidecar/amqp/handshake.h"

namespace pannier::amqp {

queue::Table server_properties(std::string_view version) {
  queue::Table capabilities;
  for (const char* name :
       {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "authentication_failure_close", "per_consumer_qos"})
    capabilities.set(name, true);
  queue::Table properties;
  properties.set("product", std::string("Pannier"));
  properties.set("version", std::string(version));
  properties.set("platform", std::string("C++"));
  properties.set("capabilities", std::move(capabilities));
  return properties;
}

std::string mechanisms_for(const net::PeerInfo& peer, Logins logins) {
  if (logins == Logins::certificate) return "EXTERNAL";
  return peer.certificate_uri.empty() ? "PLAIN" : "PLAIN EXTERNAL";
}

Result<queue::Credentials> credentials_from(std::string_view mechanism, std::string_view response,
                                            const net::PeerInfo& peer, Logins logins) {
  queue::Credentials credentials;
  if (mechanism == "EXTERNAL" && !peer.certificate_uri.empty()) {
    credentials.kind = queue::Credentials::Kind::certificate;
    credentials.certificate_uri = peer.certificate_uri;
    return credentials;
  }
  if (mechanism != "PLAIN" || logins == Logins::certificate)
    return Error{Errc::limit_reached, "unsupported authentication mechanism"};
  // authorisation id, NUL, user, NUL, password
  const std::size_t first = response.find('\0');
  const std::size_t second =
      first == std::string_view::npos ? first : response.find('\0', first + 1);
  if (second == std::string_view::npos || response.find('\0', second + 1) != std::string_view::npos)
    return Error{Errc::not_authenticated, "a malformed PLAIN response"};
  credentials.user = response.substr(first + 1, second - first - 1);
  credentials.secret = response.substr(second + 1);
  // Nobody acts for somebody else.
  const std::string_view acts_for = response.substr(0, first);
  if (credentials.user.empty() || (!acts_for.empty() && acts_for != credentials.user))
    return Error{Errc::not_authenticated, "a PLAIN response for no user, or for another"};
  return credentials;
}

}  // namespace pannier::amqp
