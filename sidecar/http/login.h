// What a request says of who sends it, and of where it believes to be.
//
// Pure; loop thread. Errors never show any of it.
#pragma once

#include <optional>
#include <string_view>

#include "common/result.h"
#include "sidecar/net/session.h"
#include "sidecar/queue/access.h"

namespace pannier::http {

// Of an Authorization field: Basic or Bearer; anything else is not_authenticated.
Result<queue::Credentials> credentials_of(std::string_view authorization);

// "[::1]:8080" and "LocalHost" without their ports; IPv6 keeps its brackets.
std::string_view host_of(std::string_view authority);
// Whether it names this machine, or the address that the peer came to.
bool is_local_name(std::string_view host, const net::PeerInfo& peer);
bool is_same_host(std::string_view origin, std::string_view authority);

}  // namespace pannier::http
