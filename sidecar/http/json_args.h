// JsonArgs: a call's JSON object, read strictly: what it does not know is an error that names it.
//
// A value; loop thread. Small: the request's body is limited before (ApiLimits::request_bytes_max).
// Errors are bad_argument.
#pragma once

#include <chrono>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace pannier::http {

class JsonArgs {
 public:
  // An empty text is an empty object.
  static Result<JsonArgs> parse(std::string_view text,
                                std::initializer_list<std::string_view> known);

  // Nothing when the key is not there.
  Result<std::optional<std::uint64_t>> count(std::string_view key) const;
  Result<std::optional<std::chrono::milliseconds>> duration(std::string_view key) const;
  Result<std::optional<std::string>> text(std::string_view key) const;
  Result<std::vector<std::string>> texts(std::string_view key, std::size_t max) const;

 private:
  enum class Kind : std::uint8_t { text, count, list, other };
  struct Value {
    Kind kind = Kind::other;
    std::string text;
    std::uint64_t count = 0;
    std::vector<std::string> list;
  };
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace pannier::http
