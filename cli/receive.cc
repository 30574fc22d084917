// pannierctl receive QUEUE
#include <algorithm>

#include "cli/agent_client.h"
#include "cli/json_fields.h"
#include "cli/message_text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"

namespace pannier::cli {
namespace {

constexpr std::size_t kReceiveMax = 1'000;  // of one request

class Receiver {
 public:
  Receiver(const Options& options, const Agent& agent, std::string queue)
      : options_(options),
        agent_(agent),
        queue_(std::move(queue)),
        client_(agent.socket, options.timeout) {}

  // Prints and settles as many as there are now, or the first that come within `wait`.
  Result<std::size_t> take(std::size_t max, std::chrono::milliseconds wait, bool acks);

 private:
  Result<void> show(const std::vector<ShownMessage>& messages);
  Result<void> settle(const std::vector<ShownMessage>& messages, bool acks);

  const Options& options_;
  const Agent& agent_;
  const std::string queue_;
  AgentClient client_;
  bool has_head_ = false;  // of the table
};

Result<std::size_t> Receiver::take(std::size_t max, std::chrono::milliseconds wait, bool acks) {
  const Json wanted{{"max", max}, {"wait", duration_text(wait)}};
  const auto answer = client_.ask({"POST",
                                   queue_target(queue_, "/receive"),
                                   {{"Content-Type", "application/json"}},
                                   wanted.dump()},
                                  wait);
  if (!answer) return answer.error();
  const auto messages = parse_messages(answer->body, agent_.pod);
  if (!messages) return messages.error();
  if (messages->empty()) return std::size_t{0};
  // Acknowledged once somebody has them: until then they come back.
  const auto shown = show(*messages);
  const auto settled = settle(*messages, acks && shown);
  if (!shown) return shown.error();
  if (!settled) return settled.error();
  return messages->size();
}

Result<void> Receiver::show(const std::vector<ShownMessage>& messages) {
  std::string text;
  if (options_.output == Output::json) {
    for (const ShownMessage& message : messages) text += message.line;
  } else {
    text = messages_table(messages, false, 0, wall_now());
    if (has_head_) text.erase(0, text.find('\n') + 1);
    has_head_ = true;
  }
  return print(text);
}

Result<void> Receiver::settle(const std::vector<ShownMessage>& messages, bool acks) {
  Json receipts = Json::array();
  for (const ShownMessage& message : messages) receipts.push_back(message.receipt);
  Json body{{"receipts", receipts}};
  if (!acks) body["reason"] = "pannierctl receive --no-ack";
  const auto answer = client_.ask({"POST",
                                   queue_target(queue_, acks ? "/ack" : "/nack"),
                                   {{"Content-Type", "application/json"}},
                                   body.dump()});
  if (!answer)
    return Error{answer.error().code,
                 "what was printed is not settled, and may come again: " + answer.error().detail};
  const Json json = parse_json(answer->body);
  if (const Json& stale = field(json, {"stale"}); stale.is_array() && !stale.empty())
    return Error{Errc::timed_out,
                 std::to_string(stale.size()) +
                     " of what was printed took too long to be settled, and will come again"};
  return {};
}

}  // namespace

Result<void> receive(const Options& options, const ReceiveOptions& receive) {
  const auto view = look(options);
  if (!view) return view.error();
  const auto agent = choose_agent(*view, options, receive.queue, true);
  if (!agent) return agent.error();
  Receiver receiver(options, **agent, receive.queue);
  // What is put back would come again at once: it is taken in one go.
  const bool goes_on = receive.acks;
  if (!goes_on && receive.max > kReceiveMax)
    return Error{Errc::bad_config, "--no-ack takes at most --max " + std::to_string(kReceiveMax)};
  std::size_t left = receive.max;
  while (left > 0) {
    const bool is_first = left == receive.max;
    const auto taken =
        receiver.take(std::min(left, kReceiveMax),
                      is_first ? receive.wait : std::chrono::milliseconds(0), receive.acks);
    if (!taken) return taken.error();
    left -= std::min(left, *taken);
    if (*taken == 0 || !goes_on) break;
  }
  if (left == receive.max) warn("queue '" + receive.queue + "' has no message for us");
  return {};
}

}  // namespace pannier::cli
