// Text for people: ages, sizes, and bytes of others made harmless for a terminal.
//
// Pure functions; any thread; no errors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pannier::cli {

// As kubectl shows it: "45s", "3m20s", "35m", "5h10m", "30h", "3d4h", "90d", "2y10d". Below zero:
// 0s.
std::string age_text(std::chrono::seconds age);

// "512", "1.5Ki", "16Mi".
std::string size_text(std::uint64_t bytes);

// `text` as one line that cannot drive a terminal: control characters, line breaks, invisible and
// direction-changing characters and bytes that are no UTF-8 become \n, \t, \xNN, \u{NNNN}.
std::string harmless(std::string_view text);

// Columns that a harmless text takes.
std::size_t width_of(std::string_view harmless_text);

// Its first `width` columns at most, with "..." at the end of what was cut.
std::string cut(std::string harmless_text, std::size_t width);

}  // namespace pannier::cli
