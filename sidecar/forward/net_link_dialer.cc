#include "sidecar/forward/net_link_dialer.h"

#include "common/spiffe.h"

namespace pannier::forward {
namespace {

// A dial that cannot begin: its end is told in a turn of its own.
class Refused final : public net::Dialled {
 public:
  Refused(net::Loop& loop, LinkDialer::OnClosed on_closed, Error why) {
    loop.post([is_wanted = is_wanted_, told = std::move(on_closed), why = std::move(why)] {
      if (*is_wanted) told(why);
    });
  }
  ~Refused() override { close(); }
  void close() override { *is_wanted_ = false; }

 private:
  std::shared_ptr<bool> is_wanted_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<net::Dialled> NetLinkDialer::dial(const LinkTarget& target,
                                                  MakeSession make_session, OnClosed on_closed) {
  const auto uri = to_uri({trust_domain_, namespace_, target.service_account, target.pod_uid});
  if (!uri) return std::make_unique<Refused>(loop_, std::move(on_closed), uri.error());
  net::ConnectionOptions options;
  options.tls = tls_();
  if (options.tls == nullptr)
    return std::make_unique<Refused>(
        loop_, std::move(on_closed),
        Error{Errc::not_authenticated, "there is no certificate for links yet"});
  options.tls_server.spiffe_uri = *uri;
  options.make_session = [make = std::move(make_session)](const net::PeerInfo&) { return make(); };
  options.on_closed = std::move(on_closed);
  return net::dial(loop_, target.address, target.port, std::move(options));
}

}  // namespace pannier::forward
