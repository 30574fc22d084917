// pannierctl purge QUEUE
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/agent_client.h"
#include "cli/json_fields.h"
#include "cli/people.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/verbs.h"

namespace pannier::cli {
namespace {

struct Purged {
  std::string pod;
  std::uint64_t messages = 0;
  std::string failure;
};

Purged purge_at(const Options& options, const Agent& agent, const std::string& queue) {
  AgentClient client(agent.socket, options.timeout);
  const auto answer = client.ask({"DELETE", queue_target(queue, "/messages"), {}, ""});
  if (!answer) return {agent.pod, 0, answer.error().detail};
  const auto count = number_field(parse_json(answer->body), {"purged"});
  if (!count) return {agent.pod, 0, "it does not say how many it has purged"};
  return {agent.pod, *count, ""};
}

Result<void> confirm(const QueueView& queue) {
  if (::isatty(STDIN_FILENO) == 0)
    return Error{Errc::bad_config, "purge asks first, and here is nobody to ask: add --yes"};
  const std::string question = harmless("Remove all " + count_text(queue, &QueueStatus::ready) +
                                        " ready messages of queue '" + queue.name + "' on " +
                                        std::to_string(queue.on.size()) + " agent(s)? [y/N] ");
  std::fputs(question.c_str(), stderr);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return Error{Errc::access_denied, "nothing was purged"};
}

std::string to_text(const std::vector<Purged>& all, const Options& options) {
  Table table({{"AGENT"}, {"PURGED", Column::Align::right}});
  Json json{{"agents", Json::array()}, {"purged", 0}};
  std::uint64_t sum = 0;
  for (const Purged& each : all) {
    const bool is_done = each.failure.empty();
    sum += each.messages;
    table.add({each.pod, is_done ? std::to_string(each.messages) : "?"});
    json["agents"].push_back({{"pod", each.pod},
                              {"purged", is_done ? Json(each.messages) : Json()},
                              {"error", is_done ? Json() : Json(each.failure)}});
  }
  json["purged"] = sum;
  return options.output == Output::json ? to_line(json) : table.text();
}

}  // namespace

Result<void> purge(const Options& options, const PurgeOptions& purge) {
  const auto view = look(options);
  if (!view) return view.error();
  const auto queue = find_queue(*view, purge.queue);
  if (!queue) return queue.error();
  if (!purge.yes)
    if (auto confirmed = confirm(*queue); !confirmed) return confirmed;
  std::vector<Purged> all;
  for (const QueueOnAgent& each : queue->on)
    all.push_back(purge_at(options, *each.agent, queue->name));
  for (const Agent* agent : queue->silent) all.push_back({agent->pod, 0, agent->why_silent});
  if (auto printed = print(to_text(all, options)); !printed) return printed;
  std::string failures;
  for (const Purged& each : all)
    if (!each.failure.empty())
      failures += (failures.empty() ? "" : "; ") + each.pod + ": " + each.failure;
  if (!failures.empty())
    return Error{Errc::closed, "not purged everywhere, run it again later: " + failures};
  return {};
}

}  // namespace pannier::cli
