#include "cli/show.h"

#include "cli/json_fields.h"
#include "cli/people.h"
#include "cli/table.h"

namespace pannier::cli {
namespace {

constexpr auto kRight = Column::Align::right;
constexpr const char* kUnknown = "?";

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json time_json(const std::optional<Timestamp>& time) {
  return time ? Json(timestamp_text(*time)) : Json();
}

Json readiness_json(const QueueView& queue) {
  if (queue.object == nullptr) return {};
  Json json{{"upToDate", or_null(queue.object->agents_up_to_date)},
            {"desired", or_null(queue.object->agents_desired)}};
  const Condition* const ready = queue.object->condition("Ready");
  json["condition"] = ready == nullptr ? Json() : Json(ready->status);
  json["reason"] = ready == nullptr ? Json() : Json(ready->reason);
  return json;
}

Json queue_json(const QueueView& queue) {
  const QueueObject* const object = queue.object;
  Json json{{"name", queue.name}, {"namespace", queue.namespace_name}};
  json["object"] = object == nullptr ? Json() : Json(object->name);
  json["uid"] = queue.uid.empty() ? Json() : Json(queue.uid);
  json["declaredByClient"] = queue.is_declared_by_client();
  json["ready"] = readiness_json(queue);
  json["messages"] = {{"ready", or_null(queue.sum(&QueueStatus::ready))},
                      {"unacked", or_null(queue.sum(&QueueStatus::unacked))},
                      {"delayed", or_null(queue.sum(&QueueStatus::delayed))},
                      {"bytes", or_null(queue.sum(&QueueStatus::bytes))}};
  json["consumers"] = or_null(queue.sum(&QueueStatus::consumers));
  json["oldestMessageTime"] = time_json(queue.oldest());
  json["isComplete"] = queue.silent.empty();
  Json& agents = json["agents"] = Json::array();
  for (const QueueOnAgent& each : queue.on)
    agents.push_back({{"pod", each.agent->pod},
                      {"generation", each.status->generation},
                      {"ready", each.status->ready},
                      {"unacked", each.status->unacked},
                      {"delayed", each.status->delayed},
                      {"bytes", each.status->bytes},
                      {"consumers", each.status->consumers}});
  Json& silent = json["silentAgents"] = Json::array();
  for (const Agent* agent : queue.silent) silent.push_back(agent->pod);
  json["durability"] = queue.durability().empty() ? Json() : Json(queue.durability());
  json["mode"] = object == nullptr ? Json() : Json(object->mode);
  json["paused"] = object == nullptr ? Json() : Json(object->paused);
  json["createdAt"] = object == nullptr ? Json() : time_json(object->created);
  return json;
}

// What the agent says of itself, else what its pod says.
std::string phase_of(const Agent& agent) {
  if (agent.status) return agent.status->phase;
  std::string pod = agent.object ? agent.object->phase : "";
  if (!agent.is_asked || pod == "Pending") return pod;
  return "unreachable";
}

std::string until(const std::optional<Timestamp>& time, Timestamp now) {
  if (!time) return "";
  return *time <= now ? "expired" : age_text(*time - now);
}

std::vector<std::string> agent_row(const Agent& agent, const Options& options, Timestamp now) {
  const PodObject pod = agent.object.value_or(PodObject{});
  std::vector<std::string> row{agent.pod, agent.namespace_name, phase_of(agent), pod.address};
  if (agent.status) {
    const AgentStatus& status = *agent.status;
    const std::string spool = size_text(status.spool_bytes) + "/" + size_text(status.spool_max) +
                              (status.is_spool_full ? " full" : "");
    row.insert(row.end(),
               {std::to_string(status.queues.size()), std::to_string(status.messages()), spool,
                std::to_string(status.confirmed), until(status.certificate_expires, now)});
  } else {
    const std::string unknown = agent.is_asked ? kUnknown : "";
    row.insert(row.end(), 5, unknown);
  }
  const auto since = pod.created || !agent.status ? pod.created : agent.status->started;
  row.push_back(age_of(since, now));
  row.push_back(pod.agent_pid ? std::to_string(*pod.agent_pid) : "");
  if (options.output == Output::wide) {
    row.push_back(agent.status ? agent.status->version : "");
    row.push_back(agent.uid);
    row.push_back(agent.socket);
  }
  return row;
}

}  // namespace

Timestamp wall_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string age_of(const std::optional<Timestamp>& time, Timestamp now) {
  return time ? age_text(now - *time) : "";
}

std::string oldest_text(const QueueView& queue, Timestamp now) {
  const auto oldest = queue.oldest();
  return !oldest && !queue.silent.empty() ? kUnknown : age_of(oldest, now);
}

std::string count_text(const QueueView& queue, std::uint64_t QueueStatus::*number) {
  const auto sum = queue.sum(number);
  if (!sum) return kUnknown;
  return std::to_string(*sum) + (queue.silent.empty() ? "" : "+?");
}

std::string readiness_text(const QueueView& queue) {
  const QueueObject* const object = queue.object;
  if (object == nullptr) return queue.is_declared_by_client() ? "client-declared" : "";
  const auto number = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : std::string(kUnknown);
  };
  std::string text = number(object->agents_up_to_date) + "/" + number(object->agents_desired);
  if (object->is_ending) return text + " Terminating";
  const Condition* const ready = object->condition("Ready");
  if (ready == nullptr) return text + " Unknown";
  if (ready->status == "True") return text;
  return text + " " + (ready->reason.empty() ? "NotReady" : ready->reason);
}

std::string queues_table(const std::vector<QueueView>& queues, const Options& options,
                         Timestamp now) {
  std::vector<Column> columns{{"NAME"}};
  if (options.all_namespaces) columns.insert(columns.begin(), {"NAMESPACE"});
  for (const Column& column : std::initializer_list<Column>{{"READY"},
                                                            {"DEPTH", kRight},
                                                            {"UNACKED", kRight},
                                                            {"OLDEST", kRight},
                                                            {"DURABILITY"},
                                                            {"MODE"},
                                                            {"AGE", kRight}})
    columns.push_back(column);
  if (options.output == Output::wide)
    for (const char* title : {"BYTES", "CONSUMERS"}) columns.push_back({title, kRight});
  if (options.output == Output::wide) columns.push_back({"OBJECT"});
  Table table(columns);
  for (const QueueView& queue : queues) {
    const QueueObject* const object = queue.object;
    std::vector<std::string> row{queue.name};
    if (options.all_namespaces) row.insert(row.begin(), queue.namespace_name);
    row.insert(row.end(), {readiness_text(queue), count_text(queue, &QueueStatus::ready),
                           count_text(queue, &QueueStatus::unacked), oldest_text(queue, now),
                           queue.durability(), object == nullptr ? "" : object->mode,
                           object == nullptr ? "" : age_of(object->created, now)});
    if (options.output == Output::wide) {
      const auto bytes = queue.sum(&QueueStatus::bytes);
      row.push_back(bytes ? size_text(*bytes) + (queue.silent.empty() ? "" : "+?") : kUnknown);
      row.push_back(count_text(queue, &QueueStatus::consumers));
      row.push_back(object == nullptr ? "" : object->name);
    }
    table.add(row);
  }
  return table.text();
}

std::string queues_json(const std::vector<QueueView>& queues) {
  Json json{{"queues", Json::array()}};
  for (const QueueView& queue : queues) json["queues"].push_back(queue_json(queue));
  return to_line(json);
}

std::string agents_table(const View& view, const Options& options, Timestamp now) {
  std::vector<Column> columns{{"POD"},           {"NAMESPACE"},         {"PHASE"},
                              {"ADDRESS"},       {"QUEUES", kRight},    {"MESSAGES", kRight},
                              {"SPOOL", kRight}, {"CONFIRMED", kRight}, {"CERT", kRight},
                              {"AGE", kRight},   {"PID", kRight}};
  if (options.output == Output::wide)
    for (const char* title : {"VERSION", "UID", "SOCKET"}) columns.push_back({title});
  Table table(columns);
  for (const Agent& agent : view.agents) table.add(agent_row(agent, options, now));
  return table.text();
}

std::string agents_json(const View& view) {
  Json json{{"agents", Json::array()}};
  for (const Agent& agent : view.agents) {
    const PodObject pod = agent.object.value_or(PodObject{});
    Json each{{"pod", agent.pod},
              {"namespace", agent.namespace_name},
              {"uid", agent.uid},
              {"socket", agent.socket},
              {"answers", agent.status.has_value()}};
    each["error"] = agent.is_silent() ? Json(agent.why_silent) : Json();
    each["podPhase"] = pod.phase.empty() ? Json() : Json(pod.phase);
    each["address"] = pod.address.empty() ? Json() : Json(pod.address);
    each["pid"] = or_null(pod.agent_pid);
    each["createdAt"] = time_json(pod.created);
    each["status"] = agent.status ? parse_json(agent.status->json) : Json();
    json["agents"].push_back(std::move(each));
  }
  return to_line(json);
}

}  // namespace pannier::cli
