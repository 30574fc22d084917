#include "common/json_text.h"

#include "common/utf8.h"

namespace pannier {
namespace {

void append_character(std::string& to, char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"': to += "\\\""; return;
    case '\\': to += "\\\\"; return;
    case '\b': to += "\\b"; return;
    case '\f': to += "\\f"; return;
    case '\n': to += "\\n"; return;
    case '\r': to += "\\r"; return;
    case '\t': to += "\\t"; return;
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20) {
    to += c;
  } else {
    to += "\\u00";
    to += kDigits[byte >> 4];
    to += kDigits[byte & 15];
  }
}

}  // namespace

void append_json_escaped(std::string& to, std::string_view text) {
  while (true) {
    const std::size_t fault = utf8_fault_at(text);
    for (const char c : text.substr(0, fault)) append_character(to, c);
    if (fault == text.size()) return;
    to += "\xef\xbf\xbd";
    text.remove_prefix(fault + 1);
  }
}

}  // namespace pannier
