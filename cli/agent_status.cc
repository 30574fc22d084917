#include "cli/agent_status.h"

#include <algorithm>

#include "cli/json_fields.h"

namespace pannier::cli {
namespace {

QueueStatus queue_of(const Json& json) {
  const auto number = [&json](const char* name) { return number_field(json, {name}).value_or(0); };
  QueueStatus queue;
  queue.name = text_field(json, {"name"});
  queue.uid = text_field(json, {"uid"});
  queue.generation = number("generation");
  queue.durability = text_field(json, {"durability"});
  queue.paused = flag_field(json, {"paused"});
  queue.ready = number("ready");
  queue.unacked = number("unacked");
  queue.delayed = number("delayed");
  queue.bytes = number("bytes");
  queue.consumers = number("consumers");
  queue.oldest = time_field(json, {"oldestMessageTime"});
  return queue;
}

}  // namespace

std::uint64_t AgentStatus::messages() const {
  std::uint64_t sum = 0;
  for (const QueueStatus& queue : queues) sum += queue.ready + queue.unacked + queue.delayed;
  return sum;
}

const QueueStatus* AgentStatus::find(std::string_view queue) const {
  const auto found = std::ranges::find(queues, queue, &QueueStatus::name);
  return found == queues.end() ? nullptr : &*found;
}

std::optional<AgentStatus> parse_agent_status(std::string_view text) {
  const Json json = parse_json(text);
  if (!field(json, {"queues"}).is_array()) return std::nullopt;
  AgentStatus status;
  status.version = text_field(json, {"version"});
  status.namespace_name = text_field(json, {"namespace"});
  status.pod = text_field(json, {"pod", "name"});
  status.pod_uid = text_field(json, {"pod", "uid"});
  status.phase = text_field(json, {"phase"});
  status.started = time_field(json, {"startedAt"});
  status.policy_version = text_field(json, {"policy", "version"});
  for (const Json& queue : field(json, {"queues"})) status.queues.push_back(queue_of(queue));
  status.spool_bytes = number_field(json, {"spool", "bytes"}).value_or(0);
  status.spool_max = number_field(json, {"spool", "max"}).value_or(0);
  status.is_spool_full = flag_field(json, {"spool", "full"});
  status.confirmed = number_field(json, {"confirmed"}).value_or(0);
  for (const Json& certificate : field(json, {"certificates"})) {
    const auto expires = time_field(certificate, {"expiresAt"});
    if (!expires) continue;
    if (!status.certificate_expires || *expires < *status.certificate_expires)
      status.certificate_expires = expires;
  }
  status.json = text;
  return status;
}

}  // namespace pannier::cli
