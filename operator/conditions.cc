#include "operator/conditions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pannier {
namespace {

std::string_view text_of(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::is_false: return "False";
    case ConditionStatus::is_true: return "True";
    case ConditionStatus::unknown: return "Unknown";
  }
  std::abort();
}

constexpr std::size_t kMessageBytesMax = 4'096;

std::string cut(std::string text) {
  if (text.size() <= kMessageBytesMax) return text;
  std::size_t end = kMessageBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::string text_in(const kube::Json& object, std::string_view key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

const kube::Json& find_condition(const kube::Json& status, std::string_view type) {
  static const kube::Json kNone;
  if (!status.is_object()) return kNone;
  const auto conditions = status.find("conditions");
  if (conditions == status.end() || !conditions->is_array()) return kNone;
  for (const kube::Json& each : *conditions)
    if (text_in(each, "type") == type) return each;
  return kNone;
}

kube::Json conditions_json(const std::vector<Condition>& conditions, const kube::Json& before,
                           std::uint64_t generation, Timestamp now) {
  kube::Json list = kube::Json::array();
  for (const Condition& each : conditions) {
    const kube::Json& was = find_condition(before, each.type);
    const bool is_same = text_in(was, "status") == text_of(each.status);
    std::string since = text_in(was, "lastTransitionTime");
    if (!is_same || since.empty()) since = timestamp_text(now);
    list.push_back({{"type", each.type},
                    {"status", text_of(each.status)},
                    {"reason", each.reason},
                    {"message", cut(each.message)},
                    {"observedGeneration", generation},
                    {"lastTransitionTime", std::move(since)}});
  }
  return list;
}

Timestamp wall_time(const Clock& clock) {
  return std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(clock.now_ms())));
}

std::string listed(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const std::size_t shown = std::min(names.size(), kNamedAgentsMax);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) {
    const bool is_last = i + 1 == names.size();
    if (i > 0) text += is_last ? " and " : ", ";
    text += names[i];
  }
  if (shown < names.size()) text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

}  // namespace pannier
