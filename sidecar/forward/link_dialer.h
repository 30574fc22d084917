// LinkDialer: opens connections to origins; an interface, so that tests have origins of their own.
//
// Loop thread; outlives the links.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/error.h"
#include "sidecar/net/dialer.h"

namespace pannier::forward {

struct LinkTarget {
  std::string pod_uid;
  std::string pod_name;  // for logs
  std::string address;
  std::uint16_t port = 0;
  std::string service_account;
  bool operator==(const LinkTarget&) const = default;
};

class LinkDialer {
 public:
  // Null: it is no longer wanted.
  using MakeSession = std::function<std::unique_ptr<net::Session>()>;
  using OnClosed = std::function<void(const Error& why)>;

  virtual ~LinkDialer() = default;
  // Neither is called before dial() returns, nor once what it gave is destroyed.
  virtual std::unique_ptr<net::Dialled> dial(const LinkTarget& target, MakeSession make_session,
                                             OnClosed on_closed) = 0;
};

}  // namespace pannier::forward
