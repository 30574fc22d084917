// NetLinkDialer: dials origins over TCP with mutual TLS, and accepts no other than the pod that is
// meant: another one at that address is reuse, and the dial just fails.
//
// Owned by Agent; loop thread. The TLS context is asked for at each dial, so that certificates may
// change.
#pragma once

#include "sidecar/forward/link_dialer.h"

namespace pannier::forward {

class NetLinkDialer final : public LinkDialer {
 public:
  using GetTls = std::function<std::shared_ptr<const net::TlsContext>()>;  // a client's

  NetLinkDialer(net::Loop& loop, GetTls tls, std::string trust_domain, std::string namespace_name)
      : loop_(loop),
        tls_(std::move(tls)),
        trust_domain_(std::move(trust_domain)),
        namespace_(std::move(namespace_name)) {}

  std::unique_ptr<net::Dialled> dial(const LinkTarget& target, MakeSession make_session,
                                     OnClosed on_closed) override;

 private:
  net::Loop& loop_;
  const GetTls tls_;
  const std::string trust_domain_;
  const std::string namespace_;
};

}  // namespace pannier::forward
