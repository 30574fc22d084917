#include "sidecar/amqp/handshake.h"

namespace pannier::amqp {

namespace {

// Clients choose by these two what a server means where RabbitMQ differs from the specification:
// kombu takes basic.qos for what the specification says unless the product is this one, and Celery
// then raises a limit that counts for no consumer it has. Of 4.0 kombu believes the same.
constexpr const char* kProduct = "RabbitMQ";
constexpr const char* kProductVersion = "3.13.7";

}  // namespace

queue::Table server_properties(std::string_view version) {
  queue::Table capabilities;
  for (const char* name :
       {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "authentication_failure_close", "per_consumer_qos",
        "consumer_priorities", "direct_reply_to"})
    capabilities.set(name, true);
  queue::Table properties;
  properties.set("product", std::string(kProduct));
  properties.set("version", std::string(kProductVersion));
  properties.set("platform", "Pannier " + std::string(version));
  properties.set("capabilities", std::move(capabilities));
  return properties;
}

std::string mechanisms_for(const net::PeerInfo& peer, Logins logins) {
  if (logins == Logins::certificate) return "EXTERNAL";
  return peer.certificate_uri.empty() ? "PLAIN AMQPLAIN" : "PLAIN AMQPLAIN EXTERNAL";
}

namespace {

// A table without its length: LOGIN and PASSWORD. Some clients use nothing else unless told to.
Result<queue::Credentials> from_table(std::string_view response) {
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.be(static_cast<std::uint32_t>(response.size()));
  writer.bytes(as_bytes(response));
  ByteReader reader(bytes);
  const auto table = queue::Table::decode(reader);
  if (!table) return table.error();
  const queue::Value* login = table->find("LOGIN");
  const queue::Value* password = table->find("PASSWORD");
  const auto is_text = [](const queue::Value* value) {
    return value != nullptr && value->as_text() != nullptr;
  };
  if (!is_text(login) || !is_text(password))
    return Error{Errc::bad_syntax, "an AMQPLAIN response without LOGIN or PASSWORD"};
  queue::Credentials credentials;
  credentials.user = *login->as_text();
  credentials.secret = *password->as_text();
  return credentials;
}

}  // namespace

Result<queue::Credentials> credentials_from(std::string_view mechanism, std::string_view response,
                                            const net::PeerInfo& peer, Logins logins) {
  queue::Credentials credentials;
  if (mechanism == "EXTERNAL" && !peer.certificate_uri.empty()) {
    credentials.kind = queue::Credentials::Kind::certificate;
    credentials.certificate_uri = peer.certificate_uri;
    return credentials;
  }
  if (mechanism == "AMQPLAIN" && logins != Logins::certificate) return from_table(response);
  if (mechanism != "PLAIN" || logins == Logins::certificate)
    return Error{Errc::limit_reached, "unsupported authentication mechanism"};
  // authorisation id, NUL, user, NUL, password
  const std::size_t first = response.find('\0');
  const std::size_t second =
      first == std::string_view::npos ? first : response.find('\0', first + 1);
  if (second == std::string_view::npos || response.find('\0', second + 1) != std::string_view::npos)
    return Error{Errc::bad_syntax, "a malformed PLAIN response"};
  credentials.user = response.substr(first + 1, second - first - 1);
  credentials.secret = response.substr(second + 1);
  // Nobody acts for somebody else.
  const std::string_view acts_for = response.substr(0, first);
  if (credentials.user.empty() || (!acts_for.empty() && acts_for != credentials.user))
    return Error{Errc::not_authenticated, "a PLAIN response for no user, or for another"};
  return credentials;
}

}  // namespace pannier::amqp
