#include "operator/api/json_yaml.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

namespace pannier::api {
namespace {

using nlohmann::json;

constexpr YamlMark kNowhere{0, 0};

YamlNode scalar(std::string text, bool quoted) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.quoted = quoted;
  node.mark = kNowhere;
  node.text = std::move(text);
  return node;
}

bool is_true(std::string_view text) {
  const char first = text.front();
  return first == 't' || first == 'T' || first == 'y' || first == 'Y' || text == "on" ||
         text == "On" || text == "ON";
}

// -12, +0x1f, 0o17, 0b1; nothing for what 64 bits cannot hold. Leading zeros are octal in YAML 1.1.
std::optional<json> integer_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    base = text[1] == 'x' ? 16 : text[1] == 'b' ? 2 : 8;
    text.remove_prefix(text[1] == 'x' || text[1] == 'b' || text[1] == 'o' ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (fault != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  if (!negative) return json(value);
  if (value > std::uint64_t{1} << 63) return std::nullopt;
  return json(static_cast<std::int64_t>(-value));
}

Result<json> number_of(const YamlNode& node) {
  std::string_view text = node.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault == std::errc{} && stop == text.data() + text.size() && std::isfinite(value))
    return json(value);
  return Error{Errc::bad_argument, std::to_string(node.mark.line) + ":" +
                                       std::to_string(node.mark.column) +
                                       ": expected a number that JSON can hold, found " +
                                       found_text(node) + ": put it in quotes if it is text"};
}

Result<json> scalar_json(const YamlNode& node) {
  switch (scalar_type(node)) {
    case YamlScalar::null: return json(nullptr);
    case YamlScalar::boolean: return json(is_true(node.text));
    case YamlScalar::integer:
      if (auto value = integer_of(node.text)) return std::move(*value);
      return number_of(node);
    case YamlScalar::number: return number_of(node);
    case YamlScalar::text: break;
  }
  return json(node.text);
}

}  // namespace

YamlNode yaml_node_of(const json& value) {
  YamlNode node;
  node.mark = kNowhere;
  switch (value.type()) {
    case json::value_t::object:
      node.kind = YamlNode::Kind::map;
      for (const auto& [key, item] : value.items()) {
        if (item.is_null()) continue;
        node.keys.push_back({key, kNowhere});
        node.items.push_back(yaml_node_of(item));
      }
      return node;
    case json::value_t::array:
      node.kind = YamlNode::Kind::list;
      for (const json& item : value) node.items.push_back(yaml_node_of(item));
      return node;
    case json::value_t::string: return scalar(value.get_ref<const std::string&>(), true);
    case json::value_t::boolean:
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float: return scalar(value.dump(), false);
    default: return node;
  }
}

Result<json> json_of(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::null) return json(nullptr);
  if (node.kind == YamlNode::Kind::scalar) return scalar_json(node);
  json value = node.kind == YamlNode::Kind::list ? json::array() : json::object();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    auto item = json_of(node.items[i]);
    if (!item) return item.error();
    if (node.kind == YamlNode::Kind::list)
      value.push_back(std::move(*item));
    else
      value[node.keys[i].text] = std::move(*item);
  }
  return value;
}

}  // namespace pannier::api
