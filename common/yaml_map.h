// YamlMap: a mapping being read, field by field, into values that hold their defaults already.
//
// It looks at a node and reports to a YamlProblems; both outlive it. One thread. No call fails:
// what is wrong is reported with its place, the value stays as it was, and reading goes on, so that
// one run shows every mistake. A key that is absent leaves its value alone. finish() reports the
// keys that nobody asked for, with the nearest known one; sections and list items are finished for
// the caller.
#pragma once

#include <concepts>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity.h"
#include "common/yaml_field.h"
#include "common/yaml_reader.h"

namespace pannier {

class YamlMap {
 public:
  YamlMap(const YamlNode& node, std::string path, UnknownKeys unknown, YamlProblems& problems);

  void text(std::string_view key, std::string& into, const TextRule& rule = {});
  void text_list(std::string_view key, std::vector<std::string>& into, std::size_t count_max,
                 const TextRule& rule = {});
  // A map of keys that are the file's own business, such as labels.
  void text_map(std::string_view key, std::map<std::string, std::string>& into,
                std::size_t count_max, const TextRule& key_rule, const TextRule& value_rule);
  void boolean(std::string_view key, bool& into);
  void bytes(std::string_view key, std::uint64_t& into, const ByteRange& range = {});
  void duration(std::string_view key, std::chrono::milliseconds& into,
                const DurationRange& range = {});
  void optional_duration(std::string_view key, std::optional<std::chrono::milliseconds>& into,
                         const DurationRange& range = {});
  void optional_timestamp(std::string_view key, std::optional<Timestamp>& into);

  template <std::integral T>
  void integer(std::string_view key, T& into, const IntegerRange& range = {}) {
    if (const auto value = read_integer(key, range)) into = static_cast<T>(*value);
  }

  template <typename E, std::size_t N>
  void choice(std::string_view key, E& into, const Named<E> (&names)[N]) {
    const YamlNode* node = take(key);
    if (node == nullptr) return;
    if (const auto index = read_choice(*node, path_of(key), names_of(names)))
      into = names[*index].value;
  }
  template <typename E, std::size_t N>
  void choice_list(std::string_view key, std::vector<E>& into, const Named<E> (&names)[N]) {
    const YamlNode* node = take_list(key, N);
    if (node == nullptr) return;
    into.clear();
    for (std::size_t i = 0; i < node->items.size(); ++i)
      if (const auto index = read_choice(node->items[i], item_path(key, i), names_of(names)))
        into.push_back(names[*index].value);
  }

  // A map under `key`. An absent one is read as an empty one, so that its required fields are
  // missed.
  template <typename Fields>
  void section(std::string_view key, Fields&& fields) {
    const YamlNode* node = take_map(key, true);
    if (node != nullptr) read_inner(*node, path_of(key), fields);
  }
  template <typename T, typename Fields>
  void optional_section(std::string_view key, std::optional<T>& into, Fields&& fields) {
    const YamlNode* node = take_map(key, false);
    if (node == nullptr) return;
    into.emplace();
    read_inner(*node, path_of(key), [&](YamlMap& inner) { fields(inner, *into); });
  }

  // A list of maps under `key`; what it holds replaces what `into` held.
  template <typename T, typename Fields>
  void list(std::string_view key, std::vector<T>& into, std::size_t count_max, Fields&& fields) {
    const YamlNode* node = take_list(key, count_max);
    if (node != nullptr) read_items(*node, key, into, fields);
  }
  template <typename T, typename Fields>
  void optional_list(std::string_view key, std::optional<std::vector<T>>& into,
                     std::size_t count_max, Fields&& fields) {
    const YamlNode* node = take_list(key, count_max);
    if (node != nullptr) read_items(*node, key, into.emplace(), fields);
  }

  // Reports `what` ("expected ..., found ...: what to do") at the value of `key` unless `fits`.
  void check(bool fits, std::string_view key, std::string_view what);

  // Reports `what` at `key` where it is: one that is known, and not to be used here.
  void refuse(std::string_view key, std::string_view what);

  // For mappings whose keys are the file's own business: the value, counted as asked for.
  const YamlNode* take(std::string_view key);

  void finish();

 private:
  template <typename Fields>
  void read_inner(const YamlNode& node, std::string path, Fields&& fields) {
    YamlMap inner(node, std::move(path), unknown_, problems_);
    fields(inner);
    inner.finish();
  }
  template <typename T, typename Fields>
  void read_items(const YamlNode& node, std::string_view key, std::vector<T>& into,
                  Fields&& fields) {
    into.clear();
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if (!want_map(node.items[i], item_path(key, i))) continue;
      T& item = into.emplace_back();
      read_inner(node.items[i], item_path(key, i), [&](YamlMap& inner) { fields(inner, item); });
    }
  }
  template <typename E, std::size_t N>
  static std::vector<std::string_view> names_of(const Named<E> (&names)[N]) {
    std::vector<std::string_view> result;
    for (const Named<E>& named : names) result.push_back(named.name);
    return result;
  }

  const YamlNode* take_map(std::string_view key, bool empty_if_absent);
  const YamlNode* take_list(std::string_view key, std::size_t count_max);
  const YamlNode* take_scalar(std::string_view key, std::string_view expected);
  bool want_map(const YamlNode& node, const std::string& path);
  std::optional<std::int64_t> read_integer(std::string_view key, const IntegerRange& range);
  std::optional<std::chrono::milliseconds> read_duration(std::string_view key,
                                                         const DurationRange& range);
  std::optional<std::string> read_text(const YamlNode& node, const std::string& path,
                                       const TextRule& rule);
  std::optional<std::size_t> read_choice(const YamlNode& node, const std::string& path,
                                         std::span<const std::string_view> names);
  void missing(std::string_view key, std::string_view expected);
  std::string path_of(std::string_view key) const;
  std::string item_path(std::string_view key, std::size_t index) const;

  const YamlNode& node_;
  std::string path_;
  UnknownKeys unknown_;
  YamlProblems& problems_;
  std::vector<std::string_view> asked_;
  std::vector<std::string_view> refused_;
  YamlNode absent_;  // what an absent section is read as
};

// Parses one document and reads it by `fields(YamlMap&, T&)`. A document whose `schemaVersion` is
// above `schema_version` is wrong_version before anything else about it is judged.
Result<void> check_schema_version(const YamlNode& root, std::string_view file, int schema_version);

template <typename T, typename Fields>
Result<T> read_document(std::string_view text, std::string_view file, const YamlLimits& limits,
                        UnknownKeys unknown, int schema_version, Fields&& fields) {
  const auto root = parse_yaml_document(text, file, limits);
  if (!root) return root.error();
  if (const auto known = check_schema_version(*root, file, schema_version); !known)
    return known.error();
  T value;
  YamlProblems problems{std::string(file)};
  YamlMap map(*root, "", unknown, problems);
  fields(map, value);
  map.finish();
  if (const auto read = problems.result(); !read) return read.error();
  return value;
}

}  // namespace pannier
