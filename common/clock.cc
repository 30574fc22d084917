#include "common/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace pannier {

Clock::time_point SystemClock::now() const { return std::chrono::steady_clock::now(); }

std::int64_t SystemClock::now_ms() const {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string rfc3339(std::int64_t wall_ms) {
  std::int64_t ms = wall_ms % 1000;
  if (ms < 0) ms += 1000;  // before 1970 the second that has begun is still the earlier one
  const auto seconds = static_cast<std::time_t>((wall_ms - ms) / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 96> text{};
  const int size = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                                 utc.tm_min, utc.tm_sec, static_cast<int>(ms));
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace pannier
