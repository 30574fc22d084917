#include "cli/json_fields.h"

namespace pannier::cli {
namespace {

const Json kNull;
constexpr int kDepthMax = 100;

}  // namespace

Json parse_json(std::string_view text) {
  int deepest = 0;
  const auto watch = [&deepest](int depth, Json::parse_event_t, Json&) {
    deepest = std::max(deepest, depth);
    return depth <= kDepthMax;
  };
  Json json = Json::parse(text, watch, false);
  return json.is_discarded() || deepest > kDepthMax ? Json() : json;
}

const Json& field(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* const key : path) {
    if (!at->is_object()) return kNull;
    const auto found = at->find(key);
    if (found == at->end()) return kNull;
    at = &*found;
  }
  return *at;
}

std::string text_field(const Json& json, std::initializer_list<const char*> path) {
  const Json& found = field(json, path);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_field(const Json& json,
                                          std::initializer_list<const char*> path) {
  const Json& found = field(json, path);
  if (!found.is_number_unsigned()) return std::nullopt;
  return found.get<std::uint64_t>();
}

bool flag_field(const Json& json, std::initializer_list<const char*> path) {
  const Json& found = field(json, path);
  return found.is_boolean() && found.get<bool>();
}

std::optional<Timestamp> time_field(const Json& json, std::initializer_list<const char*> path) {
  std::string text = text_field(json, path);
  const std::size_t point = text.find('.');
  if (point != std::string::npos) text.erase(point, text.find('Z', point) - point);
  const auto time = parse_timestamp(text);
  if (!time) return std::nullopt;
  return *time;
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace pannier::cli
