#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {

Agent::Impl::MakeSession Agent::Impl::amqp_session(amqp::Logins logins) const {
  return [this, logins](const net::PeerInfo& peer) -> std::unique_ptr<net::Session> {
    const bool is_for_apps = logins != amqp::Logins::certificate;
    if (is_ending_ && (is_for_apps || last_commit_)) return nullptr;  // it was being accepted
    return std::make_unique<amqp::ServerSession>(*amqp_, peer, logins);
  };
}

Result<void> Agent::Impl::listen(const std::string& name, const AgentListener& listener, GetTls tls,
                                 MakeSession make) {
  if (!listener.enabled) return {};
  if (listener.addresses.empty())
    return Error{Errc::bad_config,
                 "listeners." + name + ".addresses: the pod's own address is not known: name it"};
  net::ListenerOptions options;
  options.addresses = listener.addresses;
  options.port = listener.port;
  options.connections_max = options_.config.limits.connections;
  options.limits.handshake = options_.config.limits.handshake_timeout;
  options.tls = std::move(tls);
  options.make_session = std::move(make);
  options.on_refused = [this] { metrics_.count_refused_connection("connections"); };
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
  const MakeSession for_apps = amqp_session(amqp::Logins::any);
  if (auto done = listen("amqp", listeners.amqp, {}, for_apps); !done) return done;
  if (app_tls_)
    if (auto done = listen("amqps", listeners.amqps, app, for_apps); !done) return done;
  if (auto done = open_http(); !done) return done;
  if (!peer_tls_) return {};
  const GetTls peer = [this] { return peer_tls_->current(); };
  return listen("peer", listeners.peer, peer, amqp_session(amqp::Logins::certificate));
}

}  // namespace pannier
