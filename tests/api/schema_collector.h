// SchemaCollector: an Io of yaml_field.h that writes down what a description of fields says, as the
// schema that a CRD must have for it: types, defaults, limits and names of values.
//
// Fills JSON that the test owns. One thread.
#pragma once

#include <concepts>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity.h"
#include "common/yaml_field.h"

namespace pannier::api {

// The regular expression for what a rule's function takes; not empty for one that has a function.
std::string pattern_of(const TextRule& rule);

inline constexpr std::string_view kQuantityPattern =
    R"(^[0-9]+(\.[0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+]?[0-9]+)?$)";
inline constexpr std::string_view kDurationPattern = R"(^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$)";

class SchemaCollector {
 public:
  using Json = nlohmann::json;

  // `rules` gets the messages of the checks of all fields within.
  SchemaCollector(Json& schema, std::vector<std::string>& rules) : schema_(schema), rules_(rules) {
    schema_["type"] = "object";
    if (!schema_.contains("properties")) schema_["properties"] = Json::object();
  }

  void text(std::string_view key, const std::string& value, const TextRule& rule = {}) {
    Json& field = put(key, text_schema(rule));
    if (!value.empty())
      field["default"] = value;
    else if (rule.required)
      schema_["required"].push_back(key);
  }
  void text_list(std::string_view key, const std::vector<std::string>&, std::size_t count_max,
                 const TextRule& rule = {}) {
    TextRule item = rule;
    item.required = !rule.empty_items;
    put(key, {{"type", "array"}, {"maxItems", count_max}, {"items", text_schema(item)}});
  }
  void text_map(std::string_view key, const std::map<std::string, std::string>&,
                std::size_t count_max, const TextRule&, const TextRule& value_rule) {
    put(key, {{"type", "object"},
              {"maxProperties", count_max},
              {"additionalProperties", text_schema(value_rule)}});
  }
  void boolean(std::string_view key, bool value) {
    put(key, {{"type", "boolean"}, {"default", value}});
  }
  void bytes(std::string_view key, std::uint64_t value, const ByteRange& range = {}) {
    Json& field = put(key, {{"x-kubernetes-int-or-string", true},
                            {"minimum", range.min},
                            {"maxLength", 32},
                            {"pattern", kQuantityPattern},
                            {"default", quantity_text(value)}});
    if (range.max != ByteRange{}.max) field["maximum"] = range.max;
  }
  void duration(std::string_view key, std::chrono::milliseconds value,
                const DurationRange& range = {}) {
    optional_duration(key, std::nullopt, range);
    schema_["properties"][std::string(key)]["default"] = duration_text(value);
  }
  void optional_duration(std::string_view key, std::optional<std::chrono::milliseconds>,
                         const DurationRange& range = {}) {
    put(key, {{"type", "string"}, {"maxLength", 32}, {"pattern", kDurationPattern}});
    rules_.push_back("expected a duration from " + duration_text(range.min) + " to " +
                     duration_text(range.max) + ", found another one: choose one in that range");
  }
  template <std::integral T>
  void integer(std::string_view key, T value, const IntegerRange& range = {}) {
    constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
    Json& field = put(key, {{"type", "integer"},
                            {"format", range.max > kInt32Max ? "int64" : "int32"},
                            {"minimum", range.min},
                            {"default", value}});
    if (range.max != IntegerRange{}.max) field["maximum"] = range.max;
  }
  template <typename E, std::size_t N>
  void choice(std::string_view key, const E& value, const Named<E> (&names)[N]) {
    Json field = choice_schema(names);
    field["default"] = name_in(names, value);
    put(key, std::move(field));
  }
  template <typename E, std::size_t N>
  void choice_list(std::string_view key, const std::vector<E>&, const Named<E> (&names)[N]) {
    put(key, {{"type", "array"}, {"maxItems", N}, {"items", choice_schema(names)}});
  }

  // Defaults within need a default of the whole: an absent one has nothing to put them into.
  template <typename Fields>
  void section(std::string_view key, Fields&& fields) {
    Json& field = put(key, {{"default", Json::object()}});
    SchemaCollector inner(field, rules_);
    fields(inner);
  }
  // What is absent has no defaults either.
  template <typename T, typename Fields>
  void optional_section(std::string_view key, const std::optional<T>&, Fields&& fields) {
    T value{};
    SchemaCollector inner(put(key, Json::object()), rules_);
    fields(inner, value);
  }
  template <typename T, typename Fields>
  void list(std::string_view key, const std::vector<T>&, std::size_t count_max, Fields&& fields) {
    Json& field = put(key, {{"type", "array"}, {"maxItems", count_max}});
    T item{};
    SchemaCollector inner(field["items"], rules_);
    fields(inner, item);
  }
  template <typename T, typename Fields>
  void optional_list(std::string_view key, const std::optional<std::vector<T>>&,
                     std::size_t count_max, Fields&& fields) {
    list(key, std::vector<T>{}, count_max, fields);
  }
  void check(bool, std::string_view, std::string_view what) { rules_.emplace_back(what); }

 private:
  Json& put(std::string_view key, Json field) {
    return schema_["properties"][std::string(key)] = std::move(field);
  }
  static Json text_schema(const TextRule& rule) {
    Json field{{"type", "string"}, {"maxLength", rule.bytes_max}};
    if (rule.required) field["minLength"] = 1;
    if (const std::string pattern = pattern_of(rule); !pattern.empty()) field["pattern"] = pattern;
    return field;
  }
  template <typename E, std::size_t N>
  static Json choice_schema(const Named<E> (&names)[N]) {
    Json values = Json::array();
    for (const Named<E>& named : names) values.push_back(named.name);
    return {{"type", "string"}, {"enum", values}};
  }

  Json& schema_;
  std::vector<std::string>& rules_;
};

}  // namespace pannier::api
