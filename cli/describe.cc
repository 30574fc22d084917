#include "cli/describe.h"

#include <algorithm>

#include "cli/json_fields.h"
#include "cli/people.h"
#include "cli/show.h"
#include "cli/table.h"

namespace pannier::cli {
namespace {

constexpr auto kRight = Column::Align::right;
constexpr std::size_t kNameWidth = 14;
constexpr std::size_t kEventsShown = 20;

std::string line(const std::string& name, const std::string& value) {
  std::string text = name + ":";
  text.resize(std::max(kNameWidth, text.size() + 1), ' ');
  return text + (value.empty() ? "-" : harmless(value)) + '\n';
}

// "a table\n" under its title, or the title with "none".
std::string section(const std::string& title, const Table& table) {
  if (table.empty()) return line(title, "none");
  return title + ":\n" + table.text(2);
}

std::string scalar_text(const Json& json) {
  return json.is_string() ? json.get<std::string>()
                          : json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// {"maxBytes": "1Gi", "backoff": {"max": "5m"}} as "maxBytes 1Gi, backoff (max 5m)".
std::string members_text(const Json& json) {
  std::string text;
  if (!json.is_object()) return text;
  for (const auto& [name, value] : json.items())
    text += (text.empty() ? "" : ", ") + name + " " +
            (value.is_object() ? "(" + members_text(value) + ")" : scalar_text(value));
  return text;
}

std::string selector_text(const Json& spec) {
  const Json& selector = field(spec, {"agents", "selector"});
  if (!selector.is_object() || selector.empty()) return "every agent of the namespace";
  std::string text;
  for (const auto& [name, value] : field(selector, {"matchLabels"}).items())
    text += (text.empty() ? "" : ", ") + name + "=" + scalar_text(value);
  if (selector.contains("matchExpressions"))
    text += (text.empty() ? "" : ", ") + field(selector, {"matchExpressions"}).dump();
  return text;
}

std::string spec_text(const QueueView& queue, Timestamp now) {
  if (queue.object == nullptr)
    return line("MessageQueue", queue.is_declared_by_client()
                                    ? "none: a client declared it"
                                    : "cannot be seen from here (UID " + queue.uid + ")") +
           line("Durability", queue.durability());
  const QueueObject& object = *queue.object;
  const Json json = parse_json(object.json);
  const Json& spec = field(json, {"spec"});
  const std::string observed =
      object.observed_generation ? std::to_string(*object.observed_generation) : "none";
  std::string text =
      line("MessageQueue", object.name + " (generation " + std::to_string(object.generation) +
                               ", observed " + observed + ", UID " + object.uid + ")") +
      line("Age", age_of(object.created, now)) + line("Durability", object.durability) +
      line("Mode", object.mode) + line("Paused", object.paused ? "yes" : "no") +
      line("Served by", selector_text(spec));
  if (object.is_ending) text += line("Deletion", "has begun");
  for (const auto& [title, key] : {std::pair{"Storage", "storage"}, {"Delivery", "delivery"}})
    if (const std::string members = members_text(field(spec, {key})); !members.empty())
      text += line(title, members);
  for (const Json& binding : field(spec, {"bindings"}))
    text += line("Binding", members_text(binding));
  return text;
}

std::string access_text(const QueueView& queue) {
  if (queue.object == nullptr) return "";
  if (!queue.object->access)
    return line("Access", "every ServiceAccount of the namespace may Publish and Consume");
  Table table({{"SUBJECTS"}, {"VERBS"}});
  for (const AccessLine& each : *queue.object->access) table.add({each.subjects, each.verbs});
  return table.empty() ? line("Access", "nobody") : section("Access", table);
}

std::string conditions_text(const QueueView& queue, Timestamp now) {
  if (queue.object == nullptr) return "";
  Table table({{"TYPE"}, {"STATUS"}, {"REASON"}, {"SINCE", kRight}, {"MESSAGE"}});
  for (const Condition& each : queue.object->conditions)
    table.add({each.type, each.status, each.reason, age_of(each.since, now), each.message});
  return section("Conditions", table);
}

std::string agents_text(const QueueView& queue, Timestamp now) {
  Table table({{"POD"},
               {"PHASE"},
               {"READY", kRight},
               {"UNACKED", kRight},
               {"DELAYED", kRight},
               {"BYTES", kRight},
               {"OLDEST", kRight},
               {"CONSUMERS", kRight},
               {"GENERATION", kRight}});
  for (const auto& [agent, status] : queue.on)
    table.add({agent->pod, agent->status->phase, std::to_string(status->ready),
               std::to_string(status->unacked), std::to_string(status->delayed),
               size_text(status->bytes), age_of(status->oldest, now),
               std::to_string(status->consumers),
               status->uid.empty() ? "" : std::to_string(status->generation)});
  for (const Agent* agent : queue.silent)
    table.add({agent->pod, "unreachable", "?", "?", "?", "?", "?", "?", "?"});
  return section("Agents", table);
}

std::vector<EventLine> events_about(const View& view, const QueueView& queue) {
  std::vector<EventLine> events;
  if (queue.object == nullptr) return events;
  for (const EventLine& each : view.events)
    if (each.kind == "MessageQueue" && each.name == queue.object->name &&
        each.namespace_name == queue.object->namespace_name)
      events.push_back(each);
  if (events.size() > kEventsShown)
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kEventsShown));
  return events;
}

std::string events_text(const View& view, const QueueView& queue, Timestamp now) {
  if (queue.object == nullptr) return "";
  Table table({{"TYPE"}, {"REASON"}, {"AGE", kRight}, {"NOTE"}});
  for (const EventLine& each : events_about(view, queue))
    table.add({each.type, each.reason, age_of(each.time, now), each.note});
  return section("Events", table);
}

}  // namespace

std::string description_text(const View& view, const QueueView& queue, Timestamp now) {
  return line("Name", queue.name) + line("Namespace", queue.namespace_name) +
         spec_text(queue, now) + line("Ready", readiness_text(queue)) +
         line("Messages", count_text(queue, &QueueStatus::ready) + " ready, " +
                              count_text(queue, &QueueStatus::unacked) + " unacked, " +
                              count_text(queue, &QueueStatus::delayed) + " delayed") +
         line("Oldest", oldest_text(queue, now)) + access_text(queue) +
         conditions_text(queue, now) + agents_text(queue, now) + events_text(view, queue, now);
}

std::string description_json(const View& view, const QueueView& queue) {
  Json json = parse_json(queues_json({queue}))["queues"][0];
  json["messageQueue"] = queue.object == nullptr ? Json() : parse_json(queue.object->json);
  Json& events = json["events"] = Json::array();
  for (const EventLine& each : events_about(view, queue))
    events.push_back({{"time", each.time ? Json(timestamp_text(*each.time)) : Json()},
                      {"type", each.type},
                      {"reason", each.reason},
                      {"note", each.note}});
  return to_line(json);
}

}  // namespace pannier::cli
