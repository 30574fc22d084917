#include "common/clock.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace pannier {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(SystemClock, NeverGoesBack) {
  const Clock::time_point first = system_clock().now();
  EXPECT_GE(system_clock().now(), first);
}

TEST(SystemClock, CountsTheWallInMillisecondsSince1970) {
  const std::int64_t ms = system_clock().now_ms();
  EXPECT_GT(ms, 1'600'000'000'000);   // 2020
  EXPECT_LT(ms, 32'503'680'000'000);  // 3000
}

TEST(Rfc3339, ShowsUtcWithMilliseconds) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(951'782'400'007), "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(rfc3339(FakeClock::kStartMs + 120), "2026-09-21T14:13:20.120Z");
}

TEST(Rfc3339, CountsDownwardsBefore1970) {
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(-1000), "1969-12-31T23:59:59.000Z");
}

TEST(FakeClock, StandsStillUntilItIsMoved) {
  FakeClock clock;
  const Clock::time_point before = clock.now();
  EXPECT_EQ(clock.now(), before);
  clock.advance(milliseconds(1500));
  EXPECT_EQ(clock.now() - before, milliseconds(1500));
  EXPECT_EQ(clock.now_ms(), FakeClock::kStartMs + 1500);
}

TEST(FakeClock, JumpsTheWallWithoutMovingTheSteadyClock) {
  FakeClock clock;
  const Clock::time_point before = clock.now();
  clock.jump_wall(-hours(2));
  EXPECT_EQ(clock.now(), before);
  EXPECT_EQ(clock.now_ms(), FakeClock::kStartMs - 7'200'000);
  clock.set_wall_ms(5);
  EXPECT_EQ(clock.now_ms(), 5);
}

}  // namespace
}  // namespace pannier
