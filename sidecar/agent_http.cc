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

Agent::Impl::MakeSession Agent::Impl::http_session(http::Handler& handler, bool is_for_apps) {
  return [this, &handler, is_for_apps](const net::PeerInfo&) -> std::unique_ptr<net::Session> {
    if (last_commit_ || (is_ending_ && is_for_apps)) return nullptr;  // it was being accepted
    // MERGE: return std::make_unique<http::HttpSession>(*http_, peer, handler);
    static_cast<void>(handler);
    return nullptr;
  };
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
  // MERGE: its last argument is the ApiHandler, so that pannierctl reaches queues.
  control_api_ = std::make_unique<http::AdminApi>(admin_source(), options);
  if (auto opened = open_control(); !opened) return opened;
  if (auto opened = open_admin_tls(); !opened) return opened;
  GetTls tls;
  if (admin_tls_) {
    tls = [this] { return admin_tls_->current(); };
  } else if (!is_plain_admin(options_)) {
    // Without a certificate for peers: nobody can be known as the operator.
    tls = [this] { return app_tls_->current(); };
  }
  return listen("admin", config.listeners.admin, std::move(tls), http_session(*admin_api_, false));
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
  options.make_session = http_session(*control_api_, false);
  auto opened = net::Listener::open(loop_, std::move(options));
  if (!opened) return opened.error();
  log::info("listening", {{"listener", "control"}, {"socket", path}});
  listeners_["control"] = std::move(*opened);
  return {};
}

Result<void> Agent::Impl::open_http() {
  // MERGE: for the app: http_session(*api_, true); until then nobody is served.
  return {};
}

}  // namespace pannier
