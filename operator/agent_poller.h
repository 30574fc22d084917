// AgentPoller: asks every agent for its status over mutual TLS, again and again.
//
// Threads of its own, `at_once` of them, each with one agent at a time; a round begins `interval`
// after the one before. An agent must show the SPIFFE identity that its pod has: another one at
// that address is a reused address, and is not asked. Answers are bounded in size and time. What is
// learnt is handed to `on_report` on these threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "operator/agent_report.h"

namespace pannier {

struct AgentAddress {
  std::string pod_uid;
  std::string pod_name;    // for the log
  std::string spiffe_uri;  // that it must show
  std::string address;
  std::uint16_t port = 0;
};

// Our own certificate, as it is now: asked for at each connection.
struct OperatorIdentity {
  std::string certificate_pem;
  std::string key_pem;
  std::string trust_bundle_pem;
};

class AgentPoller {
 public:
  struct Options {
    std::chrono::milliseconds interval = std::chrono::seconds{10};
    std::chrono::milliseconds timeout = std::chrono::seconds{5};
    unsigned at_once = 32;
  };
  struct Hooks {
    std::function<std::vector<AgentAddress>()> agents;
    std::function<OperatorIdentity()> identity;
    std::function<void(AgentReport report)> on_report;
  };

  AgentPoller(Options options, Hooks hooks);  // begins
  ~AgentPoller();                             // ends its threads
  AgentPoller(const AgentPoller&) = delete;
  AgentPoller& operator=(const AgentPoller&) = delete;

  void look_now();  // the next round begins at once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One GET /v1/status. Blocks for `timeout` at most. Errors: closed, timed_out, not_authenticated
// (the identity is another), too_large, bad_argument for an answer that is no report.
Result<AgentReport> ask_status(const AgentAddress& agent, const OperatorIdentity& identity,
                               std::chrono::milliseconds timeout);

}  // namespace pannier
