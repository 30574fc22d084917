// JsonMapWriter: writes a mapping as JSON, by the same calls that YamlMap reads it with, in the
// form that the API server keeps it in: defaults filled in, and left out what is empty and has
// none.
//
// Fills a JSON object that the caller owns. One thread; no errors: the caller hands over values
// that the reader would accept. For .cc files: it brings all of nlohmann-json.
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

class JsonMapWriter {
 public:
  explicit JsonMapWriter(nlohmann::json& out) : out_(out) {
    if (!out_.is_object()) out_ = nlohmann::json::object();
  }

  void text(std::string_view key, std::string_view value, const TextRule& = {}) {
    if (!value.empty()) put(key, value);
  }
  void text_list(std::string_view key, const std::vector<std::string>& values, std::size_t,
                 const TextRule& = {}) {
    if (!values.empty()) put(key, values);
  }
  void text_map(std::string_view key, const std::map<std::string, std::string>& values, std::size_t,
                const TextRule&, const TextRule&) {
    if (!values.empty()) put(key, values);
  }
  void boolean(std::string_view key, bool value) { put(key, value); }
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
  template <std::integral T>
  void integer(std::string_view key, T value, const IntegerRange& = {}) {
    put(key, value);
  }
  template <typename E, std::size_t N>
  void choice(std::string_view key, const E& value, const Named<E> (&names)[N]) {
    put(key, name_in(names, value));
  }
  template <typename E, std::size_t N>
  void choice_list(std::string_view key, const std::vector<E>& values, const Named<E> (&names)[N]) {
    if (values.empty()) return;
    nlohmann::json& items = put(key, nlohmann::json::array());
    for (const E value : values) items.push_back(name_in(names, value));
  }

  template <typename Fields>
  void section(std::string_view key, Fields&& fields) {
    JsonMapWriter inner(put(key, nlohmann::json::object()));
    fields(inner);
  }
  template <typename T, typename Fields>
  void optional_section(std::string_view key, const std::optional<T>& value, Fields&& fields) {
    if (value) section(key, [&](JsonMapWriter& inner) { fields(inner, *value); });
  }
  template <typename T, typename Fields>
  void list(std::string_view key, const std::vector<T>& items, std::size_t count_max,
            Fields&& fields) {
    if (!items.empty()) optional_list(key, std::optional(items), count_max, fields);
  }
  // One that is there and empty says something else than none.
  template <typename T, typename Fields>
  void optional_list(std::string_view key, const std::optional<std::vector<T>>& items, std::size_t,
                     Fields&& fields) {
    if (!items) return;
    nlohmann::json& out = put(key, nlohmann::json::array());
    for (const T& item : *items) {
      JsonMapWriter inner(out.emplace_back(nlohmann::json::object()));
      fields(inner, item);
    }
  }
  void check(bool, std::string_view, std::string_view) {}

 private:
  template <typename T>
  nlohmann::json& put(std::string_view key, T&& value) {
    return out_[std::string(key)] = std::forward<T>(value);
  }

  nlohmann::json& out_;
};

}  // namespace pannier::api
