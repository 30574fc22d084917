#include "operator/local/pod_status.h"

#include <nlohmann/json.hpp>

#include "operator/local/status_json.h"

namespace pannier::local {
namespace {

using nlohmann::json;

json ready_condition(const PodFacts& facts, const json& before, Timestamp now) {
  const bool is_ready = facts.not_ready_reason.empty();
  json condition{{"type", "Ready"}, {"status", is_ready ? "True" : "False"}};
  condition["reason"] = is_ready ? "ContainersRunning" : facts.not_ready_reason;
  if (!facts.not_ready_message.empty()) condition["message"] = facts.not_ready_message;
  const json& last = item_named(field_in(before, "conditions"), "type", "Ready");
  const bool is_same = text_in(last, "status") == text_in(condition, "status");
  const auto since = is_same ? time_in(last, "lastTransitionTime") : std::nullopt;
  condition["lastTransitionTime"] = timestamp_text(since.value_or(now));
  return condition;
}

}  // namespace

json pod_status(const PodFacts& facts, const json& before, Timestamp now) {
  json status{{"phase", facts.phase},
              {"startTime", timestamp_text(facts.started_at)},
              {"conditions", json::array({ready_condition(facts, before, now)})},
              {"initContainerStatuses", facts.init_containers},
              {"containerStatuses", facts.containers}};
  if (!facts.address.empty()) {
    status["podIP"] = facts.address;
    status["podIPs"] = json::array({{{"ip", facts.address}}});
  }
  if (!facts.reason.empty()) status["reason"] = facts.reason;
  if (!facts.message.empty()) status["message"] = facts.message;
  return status;
}

}  // namespace pannier::local
