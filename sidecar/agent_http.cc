// The listeners that speak HTTP: the app's, the admin's, and the control socket.
#include "common/files.h"
#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {
namespace {

bool is_plain_admin(const AgentOptions& options) {
  return options.is_dev || options.config.listeners.admin_plaintext;
}

}  // namespace

Agent::Impl::MakeSession Agent::Impl::http_session(std::unique_ptr<http::HttpContext>& context,
                                                   http::Handler& handler, bool is_for_apps) {
  context = std::make_unique<http::HttpContext>(handler, *registry_, *access_, system_clock(),
                                                http_limits());
  return [this, at = context.get(),
          is_for_apps](const net::PeerInfo& peer) -> std::unique_ptr<net::Session> {
    if (last_commit_ || (is_ending_ && is_for_apps)) return nullptr;  // it was being accepted
    return std::make_unique<http::HttpSession>(*at, peer);
  };
}

http::HttpLimits Agent::Impl::http_limits() const {
  http::HttpLimits limits;
  limits.idle_timeout = options_.config.limits.idle_timeout;
  return limits;
}

// The operator is known by its certificate, which is signed by the same CA as ours.
Result<void> Agent::Impl::open_admin_tls() {
  const auto& local = options_.config.local;
  if (is_plain_admin(options_) || !local || local->certificate_file.empty()) return {};
  net::TlsOptions options;
  options.client_certificate = net::ClientCertificate::optional;
  auto opened =
      net::TlsReload::open({local->certificate_file, local->key_file, local->ca_file}, options);
  if (!opened) return opened.error();
  admin_tls_ = std::move(*opened);
  return {};
}

// Before the first policy, so that probes hear what is missing.
Result<void> Agent::Impl::open_admin() {
  const AgentConfig& config = options_.config;
  http::AdminOptions options;
  options.trust_domain = config.identity.trust_domain;
  options.trusts_loopback = options_.is_dev;
  options.metrics_need_rights = config.listeners.admin_metrics_token;
  admin_api_ = std::make_unique<http::AdminApi>(admin_source(), options);
  http::ApiLimits limits;
  limits.message_bytes_max = config.limits.message_bytes;
  api_ = std::make_unique<http::ApiHandler>(*registry_, *access_, system_clock(), limits);
  control_api_ = std::make_unique<http::AdminApi>(admin_source(), options, api_.get());
  if (auto opened = open_control(); !opened) return opened;
  if (auto opened = open_admin_tls(); !opened) return opened;
  GetTls tls;
  if (admin_tls_) {
    tls = [this] { return admin_tls_->current(); };
  } else if (!is_plain_admin(options_)) {
    // Without a certificate for peers: nobody can be known as the operator.
    tls = [this] { return app_tls_->current(); };
  }
  return listen("admin", config.listeners.admin, std::move(tls),
                http_session(admin_http_, *admin_api_, false));
}

Result<void> Agent::Impl::open_control() {
  const std::string& path = options_.config.listeners.control_socket;
  const std::size_t slash = path.rfind('/');
  Result<void> done;
  if (slash != std::string::npos && slash > 0) done = make_folders(path.substr(0, slash), 0700);
  if (!done) return done;
  net::ListenerOptions options;
  options.socket_path = path;
  options.connections_max = kControlConnectionsMax;
  options.make_session = http_session(control_http_, *control_api_, false);
  auto opened = net::Listener::open(loop_, std::move(options));
  if (!opened) return opened.error();
  log::info("listening", {{"listener", "control"}, {"socket", path}});
  listeners_["control"] = std::move(*opened);
  return {};
}

Result<void> Agent::Impl::open_http() {
  const AgentListeners& listeners = options_.config.listeners;
  const GetTls app = [this] { return app_tls_->current(); };
  auto plain = http_session(http_, *api_, true);
  http_->dev_guest = options_.is_dev;
  http_->local_names_only = true;
  if (auto done = listen("http", listeners.http, {}, std::move(plain)); !done) return done;
  if (!app_tls_) return {};
  return listen("https", listeners.https, app, http_session(https_, *api_, true));
}

// Of apps; what waits for a sync is still answered.
void Agent::Impl::close_http() {
  api_->close("the agent is shutting down");
  for (http::HttpContext* const context : {http_.get(), https_.get()})
    if (context != nullptr) context->close_all();
}

}  // namespace pannier
