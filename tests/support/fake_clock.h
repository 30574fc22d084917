// FakeClock: a clock that a test moves by hand. Owned by the test; atomic, so that threads under
// test may read it while the test moves it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "common/clock.h"

namespace pannier {

class FakeClock final : public Clock {
 public:
  static constexpr std::int64_t kStartMs = 1'790'000'000'000;  // 2026-09-21T14:13:20Z

  time_point now() const override { return time_point(duration(steady_.load())); }
  std::int64_t now_ms() const override { return wall_ms_.load(); }

  // Time passes: both clocks move on.
  void advance(std::chrono::milliseconds by) {
    steady_ += duration(by).count();
    wall_ms_ += by.count();
  }
  // Somebody sets the wall clock, forward or back; the steady one does not notice.
  void jump_wall(std::chrono::milliseconds by) { wall_ms_ += by.count(); }
  void set_wall_ms(std::int64_t wall_ms) { wall_ms_ = wall_ms; }

 private:
  // Not zero: code that takes the epoch for "never" must not pass by accident.
  std::atomic<duration::rep> steady_{duration(std::chrono::hours(1)).count()};
  std::atomic<std::int64_t> wall_ms_{kStartMs};
};

}  // namespace pannier
