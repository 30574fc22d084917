#include "common/yaml_writer.h"

#include <array>
#include <cstdio>

#include "common/yaml_reader.h"

namespace pannier {
namespace {

// Text that no YAML reader takes for anything else: letters, digits and "_./-", starting with a
// letter,
// "_" or "/", and not a word such as true, null or no.
bool may_be_plain(std::string_view text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/";
  constexpr std::string_view kInside =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/.-0123456789";
  if (text.empty() || kLetters.find(text.front()) == std::string_view::npos) return false;
  if (text.find_first_not_of(kInside) != std::string_view::npos) return false;
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = text;
  return text != "y" && text != "Y" && text != "n" && text != "N" &&
         scalar_type(node) == YamlScalar::text;
}

bool is_printable_ascii(std::string_view text) {
  for (const char c : text)
    if (c < 0x20 || c == 0x7f) return false;  // above 0x7f is negative
  return true;
}

std::string hex_escape(unsigned code, const char* format) {
  std::array<char, 12> escaped{};
  std::snprintf(escaped.data(), escaped.size(), format, code);
  return escaped.data();
}

// The two- and three-byte characters that YAML takes for line breaks, controls or a byte order
// mark; 0 for all others.
unsigned special_code(std::string_view rest) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  if (rest.size() >= 2 && at(0) == 0xc2 && at(1) < 0xa0) return at(1);
  if (rest.starts_with("\u2028")) return 0x2028;
  if (rest.starts_with("\u2029")) return 0x2029;
  if (rest.starts_with("\ufeff")) return 0xfeff;
  return 0;
}

std::string double_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\')
      (quoted += '\\') += c;
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += hex_escape(static_cast<unsigned char>(c), "\\x%02x");
    else if (const unsigned code = special_code(text.substr(i)); code != 0) {
      quoted += hex_escape(code, "\\u%04x");
      i += code < 0x800 ? 1 : 2;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string yaml_text(std::string_view text) {
  if (may_be_plain(text)) return std::string(text);
  const bool has_escapes = text.find_first_of("\"\\") != std::string_view::npos;
  const bool has_single = text.find('\'') != std::string_view::npos;
  if (has_escapes && !has_single && is_printable_ascii(text)) return "'" + std::string(text) + "'";
  return double_quoted(text);
}

}  // namespace pannier
