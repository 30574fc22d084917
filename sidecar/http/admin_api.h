// AdminApi: what probes, Prometheus, the operator and the control socket ask of an agent: /healthz,
// /readyz, /metrics, /v1/status and /drain.
//
// Owned by Agent, one for each listener that needs one; loop thread. It keeps nothing of a request:
// every answer is made at once. That an answer comes at all is what /healthz says: the loop turns.
// /readyz depends on nothing but the start: never on peers, the operator, the disk, or drain.
#pragma once

#include <functional>
#include <string>

#include "sidecar/http/admin_status.h"
#include "sidecar/http/exchange.h"

namespace pannier::http {

// What the agent shows and does; outlives the requests.
struct AdminSource {
  std::function<std::string()> missing;  // until it can serve; empty: nothing
  std::function<std::string()> metrics;  // Prometheus' text
  std::function<AdminStatus()> status;
  std::function<void()> drain;  // returns at once; asked again, nothing
};

struct AdminOptions {
  std::string trust_domain;
  // Plaintext on loopback may everything: for a developer's machine only.
  bool trusts_loopback = false;
  bool metrics_need_rights = false;
};

// Whether the certificate is the operator's: its ServiceAccount is named pannier-operator, in
// whichever namespace, and our own CA says so.
bool is_operator(const net::PeerInfo& peer, std::string_view trust_domain);

// May see all and drain. `request` tells a browser, which speaks for any page, from a person's own
// client.
bool may_administer(const net::PeerInfo& peer, const Request& request, const AdminOptions& options);

class AdminApi final : public Handler {
 public:
  // What is not found here goes to `rest`; null: 404.
  AdminApi(AdminSource source, AdminOptions options, Handler* rest = nullptr)
      : source_(std::move(source)), options_(std::move(options)), rest_(rest) {}

  // Whether the path is one of ours: no queue of that name can be reached by it.
  static bool serves(const Request& request);

  Result<Plan> plan(const Request& head) override;
  void handle(const ExchangePtr& exchange) override;

 private:
  Response answer(const Exchange& exchange, const Request& request) const;
  Response readiness(const Request& request) const;

  const AdminSource source_;
  const AdminOptions options_;
  Handler* const rest_;
};

}  // namespace pannier::http
