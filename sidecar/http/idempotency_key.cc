#include "sidecar/http/idempotency_key.h"

#include <algorithm>

#include "sidecar/http/message_fields.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::string_view kField = "Idempotency-Key";

Error refused(std::string_view why) {
  return {Errc::bad_argument, std::string(kField) + ": " + std::string(why)};
}

bool is_printable(char each) { return each >= 0x20 && each < 0x7F; }

// What would be a list, parameters or half a string is no word.
bool is_word(std::string_view text) {
  return std::ranges::all_of(text, [](char each) {
    return is_printable(each) && std::string_view(" \",;\\").find(each) == std::string_view::npos;
  });
}

std::optional<std::string> unquoted(std::string_view text) {
  std::string key;
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return {};
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '\\';
    if (!is_printable(text[i]) || text[i] == '"') return {};
    if (is_escape && (++i == text.size() || (text[i] != '"' && text[i] != '\\'))) return {};
    key += text[i];
  }
  return key;
}

}  // namespace

Result<std::optional<std::string>> idempotency_key(const Request& request) {
  std::optional<std::string_view> text;
  for (const auto& [name, value] : request.fields) {
    if (!same_name(name, kField)) continue;
    if (text) return refused("expected once, found more");
    text = value;
  }
  if (!text) return std::optional<std::string>();
  std::optional<std::string> key = unquoted(*text);
  if (!key && is_word(*text)) key = std::string(*text);
  if (!key) return refused("expected a string in quotes, or a word");
  if (key->empty()) return refused("it is empty");
  if (key->size() > kShortTextMax)
    return refused("expected at most 255 bytes, found " + std::to_string(key->size()));
  return key;
}

std::string idempotency_field(std::string_view key) {
  if (key.empty() || !std::ranges::all_of(key, is_printable)) return {};
  std::string text = "\"";
  for (const char each : key) {
    if (each == '"' || each == '\\') text += '\\';
    text += each;
  }
  return text + '"';
}

}  // namespace pannier::http
