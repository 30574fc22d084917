// AgentClient: asks one agent over its control socket, and turns its refusals into errors that
// people can read.
//
// Blocks for the timeout at most; one thread. ask_all() uses threads of its own, and has ended them
// when it returns.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/unix_http.h"

namespace pannier::cli {

struct Agent;

class AgentClient {
 public:
  AgentClient(const std::string& socket, std::chrono::milliseconds timeout);

  // Of any 2xx. Errors: those of UnixHttp; access_denied for a refusal: the problem's text.
  Result<HttpAnswer> ask(const HttpRequest& request, std::chrono::milliseconds longer = {});

 private:
  UnixHttp http_;
  const std::chrono::milliseconds timeout_;
};

// "/v1/queues/a%2Fb/messages"
std::string queue_target(const std::string& queue, const std::string& rest);

// The text of a problem+json, or of what came instead of one.
std::string problem_text(const HttpAnswer& answer);

// GET /v1/status of all that are to be asked, at once: status or why_silent of each.
void ask_all(std::vector<Agent>& agents, std::chrono::milliseconds timeout);

}  // namespace pannier::cli
