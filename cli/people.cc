#include "cli/people.h"

#include <locale.h>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <cwctype>

#include "common/utf8.h"

namespace pannier::cli {
namespace {

constexpr std::string_view kEllipsis = "...";

// Which characters can be seen, and how wide they are, whatever locale people have set.
class Characters {
 public:
  Characters() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~Characters() {
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;

  bool is_visible(char32_t c) const {
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
    return locale_ == nullptr || ::iswprint_l(static_cast<std::wint_t>(c), locale_) != 0;
  }
  std::size_t width(char32_t c) const {
    if (locale_ == nullptr) return 1;
    const locale_t before = ::uselocale(locale_);
    const int columns = ::wcwidth(static_cast<wchar_t>(c));
    ::uselocale(before);
    return columns < 0 ? 1 : static_cast<std::size_t>(columns);
  }

 private:
  const locale_t locale_;
};

const Characters& characters() {
  static const Characters kCharacters;
  return kCharacters;
}

// Characters that turn the direction of text around, or hide.
bool is_deceptive(char32_t c) {
  return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

// The character at the front of well-formed UTF-8, and its bytes.
struct Character {
  char32_t code = 0;
  std::size_t size = 1;
};
Character front_of(std::string_view text) {
  const auto byte = [&](std::size_t at) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  Character character{first & 0x1f, 2};
  if (first >= 0xe0) character = {first & 0x0f, 3};
  if (first >= 0xf0) character = {first & 0x07, 4};
  for (std::size_t at = 1; at < character.size && at < text.size(); ++at)
    character.code = (character.code << 6) | (byte(at) & 0x3f);
  return character;
}

std::string format(const char* pattern, unsigned long value) {
  char text[24];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

void append_harmless(std::string& shown, std::string_view character, char32_t code) {
  if (code == '\n') {
    shown += "\\n";
  } else if (code == '\r') {
    shown += "\\r";
  } else if (code == '\t') {
    shown += "\\t";
  } else if (code < 0x80 && !characters().is_visible(code)) {
    shown += format("\\x%02lx", code);
  } else if (is_deceptive(code) || !characters().is_visible(code)) {
    shown += format("\\u{%lx}", code);
  } else {
    shown += character;
  }
}

std::string two_units(long first, const char* first_unit, long second, const char* second_unit) {
  std::string text = std::to_string(first) + first_unit;
  return second == 0 ? text : text + std::to_string(second) + second_unit;
}

}  // namespace

std::string age_text(std::chrono::seconds age) {
  const long seconds = age.count() < 0 ? 0 : static_cast<long>(age.count());
  const long minutes = seconds / 60, hours = minutes / 60, days = hours / 24, years = days / 365;
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (minutes < 10) return two_units(minutes, "m", seconds % 60, "s");
  if (hours < 3) return std::to_string(minutes) + "m";
  if (hours < 8) return two_units(hours, "h", minutes % 60, "m");
  if (hours < 48) return std::to_string(hours) + "h";
  if (days < 8) return two_units(days, "d", hours % 24, "h");
  if (years < 2) return std::to_string(days) + "d";
  return two_units(years, "y", days % 365, "d");
}

std::string size_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  std::size_t unit = 0;
  double value = static_cast<double>(bytes);
  for (; value >= 1023.5 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  char text[32];
  const bool is_small = unit > 0 && value < 9.95;
  std::snprintf(text, sizeof text, is_small ? "%.1f" : "%.0f", value);
  std::string digits = text;
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return digits + kUnits[unit];
}

std::string harmless(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    std::string_view sound = text.substr(0, utf8_fault_at(text));
    text.remove_prefix(sound.size());
    while (!sound.empty()) {
      const Character next = front_of(sound);
      append_harmless(shown, sound.substr(0, next.size), next.code);
      sound.remove_prefix(next.size);
    }
    if (text.empty()) break;
    shown += format("\\x%02lx", static_cast<unsigned char>(text.front()));
    text.remove_prefix(1);
  }
  return shown;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character next = front_of(text);
    width += characters().width(next.code);
    text.remove_prefix(std::min(next.size, text.size()));
  }
  return width;
}

std::string cut(std::string text, std::size_t width) {
  if (width_of(text) <= width) return text;
  std::size_t at = 0, used = kEllipsis.size();
  while (at < text.size()) {
    const Character next = front_of(std::string_view(text).substr(at));
    used += characters().width(next.code);
    if (used > width) break;
    at += next.size;
  }
  text.resize(at);
  return text += kEllipsis;
}

}  // namespace pannier::cli
