// Clock: the time, behind an interface so that tests can move it (tests/support/fake_clock.h).
//
// now() is steady: it never jumps, and every deadline, lease and back-off inside the program uses
// it. now_ms() is the wall clock in milliseconds since 1970 UTC, for what leaves the program or
// outlives it (records on disk, logs, certificates); it may jump either way. Reading is safe on any
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pannier {

class Clock {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  virtual ~Clock() = default;
  virtual time_point now() const = 0;
  virtual std::int64_t now_ms() const = 0;
};

class SystemClock final : public Clock {
 public:
  time_point now() const override;
  std::int64_t now_ms() const override;
};

// The one SystemClock, for whoever was not given a clock. Lives as long as the program.
const Clock& system_clock();

// Wall-clock milliseconds as RFC 3339 in UTC: "2026-11-22T10:00:00.123Z".
std::string rfc3339(std::int64_t wall_ms);

}  // namespace pannier
