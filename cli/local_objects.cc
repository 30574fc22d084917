// What LocalFolder reads of the objects.
#include <algorithm>

#include "cli/json_fields.h"
#include "cli/local_folder.h"

namespace pannier::cli {
namespace {

constexpr const char* kInjected = "pannier.dev/injected";
constexpr const char* kAgentContainer = "pannier-agent";

std::map<std::string, std::string> texts_of(const Json& json) {
  std::map<std::string, std::string> texts;
  if (!json.is_object()) return texts;
  for (const auto& [name, value] : json.items())
    if (value.is_string()) texts[name] = value.get<std::string>();
  return texts;
}

std::string listed(const Json& array) {
  std::string text;
  for (const Json& each : array) {
    if (!text.empty()) text += ", ";
    text += each.is_string() ? each.get<std::string>()
                             : text_field(each, {"kind"}) + " " + text_field(each, {"name"});
  }
  return text;
}

std::vector<Condition> conditions_of(const Json& json) {
  std::vector<Condition> conditions;
  if (!json.is_array()) return conditions;
  for (const Json& each : json)
    conditions.push_back({text_field(each, {"type"}), text_field(each, {"status"}),
                          text_field(each, {"reason"}), text_field(each, {"message"}),
                          time_field(each, {"lastTransitionTime"})});
  return conditions;
}

// "pid": 12 beside or in the state of the agent's container, or a containerID of "process://12".
std::optional<std::uint64_t> agent_pid_of(const Json& status) {
  for (const char* const list : {"initContainerStatuses", "containerStatuses"}) {
    for (const Json& each : field(status, {list})) {
      if (text_field(each, {"name"}) != kAgentContainer) continue;
      if (const auto pid = number_field(each, {"state", "running", "pid"})) return pid;
      if (const auto pid = number_field(each, {"pid"})) return pid;
      const std::string id = text_field(each, {"containerID"});
      const std::size_t at = id.find("://");
      const std::string digits = at == std::string::npos ? "" : id.substr(at + 3);
      if (digits.empty() || digits.size() > 9) continue;
      if (std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
        return std::stoull(digits);
    }
  }
  return std::nullopt;
}

}  // namespace

const Condition* QueueObject::condition(std::string_view type) const {
  const auto found = std::ranges::find(conditions, type, &Condition::type);
  return found == conditions.end() ? nullptr : &*found;
}

std::optional<QueueObject> parse_queue_object(const std::string& text) {
  const Json json = parse_json(text);
  QueueObject queue;
  queue.name = text_field(json, {"metadata", "name"});
  if (queue.name.empty()) return std::nullopt;
  const Json& spec = field(json, {"spec"});
  const Json& status = field(json, {"status"});
  const auto or_else = [&spec](std::initializer_list<const char*> path, std::string otherwise) {
    const std::string found = text_field(spec, path);
    return found.empty() ? otherwise : found;
  };
  queue.namespace_name = text_field(json, {"metadata", "namespace"});
  queue.uid = text_field(json, {"metadata", "uid"});
  queue.generation = number_field(json, {"metadata", "generation"}).value_or(0);
  queue.created = time_field(json, {"metadata", "creationTimestamp"});
  queue.is_ending = !text_field(json, {"metadata", "deletionTimestamp"}).empty();
  queue.queue_name = or_else({"queueName"}, queue.name);
  queue.durability = or_else({"durability"}, "Disk");
  queue.mode = or_else({"forward", "mode"}, "Peers");
  queue.paused = flag_field(spec, {"paused"});
  queue.selector = texts_of(field(spec, {"agents", "selector", "matchLabels"}));
  if (const Json& access = field(spec, {"access"}); access.is_array()) {
    queue.access.emplace();
    for (const Json& each : access)
      queue.access->push_back({listed(field(each, {"subjects"})), listed(field(each, {"verbs"}))});
  }
  queue.observed_generation = number_field(status, {"observedGeneration"});
  queue.agents_desired = number_field(status, {"agents", "desired"});
  queue.agents_up_to_date = number_field(status, {"agents", "upToDate"});
  queue.conditions = conditions_of(field(status, {"conditions"}));
  queue.json = text;
  return queue;
}

std::optional<PodObject> parse_pod_object(const std::string& text) {
  const Json json = parse_json(text);
  PodObject pod;
  pod.name = text_field(json, {"metadata", "name"});
  if (pod.name.empty()) return std::nullopt;
  pod.namespace_name = text_field(json, {"metadata", "namespace"});
  pod.uid = text_field(json, {"metadata", "uid"});
  pod.labels = texts_of(field(json, {"metadata", "labels"}));
  pod.created = time_field(json, {"metadata", "creationTimestamp"});
  pod.is_injected = !text_field(json, {"metadata", "annotations", kInjected}).empty();
  pod.phase = text_field(json, {"status", "phase"});
  pod.address = text_field(json, {"status", "podIP"});
  pod.agent_pid = agent_pid_of(field(json, {"status"}));
  return pod;
}

std::optional<EventLine> parse_event(const std::string& line) {
  const Json json = parse_json(line);
  if (!json.is_object()) return std::nullopt;
  const Json& about = field(json, {"about"}).is_object() ? field(json, {"about"}) : json;
  EventLine event;
  event.kind = text_field(about, {"kind"});
  event.namespace_name = text_field(about, {"namespace"});
  event.name = text_field(about, {"name"});
  event.type = text_field(json, {"type"});
  event.reason = text_field(json, {"reason"});
  event.note = text_field(json, {"note"});
  event.time = time_field(json, {"time"});
  return event;
}

}  // namespace pannier::cli
