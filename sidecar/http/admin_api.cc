#include "sidecar/http/admin_api.h"

#include <algorithm>
#include <array>

#include "common/ip_address.h"
#include "common/spiffe.h"
#include "sidecar/http/login.h"

namespace pannier::http {
namespace {

constexpr std::string_view kOperatorAccount = "pannier-operator";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::uint64_t kBodyMax = 1'024;  // of requests that need none

struct Call {
  std::string_view method;
  std::string_view path;
  bool needs_rights;
};
constexpr std::array kCalls{Call{"GET", "/healthz", false}, Call{"GET", "/readyz", false},
                            Call{"GET", "/metrics", false}, Call{"GET", "/v1/status", true},
                            Call{"POST", "/drain", true}};

std::string path_of(const Request& request) {
  std::string path;
  for (const std::string& segment : request.segments) path += "/" + segment;
  return path;
}

// "/v1%2Fstatus" is one segment, and a queue's name for all we know.
const Call* call_of(const Request& request) {
  for (const std::string& segment : request.segments)
    if (segment.find('/') != std::string::npos) return nullptr;
  const std::string path = path_of(request);
  const auto found = std::ranges::find(kCalls, path, &Call::path);
  return found == kCalls.end() ? nullptr : &*found;
}

Response text_response(std::string_view type, std::string_view text) {
  Response response;
  response.fields = {{"Content-Type", std::string(type)}, {"Cache-Control", "no-store"}};
  response.body = Slice::copy_of(text);
  return response;
}

// "127.0.0.1:9471", "[::1]", "localhost:80".
bool is_loopback_host(std::string_view authority) {
  std::string_view host = host_of(authority);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host == "localhost" || is_loopback_address(std::string(host));
}

}  // namespace

bool is_operator(const net::PeerInfo& peer, std::string_view trust_domain) {
  if (!peer.is_tls || trust_domain.empty()) return false;
  const auto id = parse_spiffe_id(peer.certificate_uri);
  return id && id->trust_domain == trust_domain && id->service_account == kOperatorAccount;
}

// A page that a browser shows can ask anything of a port on this machine, but not without saying
// where it is from (Origin), or what it has renamed us to (Host).
bool may_administer(const net::PeerInfo& peer, const Request& request,
                    const AdminOptions& options) {
  if (peer.is_control || is_operator(peer, options.trust_domain)) return true;
  if (!options.trusts_loopback || peer.is_tls || !peer.is_loopback) return false;
  return !request.field("Origin") && is_loopback_host(request.field("Host").value_or(""));
}

bool AdminApi::serves(const Request& request) { return call_of(request) != nullptr; }

Result<Plan> AdminApi::plan(const Request& head) {
  if (!serves(head) && rest_ != nullptr) return rest_->plan(head);
  return Plan{Login::none, kBodyMax, false};
}

void AdminApi::handle(const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  if (!serves(request) && rest_ != nullptr) return rest_->handle(exchange);
  exchange->answer(answer(*exchange, request));
}

Response AdminApi::answer(const Exchange& exchange, const Request& request) const {
  const Call* const call = call_of(request);
  if (call == nullptr)
    return problem(404, "not_found", "there is nothing at this path", request.target);
  if (request.method != call->method) {
    Response response =
        problem(405, "not_supported",
                "expected " + std::string(call->method) + ", found another method", request.target);
    response.fields.emplace_back("Allow", call->method);
    return response;
  }
  const bool is_metrics = call->path == "/metrics";
  const bool needs_rights = call->needs_rights || (is_metrics && options_.metrics_need_rights);
  if (needs_rights && !may_administer(exchange.peer(), request, options_))
    return problem(403, "access_denied",
                   "only the operator and the control socket may ask for this", request.target);
  if (call->path == "/healthz") return text_response(kText, "ok\n");
  if (call->path == "/readyz") return readiness(request);
  if (is_metrics) return text_response(kMetricsContentType, source_.metrics());
  if (call->path == "/v1/status")
    return text_response("application/json", to_json(source_.status()));
  source_.drain();
  Response response = text_response("application/json", "{\"draining\":true}\n");
  response.status = 202;
  return response;
}

Response AdminApi::readiness(const Request& request) const {
  const std::string missing = source_.missing();
  if (missing.empty()) return text_response(kText, "ok\n");
  return problem(503, "not_ready", missing, request.target);
}

}  // namespace pannier::http
