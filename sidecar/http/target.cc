#include "sidecar/http/target.h"

#include <algorithm>

#include "common/utf8.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return Error{Errc::bad_syntax, "a '%' in the target is not followed by two hex digits"};
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (result.find('\0') != std::string::npos)
    return Error{Errc::bad_syntax, "the target holds a zero byte"};
  if (!is_utf8(result)) return Error{Errc::bad_syntax, "the target is not UTF-8"};
  return result;
}

// Calls `each` with the pieces between the separators; one at least.
template <typename Each>
Result<void> split(std::string_view text, char separator, Each each) {
  for (;;) {
    const std::size_t end = text.find(separator);
    if (auto done = each(text.substr(0, end)); !done) return done;
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

Result<void> add_query(std::string_view text, Target& target) {
  return split(text, '&', [&target](std::string_view pair) -> Result<void> {
    if (pair.empty()) return {};
    const std::size_t equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals));
    if (!name) return name.error();
    auto value =
        decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (!value) return value.error();
    target.query.emplace_back(std::move(*name), std::move(*value));
    return {};
  });
}

Result<void> add_path(std::string_view text, Target& target) {
  if (text.empty() || text.front() != '/')
    return Error{Errc::bad_syntax, "the target does not begin with '/'"};
  text.remove_prefix(1);
  if (text.empty()) return {};
  return split(text, '/', [&target](std::string_view segment) -> Result<void> {
    auto plain = decoded(segment);
    if (!plain) return plain.error();
    target.segments.push_back(std::move(*plain));
    return {};
  });
}

}  // namespace

Result<Target> decode_target(std::string_view method, std::string_view text) {
  Target target;
  if (text == "*" && method == "OPTIONS") return target;
  if (std::any_of(text.begin(), text.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return octet <= 0x20 || octet >= 0x7f || c == '#';
      }))
    return Error{Errc::bad_syntax, "the target holds a character that has to be escaped"};
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos &&
      (same_name(text.substr(0, scheme), "http") || same_name(text.substr(0, scheme), "https"))) {
    text.remove_prefix(scheme + 3);
    const std::size_t path = std::min(text.find_first_of("/?"), text.size());
    target.authority = text.substr(0, path);
    text.remove_prefix(path);
    if (target.authority.empty()) return Error{Errc::bad_syntax, "the target names no host"};
    if (text.empty()) text = "/";
  }
  const std::size_t mark = text.find('?');
  const std::string_view path = text.substr(0, mark);
  if (auto done = add_path(path.empty() && !target.authority.empty() ? "/" : path, target); !done)
    return done.error();
  if (mark != std::string_view::npos)
    if (auto done = add_query(text.substr(mark + 1), target); !done) return done.error();
  return target;
}

}  // namespace pannier::http
