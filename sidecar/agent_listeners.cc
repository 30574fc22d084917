#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {

Agent::Impl::MakeSession Agent::Impl::amqp_session() const {
  return [context = amqp_.get()](const net::PeerInfo& peer) {
    return std::make_unique<amqp::ServerSession>(*context, peer);
  };
}

Result<void> Agent::Impl::listen(const std::string& name, const AgentListener& listener, GetTls tls,
                                 MakeSession make) {
  if (!listener.enabled) return {};
  net::ListenerOptions options;
  options.addresses = listener.addresses;
  options.port = listener.port;
  options.connections_max = options_.config.limits.connections;
  options.limits.handshake = options_.config.limits.handshake_timeout;
  options.tls = std::move(tls);
  options.make_session = std::move(make);
  auto opened = net::Listener::open(loop_, std::move(options));
  if (!opened) return opened.error();
  log::info(
      "listening",
      {{"listener", name}, {"address", listener.addresses.front()}, {"port", (*opened)->port()}});
  listeners_[name] = std::move(*opened);
  return {};
}

Result<void> Agent::Impl::open_listeners() {
  const AgentListeners& listeners = options_.config.listeners;
  const GetTls app = [this] { return app_tls_->current(); };
  if (auto done = listen("amqp", listeners.amqp, {}, amqp_session()); !done) return done;
  if (app_tls_)
    if (auto done = listen("amqps", listeners.amqps, app, amqp_session()); !done) return done;
  return {};
}

}  // namespace pannier
