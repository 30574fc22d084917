#include "operator/local/status_json.h"

#include <nlohmann/json.hpp>

namespace pannier::local {
namespace {

using nlohmann::json;

const json& nothing() {
  static const json none;
  return none;
}

}  // namespace

const json& field_in(const json& from, std::string_view name) {
  if (!from.is_object()) return nothing();
  const auto found = from.find(std::string(name));
  return found == from.end() ? nothing() : *found;
}

std::string text_in(const json& from, std::string_view name) {
  const json& field = field_in(from, name);
  return field.is_string() ? field.get<std::string>() : std::string();
}

std::uint64_t number_in(const json& from, std::string_view name) {
  const json& field = field_in(from, name);
  if (field.is_number_unsigned()) return field.get<std::uint64_t>();
  return field.is_number_integer() && field.get<std::int64_t>() > 0 ? field.get<std::uint64_t>()
                                                                    : 0;
}

std::optional<Timestamp> time_in(const json& from, std::string_view name) {
  const auto time = parse_timestamp(text_in(from, name));
  return time ? std::optional<Timestamp>(*time) : std::nullopt;
}

const json& item_named(const json& list, std::string_view name, std::string_view value) {
  if (list.is_array())
    for (const json& item : list)
      if (text_in(item, name) == value) return item;
  return nothing();
}

}  // namespace pannier::local
