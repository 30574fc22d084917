#include "common/quantity.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <optional>

namespace pannier {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kBytesMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kFractionMax = 1'000'000'000'000'000'000;  // 18 digits
constexpr unsigned kExponentMax = 18;
constexpr std::size_t kShownBytesMax = 60;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// In nanoseconds.
constexpr std::array<Unit, 7> kDurationUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"µs", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kDurationMax = std::numeric_limits<std::int64_t>::max();

// Largest first, binary before decimal of the same letter.
constexpr std::array<Unit, 13> kByteUnits{{{"Ei", 1ull << 60},
                                           {"E", 1'000'000'000'000'000'000},
                                           {"Pi", 1ull << 50},
                                           {"P", 1'000'000'000'000'000},
                                           {"Ti", 1ull << 40},
                                           {"T", 1'000'000'000'000},
                                           {"Gi", 1ull << 30},
                                           {"G", 1'000'000'000},
                                           {"Mi", 1ull << 20},
                                           {"M", 1'000'000},
                                           {"Ki", 1ull << 10},
                                           {"k", 1'000},
                                           {"", 1}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number at the front of `rest`, taken away from it: digits, and perhaps a point and
// digits.
struct Decimal {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;     // over fraction_of
  std::uint64_t fraction_of = 1;  // a power of ten
};

// Nothing where there is no digit, more than 18 behind the point, or a whole part beyond 64 bits.
std::optional<Decimal> take_decimal(std::string_view& rest) {
  const std::size_t size_before = rest.size();
  Wide whole = 0;
  for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
    whole = whole * 10 + static_cast<unsigned>(rest.front() - '0');
    if (whole > kBytesMax) return std::nullopt;
  }
  std::size_t digits = size_before - rest.size();
  Decimal number{static_cast<std::uint64_t>(whole)};
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), ++digits) {
      if (number.fraction_of == kFractionMax) return std::nullopt;
      number.fraction = number.fraction * 10 + static_cast<std::uint64_t>(rest.front() - '0');
      number.fraction_of *= 10;
    }
  }
  if (digits == 0) return std::nullopt;
  return number;
}

Error bad(std::string_view expected, std::string_view found, std::string_view advice) {
  return Error{Errc::bad_argument, "expected " + std::string(expected) + ", found " +
                                       quoted_for_people(found) + ": " + std::string(advice)};
}

constexpr std::string_view kDurationExpected = "a duration such as 250ms, 60s or 1h30m";
constexpr std::string_view kQuantityExpected = "a number of bytes such as 500Mi, 1Gi or 100k";
constexpr std::string_view kTimestampExpected = "a time such as 2026-11-22T10:00:00Z";

const Unit* duration_unit(std::string_view& rest) {
  std::size_t size = 0;
  while (size < rest.size() && !is_digit(rest[size]) && rest[size] != '.') ++size;
  const std::string_view name = rest.substr(0, size);
  for (const Unit& unit : kDurationUnits) {
    if (unit.name != name) continue;
    rest.remove_prefix(size);
    return &unit;
  }
  return nullptr;
}

// The number that follows e or E, when there is one: "e3", "E+3". At most 18.
std::optional<std::uint64_t> exponent_factor(std::string_view suffix) {
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  if (suffix.empty() || suffix.size() > 2) return std::nullopt;
  unsigned exponent = 0;
  for (const char c : suffix) {
    if (!is_digit(c)) return std::nullopt;
    exponent = exponent * 10 + static_cast<unsigned>(c - '0');
  }
  if (exponent > kExponentMax) return std::nullopt;
  std::uint64_t factor = 1;
  while (exponent-- > 0) factor *= 10;
  return factor;
}

std::optional<std::uint64_t> byte_factor(std::string_view suffix) {
  for (const Unit& unit : kByteUnits)
    if (unit.name == suffix) return unit.factor;
  return exponent_factor(suffix);
}

std::optional<int> fixed_digits(std::string_view text, std::size_t at, std::size_t size) {
  int value = 0;
  for (const char c : text.substr(at, size)) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds{0};
  if (text.starts_with('-')) return bad(kDurationExpected, text, "it may not be negative");
  Wide total = 0;
  std::string_view rest = text;
  do {
    const auto number = take_decimal(rest);
    if (!number) return bad(kDurationExpected, text, "write numbers with units h, m, s or ms");
    if (rest.empty()) return bad(kDurationExpected, text, "add a unit: h, m, s or ms");
    const Unit* unit = duration_unit(rest);
    if (unit == nullptr) return bad(kDurationExpected, text, "the units are h, m, s and ms");
    const Wide part = static_cast<Wide>(number->fraction) * unit->factor;
    if (part % number->fraction_of != 0)
      return bad(kDurationExpected, text, "use whole milliseconds");
    total += static_cast<Wide>(number->whole) * unit->factor + part / number->fraction_of;
    if (total > kDurationMax) return bad(kDurationExpected, text, "it may be 292 years at most");
  } while (!rest.empty());
  if (total % kMillisecond != 0) return bad(kDurationExpected, text, "use whole milliseconds");
  return std::chrono::milliseconds{static_cast<std::int64_t>(total / kMillisecond)};
}

std::string duration_text(std::chrono::milliseconds value) {
  std::int64_t rest = value.count();
  std::string text;
  const auto put = [&](std::int64_t milliseconds, const char* unit) {
    if (rest / milliseconds != 0) text += std::to_string(rest / milliseconds) + unit;
    rest %= milliseconds;
  };
  put(3'600'000, "h");
  put(60'000, "m");
  put(1'000, "s");
  put(1, "ms");
  return text.empty() ? "0s" : text;
}

Result<std::uint64_t> parse_quantity(std::string_view text) {
  if (text.starts_with('-')) return bad(kQuantityExpected, text, "it may not be negative");
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (!number)
    return bad(kQuantityExpected, text, "write a number, perhaps with Ki, Mi, Gi, k, M or G");
  const auto factor = byte_factor(rest);
  if (!factor)
    return bad(kQuantityExpected, text, "the suffixes are Ki Mi Gi Ti Pi Ei k M G T P E");
  const Wide part = static_cast<Wide>(number->fraction) * *factor + (number->fraction_of - 1);
  const Wide total = static_cast<Wide>(number->whole) * *factor + part / number->fraction_of;
  if (total > kBytesMax) return bad(kQuantityExpected, text, "it may be 2^64 - 1 bytes at most");
  return static_cast<std::uint64_t>(total);
}

std::string quantity_text(std::uint64_t bytes) {
  std::string shortest = std::to_string(bytes);
  if (bytes == 0) return shortest;
  for (const Unit& unit : kByteUnits) {
    if (bytes % unit.factor != 0) continue;
    std::string text = std::to_string(bytes / unit.factor) + std::string(unit.name);
    const bool binary = unit.name.size() == 2;
    const bool wins_tie = binary && shortest.back() != 'i' && text.size() == shortest.size();
    if (text.size() < shortest.size() || wins_tie) shortest = std::move(text);
  }
  return shortest;
}

Result<Timestamp> parse_timestamp(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:ddZ";
  const auto fault = [&] { return bad(kTimestampExpected, text, "write UTC and whole seconds"); };
  if (text.size() != kShape.size()) return fault();
  for (std::size_t i = 0; i < kShape.size(); ++i)
    if (kShape[i] == 'd' ? !is_digit(text[i]) : text[i] != kShape[i]) return fault();
  const auto part = [&](std::size_t at, std::size_t size) { return *fixed_digits(text, at, size); };
  const std::chrono::year_month_day day{std::chrono::year{part(0, 4)},
                                        std::chrono::month{static_cast<unsigned>(part(5, 2))},
                                        std::chrono::day{static_cast<unsigned>(part(8, 2))}};
  const int hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
  if (part(0, 4) < 1970 || !day.ok() || hour > 23 || minute > 59 || second > 59) return fault();
  return std::chrono::sys_days{day} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second};
}

std::string timestamp_text(Timestamp value) {
  const auto day = std::chrono::floor<std::chrono::days>(value);
  const std::chrono::year_month_day date{day};
  const auto second = (value - day).count();
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(second / 3600),
                static_cast<int>(second / 60 % 60), static_cast<int>(second % 60));
  return text.data();
}

std::string quoted_for_people(std::string_view text) {
  std::string shown = "\"";
  std::size_t size = std::min(text.size(), kShownBytesMax);
  // Not in the middle of a UTF-8 character.
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
    --size;
  for (const char c : text.substr(0, size)) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      shown += c;
      continue;
    }
    std::array<char, 8> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(c));
    shown += escaped.data();
  }
  return shown + (size < text.size() ? "...\"" : "\"");
}

}  // namespace pannier
