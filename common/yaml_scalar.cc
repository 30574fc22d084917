// What plain scalars mean, and how an error message names a node: the part of yaml_reader.h that
// needs no parser.
#include <algorithm>
#include <array>

#include "common/quantity.h"
#include "common/yaml_reader.h"

namespace pannier {
namespace {

constexpr std::array<std::string_view, 18> kBooleans{
    "true", "True", "TRUE", "false", "False", "FALSE", "yes", "Yes", "YES",
    "no",   "No",   "NO",   "on",    "On",    "ON",    "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNulls{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 6> kSpecials{".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view text) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

void skip_digits(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of("0123456789"), rest.size()));
}

bool is_based_integer(std::string_view rest) {
  if (rest.size() < 3 || rest[0] != '0') return false;
  const std::string_view digits = rest[1] == 'x'   ? "0123456789abcdefABCDEF"
                                  : rest[1] == 'o' ? "01234567"
                                  : rest[1] == 'b' ? "01"
                                                   : "";
  return !digits.empty() && rest.find_first_not_of(digits, 2) == std::string_view::npos;
}

YamlScalar plain_type(std::string_view text) {
  if (contains(kNulls, text)) return YamlScalar::null;
  if (contains(kBooleans, text)) return YamlScalar::boolean;
  std::string_view rest = text;
  if (rest.front() == '-' || rest.front() == '+') rest.remove_prefix(1);
  if (contains(kSpecials, rest)) return YamlScalar::number;
  if (is_based_integer(rest)) return YamlScalar::integer;
  std::size_t size_before = rest.size();
  skip_digits(rest);
  std::size_t digits = size_before - rest.size();
  if (rest.empty()) return digits > 0 ? YamlScalar::integer : YamlScalar::text;
  if (rest.front() == '.') {
    rest.remove_prefix(1);
    size_before = rest.size();
    skip_digits(rest);
    digits += size_before - rest.size();
  }
  if (digits == 0) return YamlScalar::text;
  if (rest.empty()) return YamlScalar::number;
  if (rest.front() != 'e' && rest.front() != 'E') return YamlScalar::text;
  rest.remove_prefix(1);
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  const bool has_exponent = !rest.empty();
  skip_digits(rest);
  return has_exponent && rest.empty() ? YamlScalar::number : YamlScalar::text;
}

}  // namespace

YamlScalar scalar_type(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::null) return YamlScalar::null;
  return node.quoted ? YamlScalar::text : plain_type(node.text);
}

std::string found_text(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::list) return "a list";
  if (node.kind == YamlNode::Kind::map) return "a map";
  switch (scalar_type(node)) {
    case YamlScalar::null: return "nothing";
    case YamlScalar::boolean: return "the boolean " + node.text;
    case YamlScalar::integer:
    case YamlScalar::number: return "the number " + node.text.substr(0, 40);
    case YamlScalar::text: break;
  }
  return "the text " + quoted_for_people(node.text);
}

}  // namespace pannier
