#include "sidecar/http/json_args.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/quantity.h"

namespace pannier::http {
namespace {

Error expected(std::string_view key, std::string_view what) {
  return {Errc::bad_argument, "'" + std::string(key) + "': expected " + std::string(what)};
}

}  // namespace

Result<JsonArgs> JsonArgs::parse(std::string_view text,
                                 std::initializer_list<std::string_view> known) {
  JsonArgs args;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return args;
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return Error{Errc::bad_argument, "expected a JSON object"};
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(known, std::string_view(key)) == known.end())
      return Error{Errc::bad_argument, "unknown key " + quoted_for_people(key)};
    Value& held = args.values_[key];
    if (value.is_string()) {
      held.kind = Kind::text;
      held.text = value.get<std::string>();
    } else if (value.is_number_unsigned()) {
      held.kind = Kind::count;
      held.count = value.get<std::uint64_t>();
    } else if (value.is_array() &&
               std::ranges::all_of(value, [](const auto& each) { return each.is_string(); })) {
      held.kind = Kind::list;
      for (const auto& each : value) held.list.push_back(each.template get<std::string>());
    }
  }
  return args;
}

Result<std::optional<std::uint64_t>> JsonArgs::count(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::optional<std::uint64_t>();
  if (found->second.kind != Kind::count) return expected(key, "a whole number");
  return std::optional(found->second.count);
}

Result<std::optional<std::chrono::milliseconds>> JsonArgs::duration(std::string_view key) const {
  using Found = std::optional<std::chrono::milliseconds>;
  const auto found = values_.find(key);
  if (found == values_.end()) return Found();
  const Value& value = found->second;
  if (value.kind == Kind::count && value.count == 0) return Found(std::chrono::milliseconds(0));
  if (value.kind != Kind::text) return expected(key, "a duration in quotes, such as \"20s\"");
  const auto duration = parse_duration(value.text);
  if (!duration)
    return Error{Errc::bad_argument, "'" + std::string(key) + "': " + duration.error().detail};
  return Found(*duration);
}

Result<std::optional<std::string>> JsonArgs::text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::optional<std::string>();
  if (found->second.kind != Kind::text) return expected(key, "a string");
  return std::optional(found->second.text);
}

Result<std::vector<std::string>> JsonArgs::texts(std::string_view key, std::size_t max) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.kind != Kind::list || found->second.list.empty())
    return expected(key, "an array of strings, at least one");
  if (found->second.list.size() > max)
    return expected(key, "at most " + std::to_string(max) + " strings");
  return found->second.list;
}

}  // namespace pannier::http
