// pannierctl peek QUEUE
#include "cli/agent_client.h"
#include "cli/message_text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

namespace pannier::cli {
namespace {

constexpr std::size_t kBodyWidth = 80;

Result<std::vector<ShownMessage>> peek_at(const Options& options, const Agent& agent,
                                          const std::string& queue, std::size_t max) {
  AgentClient client(agent.socket, options.timeout);
  const auto answer =
      client.ask({"GET", queue_target(queue, "/peek?max=" + std::to_string(max)), {}, ""});
  if (!answer) return answer.error();
  return parse_messages(answer->body, agent.pod);
}

}  // namespace

Result<void> peek(const Options& options, const PeekOptions& peek) {
  const auto view = look(options);
  if (!view) return view.error();
  const auto queue = find_queue(*view, peek.queue);
  if (!queue) return queue.error();
  std::vector<ShownMessage> messages;
  std::string failures;
  for (const QueueOnAgent& each : queue->on) {
    auto seen = peek_at(options, *each.agent, queue->name, peek.max);
    if (seen)
      messages.insert(messages.end(), seen->begin(), seen->end());
    else
      failures += (failures.empty() ? "" : "; ") + each.agent->pod + ": " + seen.error().detail;
  }
  warn_of(*view);
  if (options.output == Output::json) {
    std::string lines;
    for (const ShownMessage& message : messages) lines += message.line;
    if (auto printed = print(lines); !printed) return printed;
  } else if (!messages.empty()) {
    const std::size_t width = options.output == Output::wide ? 0 : kBodyWidth;
    if (auto printed = print(messages_table(messages, true, width, wall_now())); !printed)
      return printed;
  } else if (failures.empty()) {
    warn("nothing to see in queue '" + queue->name + "'");
  }
  if (!failures.empty()) return Error{Errc::closed, "not all could be looked at: " + failures};
  return {};
}

}  // namespace pannier::cli
