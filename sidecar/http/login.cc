#include "sidecar/http/login.h"

#include <string>

#include "common/base64.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

Error refused() {
  return {Errc::not_authenticated, "the field Authorization is neither Basic nor Bearer"};
}

}  // namespace

Result<queue::Credentials> credentials_of(std::string_view authorization) {
  const std::size_t space = authorization.find(' ');
  if (space == std::string_view::npos) return refused();
  const std::string_view scheme = authorization.substr(0, space);
  const std::string_view rest = trimmed(authorization.substr(space));
  queue::Credentials credentials;
  if (same_name(scheme, "Bearer") && !rest.empty()) {
    credentials.kind = queue::Credentials::Kind::bearer;
    credentials.secret = rest;
    return credentials;
  }
  if (!same_name(scheme, "Basic")) return refused();
  const auto plain = from_base64(rest, Padding::optional);
  const std::size_t colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos) return refused();
  credentials.user = plain->substr(0, colon);
  credentials.secret = plain->substr(colon + 1);
  return credentials;
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = authority.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return {};
    return authority.substr(0, end + 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool is_local_name(std::string_view host, const net::PeerInfo& peer) {
  if (same_name(host, "localhost") || host == "127.0.0.1" || host == "[::1]") return true;
  if (peer.local_address.empty()) return false;
  if (host.starts_with('[') && host.size() > 2) host = host.substr(1, host.size() - 2);
  return same_name(host, peer.local_address);
}

bool is_same_host(std::string_view origin, std::string_view authority) {
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view host = host_of(origin.substr(scheme + 3));
  return !host.empty() && same_name(host, host_of(authority));
}

}  // namespace pannier::http
