#include "common/yaml_map.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace pannier {
namespace {

std::string expected_found(std::string_view expected, const YamlNode& node,
                           std::string_view advice) {
  return "expected " + std::string(expected) + ", found " + found_text(node) + ": " +
         std::string(advice);
}

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// How many letters must be put in, taken out or replaced to make one of the other, capitals aside.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest(std::string_view typed,
                                        std::span<const std::string_view> names) {
  constexpr std::size_t kNameBytesMax = 64;  // keeps the table small whatever was typed
  if (typed.size() > kNameBytesMax) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string_view name : names) {
    const std::size_t here = distance(typed, name);
    if (here >= best_distance || here >= std::max(typed.size(), name.size())) continue;
    best = name;
    best_distance = here;
  }
  return best;
}

template <typename Value, typename ToText>
std::string outside(std::string_view what, Value min, Value max, Value found, ToText to_text) {
  return "expected " + std::string(what) + " from " + to_text(min) + " to " + to_text(max) +
         ", found " + to_text(found) + ": choose one in that range";
}

std::string range_text(const IntegerRange& range) {
  std::string text = "a whole number";
  if (range.max != IntegerRange{}.max)
    text += " from " + std::to_string(range.min) + " to " + std::to_string(range.max);
  else if (range.min != std::numeric_limits<std::int64_t>::min())
    text += " of at least " + std::to_string(range.min);
  return text;
}

}  // namespace

YamlMap::YamlMap(const YamlNode& node, std::string path, UnknownKeys unknown,
                 YamlProblems& problems)
    : node_(node), path_(std::move(path)), unknown_(unknown), problems_(problems) {
  want_map(node_, path_);
  absent_.kind = YamlNode::Kind::map;
  absent_.mark = node.mark;
}

void YamlMap::text(std::string_view key, std::string& into, const TextRule& rule) {
  const YamlNode* node = take(key);
  if (node == nullptr) {
    if (rule.required && into.empty()) missing(key, rule.expected);
    return;
  }
  if (auto value = read_text(*node, path_of(key), rule)) into = std::move(*value);
}

void YamlMap::text_list(std::string_view key, std::vector<std::string>& into, std::size_t count_max,
                        const TextRule& rule) {
  const YamlNode* node = take_list(key, count_max);
  if (node == nullptr) return;
  into.clear();
  TextRule item_rule = rule;
  item_rule.required = !rule.empty_items;
  for (std::size_t i = 0; i < node->items.size(); ++i)
    if (auto value = read_text(node->items[i], item_path(key, i), item_rule))
      into.push_back(std::move(*value));
}

void YamlMap::text_map(std::string_view key, std::map<std::string, std::string>& into,
                       std::size_t count_max, const TextRule& key_rule,
                       const TextRule& value_rule) {
  const YamlNode* node = take(key);
  if (node == nullptr || !want_map(*node, path_of(key))) return;
  if (node->keys.size() > count_max) {
    problems_.add(node->mark, path_of(key),
                  "expected at most " + std::to_string(count_max) + " keys, found " +
                      std::to_string(node->keys.size()) + ": remove some");
    return;
  }
  into.clear();
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const YamlNode::Key& name = node->keys[i];
    const std::string path = path_of(key) + "." + name.text.substr(0, 255);
    if (name.text.size() > key_rule.bytes_max ||
        (key_rule.fits != nullptr && !key_rule.fits(name.text)))
      problems_.add(name.mark, path,
                    "expected " + std::string(key_rule.expected) + " as the key, found " +
                        quoted_for_people(name.text) + ": correct it");
    else if (auto value = read_text(node->items[i], path, value_rule))
      into.emplace(name.text, std::move(*value));
  }
}

void YamlMap::boolean(std::string_view key, bool& into) {
  const YamlNode* node = take_scalar(key, "true or false");
  if (node == nullptr) return;
  const bool is_true = node->text == "true", is_false = node->text == "false";
  if (!node->quoted && (is_true || is_false)) {
    into = is_true;
    return;
  }
  problems_.add(node->mark, path_of(key),
                expected_found("true or false", *node, "write true or false, without quotes"));
}

void YamlMap::bytes(std::string_view key, std::uint64_t& into, const ByteRange& range) {
  const YamlNode* node = take_scalar(key, "a number of bytes such as 500Mi, 1Gi or 100k");
  if (node == nullptr) return;
  const auto value = parse_quantity(node->text);
  if (!value) {
    problems_.add(node->mark, path_of(key), value.error().detail);
  } else if (*value < range.min || *value > range.max) {
    problems_.add(node->mark, path_of(key),
                  outside("a number of bytes", range.min, range.max, *value, quantity_text));
  } else {
    into = *value;
  }
}

void YamlMap::duration(std::string_view key, std::chrono::milliseconds& into,
                       const DurationRange& range) {
  if (const auto value = read_duration(key, range)) into = *value;
}

void YamlMap::optional_duration(std::string_view key,
                                std::optional<std::chrono::milliseconds>& into,
                                const DurationRange& range) {
  if (const auto value = read_duration(key, range)) into = *value;
}

void YamlMap::optional_timestamp(std::string_view key, std::optional<Timestamp>& into) {
  const YamlNode* node = take_scalar(key, "a time such as 2026-11-22T10:00:00Z");
  if (node == nullptr) return;
  const auto value = parse_timestamp(node->text);
  if (value)
    into = *value;
  else
    problems_.add(node->mark, path_of(key), value.error().detail);
}

void YamlMap::check(bool fits, std::string_view key, std::string_view what) {
  if (fits) return;
  const YamlNode* node = node_.find(key);
  problems_.add(node != nullptr ? node->mark : node_.mark, path_of(key), what);
}

void YamlMap::refuse(std::string_view key, std::string_view what) {
  if (node_.kind != YamlNode::Kind::map || node_.find(key) == nullptr) return;
  refused_.push_back(key);
  const auto named = [&](const YamlNode::Key& each) { return each.text == key; };
  const auto at = std::find_if(node_.keys.begin(), node_.keys.end(), named);
  problems_.add(at->mark, path_of(key), what);
}

const YamlNode* YamlMap::take(std::string_view key) {
  asked_.push_back(key);
  return node_.kind == YamlNode::Kind::map ? node_.find(key) : nullptr;
}

void YamlMap::finish() {
  if (unknown_ == UnknownKeys::ignore) return;
  constexpr std::size_t kReportedMax = 20;
  std::size_t reported = 0;
  for (const YamlNode::Key& key : node_.keys) {
    if (std::find(asked_.begin(), asked_.end(), key.text) != asked_.end()) continue;
    if (std::find(refused_.begin(), refused_.end(), key.text) != refused_.end()) continue;
    if (++reported > kReportedMax) return;
    const auto near = nearest(key.text, asked_);
    std::string advice = "remove it";
    if (near)
      advice = "did you mean " + std::string(*near) + "?";
    else if (!asked_.empty())
      advice += "; the keys here are " + joined(asked_);
    problems_.add(key.mark, path_of(key.text.substr(0, 255)),
                  "expected a known key, found " + quoted_for_people(key.text) + ": " + advice);
  }
}

const YamlNode* YamlMap::take_map(std::string_view key, bool empty_if_absent) {
  const YamlNode* node = take(key);
  if (node == nullptr) return empty_if_absent ? &absent_ : nullptr;
  return want_map(*node, path_of(key)) ? node : nullptr;
}

const YamlNode* YamlMap::take_list(std::string_view key, std::size_t count_max) {
  const YamlNode* node = take(key);
  if (node == nullptr) return nullptr;
  if (node->kind != YamlNode::Kind::list) {
    problems_.add(node->mark, path_of(key),
                  expected_found("a list", *node, "write a list, [] for an empty one"));
    return nullptr;
  }
  if (node->items.size() <= count_max) return node;
  problems_.add(node->mark, path_of(key),
                "expected at most " + std::to_string(count_max) + " items, found " +
                    std::to_string(node->items.size()) + ": remove some");
  return nullptr;
}

const YamlNode* YamlMap::take_scalar(std::string_view key, std::string_view expected) {
  const YamlNode* node = take(key);
  if (node == nullptr || node->kind == YamlNode::Kind::scalar) return node;
  problems_.add(node->mark, path_of(key),
                expected_found(expected, *node, "write one, or remove the key"));
  return nullptr;
}

bool YamlMap::want_map(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::map) return true;
  problems_.add(node.mark, path,
                expected_found("a map", node, "write keys and values, {} for none"));
  return false;
}

std::optional<std::int64_t> YamlMap::read_integer(std::string_view key, const IntegerRange& range) {
  const YamlNode* node = take_scalar(key, range_text(range));
  if (node == nullptr) return std::nullopt;
  std::int64_t value = 0;
  const char* end = node->text.data() + node->text.size();
  const auto [stop, fault] = std::from_chars(node->text.data(), end, value);
  const bool octal = node->text.size() > 1 && node->text.front() == '0';
  if (node->quoted || stop != end || octal || fault == std::errc::invalid_argument) {
    problems_.add(
        node->mark, path_of(key),
        expected_found(range_text(range), *node, "write it in decimal digits, without quotes"));
    return std::nullopt;
  }
  if (fault == std::errc{} && value >= range.min && value <= range.max) return value;
  problems_.add(node->mark, path_of(key),
                expected_found(range_text(range), *node, "choose one in that range"));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> YamlMap::read_duration(std::string_view key,
                                                                const DurationRange& range) {
  const YamlNode* node = take_scalar(key, "a duration such as 250ms, 60s or 1h30m");
  if (node == nullptr) return std::nullopt;
  const auto value = parse_duration(node->text);
  if (value && *value >= range.min && *value <= range.max) return *value;
  problems_.add(node->mark, path_of(key),
                value ? outside("a duration", range.min, range.max, *value, duration_text)
                      : value.error().detail);
  return std::nullopt;
}

std::optional<std::string> YamlMap::read_text(const YamlNode& node, const std::string& path,
                                              const TextRule& rule) {
  if (node.kind != YamlNode::Kind::scalar || scalar_type(node) != YamlScalar::text) {
    const bool scalar = node.kind == YamlNode::Kind::scalar;
    const std::string advice = scalar ? "put it in quotes" : "write text, \"\" for none";
    problems_.add(node.mark, path,
                  scalar && rule.secret ? "expected text, found another kind of value: " + advice
                                        : expected_found(rule.expected, node, advice));
    return std::nullopt;
  }
  if (node.text.size() > rule.bytes_max) {
    problems_.add(node.mark, path,
                  "expected at most " + std::to_string(rule.bytes_max) + " bytes, found " +
                      std::to_string(node.text.size()) + ": make it shorter");
    return std::nullopt;
  }
  const bool empty = node.text.empty();
  if (empty ? !rule.required : rule.fits == nullptr || rule.fits(node.text)) return node.text;
  problems_.add(node.mark, path,
                rule.secret ? "expected " + std::string(rule.expected) +
                                  ", found something else (not shown here): correct it"
                            : expected_found(rule.expected, node, "correct it"));
  return std::nullopt;
}

std::optional<std::size_t> YamlMap::read_choice(const YamlNode& node, const std::string& path,
                                                std::span<const std::string_view> names) {
  if (node.kind == YamlNode::Kind::scalar)
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == node.text) return i;
  std::string advice = "choose one of them";
  if (node.kind == YamlNode::Kind::scalar)
    if (const auto near = nearest(node.text, names))
      advice = "did you mean " + std::string(*near) + "?";
  problems_.add(node.mark, path, expected_found("one of " + joined(names), node, advice));
  return std::nullopt;
}

void YamlMap::missing(std::string_view key, std::string_view expected) {
  if (node_.kind != YamlNode::Kind::map) return;  // reported as a whole
  problems_.add(node_.mark, path_of(key),
                "expected " + std::string(expected) + ", found no such key: add it");
}

std::string YamlMap::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::string YamlMap::item_path(std::string_view key, std::size_t index) const {
  return path_of(key) + "[" + std::to_string(index) + "]";
}

Result<void> check_schema_version(const YamlNode& root, std::string_view file, int schema_version) {
  const YamlNode* node = root.kind == YamlNode::Kind::map ? root.find("schemaVersion") : nullptr;
  if (node == nullptr || scalar_type(*node) != YamlScalar::integer)
    return {};  // judged with the rest
  std::int64_t found = 0;
  const char* end = node->text.data() + node->text.size();
  const auto [stop, fault] = std::from_chars(node->text.data(), end, found);
  const bool newer =
      fault == std::errc::result_out_of_range || (fault == std::errc{} && found > schema_version);
  if (stop != end || !newer) return {};
  YamlProblems problems{std::string(file)};
  problems.add(node->mark, "schemaVersion",
               expected_found(std::to_string(schema_version) + " or less", *node,
                              "it was written for a newer release; upgrade this program"));
  return Error{Errc::wrong_version, problems.result().error().detail};
}

}  // namespace pannier
