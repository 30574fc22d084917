#include "common/scrypt_text.h"

#include <algorithm>

namespace pannier {
namespace {

bool take(std::string_view& rest, std::string_view prefix) {
  if (!rest.starts_with(prefix)) return false;
  rest.remove_prefix(prefix.size());
  return true;
}

// A number of one or two digits without a leading zero.
std::optional<unsigned> take_number(std::string_view& rest, unsigned min, unsigned max) {
  unsigned value = 0;
  std::size_t size = 0;
  for (; size < rest.size() && rest[size] >= '0' && rest[size] <= '9' && size < 2; ++size)
    value = value * 10 + static_cast<unsigned>(rest[size] - '0');
  if (size == 0 || rest.front() == '0' || value < min || value > max) return std::nullopt;
  rest.remove_prefix(size);
  return value;
}

bool is_base64(std::string_view text, std::size_t size_min) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  };
  return text.size() >= size_min && text.size() % 4 != 1 &&
         std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

std::optional<ScryptText> parse_scrypt_text(std::string_view text) {
  if (!take(text, "$scrypt$ln=")) return std::nullopt;
  const auto cost = take_number(text, 10, 16);
  if (!cost || !take(text, ",r=")) return std::nullopt;
  const auto block = take_number(text, 1, 8);
  if (!block || !take(text, ",p=")) return std::nullopt;
  const auto parallel = take_number(text, 1, 4);
  if (!parallel || !take(text, "$")) return std::nullopt;
  const std::size_t end = text.find('$');
  if (end == std::string_view::npos) return std::nullopt;
  const ScryptText parts{*cost, *block, *parallel, text.substr(0, end), text.substr(end + 1)};
  if (!is_base64(parts.salt, 22) || !is_base64(parts.hash, 43)) return std::nullopt;
  return parts;
}

}  // namespace pannier
