// The log: one line of JSON per event, on stderr.
//
//   log::warn("spool recovered", {{"segments", n}, {"cut_bytes", cut}});
//   {"time":"2026-11-22T10:00:00.123Z","level":"warn","component":"pannier-agent",
//    "msg":"spool recovered","segments":3,"cut_bytes":4096}                        (all on one
//    line)
//
// Process-wide; any thread; never throws and never fails: a line that cannot be written is lost.
// Whatever bytes a field holds, the line is valid JSON in valid UTF-8, and a long text is cut at
// kTextSizeMax. Messages are constants; what varies goes into fields. Never log a secret or a body.
// What may happen many times a second logs through a RateLimit.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <variant>

#include "common/clock.h"
#include "common/result.h"

namespace pannier::log {

enum class Level : std::uint8_t { debug, info, warn, error };

std::string_view name_of(Level level);             // "debug", "info", "warn", "error"
Result<Level> parse_level(std::string_view text);  // bad_config for anything else

inline constexpr std::size_t kTextSizeMax = 4096;  // bytes of one text field or message
inline constexpr std::size_t kLinesWaitingMax = 512;

// A field's value. It looks at a text that somebody else owns, for the length of the logging call.
class Value {
 public:
  Value(bool value) : held_(value) {}
  template <std::signed_integral T>
  Value(T value) : held_(std::int64_t{value}) {}
  template <std::unsigned_integral T>
  Value(T value) : held_(std::uint64_t{value}) {}
  template <std::floating_point T>
  Value(T value) : held_(static_cast<double>(value)) {}
  template <typename T>
  requires std::convertible_to<const T&, std::string_view> Value(const T& value)
      : held_(std::string_view(value)) {}

  const auto& held() const { return held_; }

 private:
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view> held_;
};

struct Field {
  std::string_view key;  // "time", "level", "component" and "msg" get an underscore behind them
  Value value;
};
using Fields = std::initializer_list<Field>;

// Lets a call site log so many lines in each second, and counts the rest. Keep one per call site,
// as a static or a member. Any thread.
class RateLimit {
 public:
  explicit RateLimit(std::uint32_t lines_per_second, const Clock& clock = system_clock());

  // Takes one line's turn. False: leave it out. True: log it, and `left_out` says how many lines
  // were left out since the last one that was logged.
  bool admit(std::uint64_t& left_out) noexcept;

 private:
  const std::uint32_t lines_per_second_;
  const Clock& clock_;
  std::mutex mutex_;
  Clock::time_point second_began_{};
  std::uint32_t lines_ = 0;
  std::uint64_t left_out_ = 0;
};

void debug(std::string_view message, Fields fields = {}) noexcept;
void info(std::string_view message, Fields fields = {}) noexcept;
void warn(std::string_view message, Fields fields = {}) noexcept;
void error(std::string_view message, Fields fields = {}) noexcept;

// The same under a limit; a line that follows omitted ones gets the field "left_out" with their
// count.
void debug(RateLimit& limit, std::string_view message, Fields fields = {}) noexcept;
void info(RateLimit& limit, std::string_view message, Fields fields = {}) noexcept;
void warn(RateLimit& limit, std::string_view message, Fields fields = {}) noexcept;
void error(RateLimit& limit, std::string_view message, Fields fields = {}) noexcept;

// Lines below it are not written. Info at first; may be changed at any time.
void set_level(Level level) noexcept;
bool enabled(Level level) noexcept;

// The program's name, in every line's "component". Left out while it is empty.
void set_component(std::string_view name);

// Lines go to `sink` (without their line feed, one at a time) instead of stderr; an empty one
// restores stderr. It must not log itself. For tests, and programs that show the lines themselves.
using Sink = std::function<void(std::string_view line)>;
void set_sink(Sink sink);

// From now on a thread of its own writes the lines, so that a reader of stderr who has fallen
// asleep cannot stop the loop. At most kLinesWaitingMax wait; beyond that the oldest are lost and
// counted.
void start_thread();
// Writes out what waits and ends that thread; from then on each call writes by itself. Must come
// before the process ends, also when it ends because of an error.
void stop_thread();
std::uint64_t lines_lost();

}  // namespace pannier::log
