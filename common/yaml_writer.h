// YamlMapWriter: writes a mapping field by field, by the same calls that YamlMap reads it with.
//
// Appends to a string that the caller owns. One thread; no errors: the caller hands over values
// that the reader would accept. The text is canonical: one form for one value, fields in the order
// of the calls, all of them written out, so that equal values have equal text and no reader needs
// our defaults.
#pragma once

#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity.h"
#include "common/yaml_field.h"

namespace pannier {

// `text` as a YAML scalar that reads back as that very text: plain, else in single or double
// quotes.
std::string yaml_text(std::string_view text);

class YamlMapWriter {
 public:
  explicit YamlMapWriter(std::string& out) : out_(out) {}

  void text(std::string_view key, const std::string& value, const TextRule& = {}) {
    put(key, yaml_text(value));
  }
  void text_list(std::string_view key, const std::vector<std::string>& values, std::size_t,
                 const TextRule& = {}) {
    put_list(key, values, yaml_text);
  }
  void text_map(std::string_view key, const std::map<std::string, std::string>& values, std::size_t,
                const TextRule&, const TextRule&) {
    if (values.empty()) return put(key, "{}");
    section(key, [&](YamlMapWriter& inner) {
      for (const auto& [name, value] : values) inner.put(yaml_text(name), yaml_text(value));
    });
  }
  void boolean(std::string_view key, bool value) { put(key, value ? "true" : "false"); }
  void bytes(std::string_view key, std::uint64_t value, const ByteRange& = {}) {
    put(key, quantity_text(value));
  }
  void duration(std::string_view key, std::chrono::milliseconds value, const DurationRange& = {}) {
    put(key, duration_text(value));
  }
  void optional_duration(std::string_view key, std::optional<std::chrono::milliseconds> value,
                         const DurationRange& = {}) {
    if (value) put(key, duration_text(*value));
  }
  void optional_timestamp(std::string_view key, std::optional<Timestamp> value) {
    if (value) put(key, timestamp_text(*value));
  }
  template <std::integral T>
  void integer(std::string_view key, T value, const IntegerRange& = {}) {
    put(key, std::to_string(value));
  }
  template <typename E, std::size_t N>
  void choice(std::string_view key, const E& value, const Named<E> (&names)[N]) {
    put(key, yaml_text(name_in(names, value)));
  }
  template <typename E, std::size_t N>
  void choice_list(std::string_view key, const std::vector<E>& values, const Named<E> (&names)[N]) {
    put_list(key, values, [&](E value) { return yaml_text(name_in(names, value)); });
  }

  template <typename Fields>
  void section(std::string_view key, Fields&& fields) {
    start_line(std::string(key) + ":\n");
    YamlMapWriter inner(out_, indent_ + 2, false);
    fields(inner);
  }
  template <typename T, typename Fields>
  void optional_section(std::string_view key, const std::optional<T>& value, Fields&& fields) {
    if (value) section(key, [&](YamlMapWriter& inner) { fields(inner, *value); });
  }
  template <typename T, typename Fields>
  void list(std::string_view key, const std::vector<T>& items, std::size_t, Fields&& fields) {
    if (items.empty()) return put(key, "[]");
    start_line(std::string(key) + ":\n");
    for (const T& item : items) {
      YamlMapWriter inner(out_, indent_ + 2, true);
      fields(inner, item);
    }
  }
  template <typename T, typename Fields>
  void optional_list(std::string_view key, const std::optional<std::vector<T>>& items,
                     std::size_t count_max, Fields&& fields) {
    if (items) list(key, *items, count_max, fields);
  }
  void check(bool, std::string_view, std::string_view) {}

 private:
  YamlMapWriter(std::string& out, std::size_t indent, bool is_item)
      : out_(out), indent_(indent), dash_next_(is_item) {}

  void start_line(std::string_view rest) {
    out_.append(dash_next_ ? indent_ - 2 : indent_, ' ');
    if (dash_next_) out_ += "- ";
    dash_next_ = false;
    out_ += rest;
  }
  void put(std::string_view key, std::string_view value) {
    start_line(key);
    out_.append(": ").append(value) += '\n';
  }
  template <typename T, typename ToText>
  void put_list(std::string_view key, const std::vector<T>& values, ToText to_text) {
    std::string line = "[";
    for (const T& value : values) {
      if (line.size() > 1) line += ", ";
      line += to_text(value);
    }
    put(key, line + "]");
  }

  std::string& out_;
  std::size_t indent_ = 0;
  bool dash_next_ =
      false;  // this mapping is an item of a list, and its first line carries the dash
};

}  // namespace pannier
