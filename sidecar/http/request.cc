#include "sidecar/http/request.h"

#include <algorithm>

namespace pannier::http {
namespace {

char lower(char each) { return each >= 'A' && each <= 'Z' ? static_cast<char>(each + 32) : each; }

bool is_same(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

}  // namespace

std::optional<std::string_view> Request::field(std::string_view name) const {
  for (const auto& [each, value] : fields)
    if (is_same(each, name)) return value;
  return {};
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (const auto& [each, value] : query)
    if (each == name) return value;
  return {};
}

}  // namespace pannier::http
