#include "cli/agent_client.h"

#include <atomic>
#include <thread>

#include "cli/json_fields.h"
#include "cli/view.h"

namespace pannier::cli {
namespace {

constexpr std::size_t kAtOnce = 32;
constexpr HttpAnswerReader::Limits kLimits{.body_max = 192u
                                                       << 20};  // a message has at most 128 MiB

void ask_for_status(Agent& agent, std::chrono::milliseconds timeout) {
  AgentClient client(agent.socket, timeout);
  const auto answer = client.ask({"GET", "/v1/status", {}, ""});
  if (!answer) {
    agent.why_silent = answer.error().detail;
    return;
  }
  agent.status = parse_agent_status(answer->body);
  if (!agent.status)
    agent.why_silent = "what answers on '" + agent.socket + "' is no Pannier agent";
}

}  // namespace

AgentClient::AgentClient(const std::string& socket, std::chrono::milliseconds timeout)
    : http_(socket, kLimits), timeout_(timeout) {}

Result<HttpAnswer> AgentClient::ask(const HttpRequest& request, std::chrono::milliseconds longer) {
  auto answer = http_.request(request, timeout_ + longer);
  if (!answer || (answer->status >= 200 && answer->status < 300)) return answer;
  return Error{Errc::access_denied, problem_text(*answer)};
}

std::string queue_target(const std::string& queue, const std::string& rest) {
  return "/v1/queues/" + percent_encoded(queue) + rest;
}

std::string problem_text(const HttpAnswer& answer) {
  const Json json = parse_json(answer.body);
  const std::string detail = text_field(json, {"detail"}), code = text_field(json, {"code"});
  if (detail.empty()) return "it answered '" + answer.status_line + "'";
  return code.empty() ? detail : detail + " (" + code + ")";
}

void ask_all(std::vector<Agent>& agents, std::chrono::milliseconds timeout) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t at = next++; at < agents.size(); at = next++)
      if (agents[at].is_asked) ask_for_status(agents[at], timeout);
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(agents.size(), kAtOnce); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace pannier::cli
