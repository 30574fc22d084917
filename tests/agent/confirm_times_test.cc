#include "sidecar/confirm_times.h"

#include <gtest/gtest.h>

namespace pannier {
namespace {

using std::chrono::milliseconds;

constexpr double kBounds[] = {0.01, 0.1};

TEST(ConfirmTimes, EachPublishOfATurnWaitsFromItsEndToTheSync) {
  Histogram times(kBounds);
  ConfirmTimes confirms(times);
  const Clock::time_point start{};
  confirms.on_turn_end(1, 3, start);
  confirms.on_turn_end(2, 3, start + milliseconds(10));  // publishes nothing
  confirms.on_turn_end(2, 5, start + milliseconds(20));
  confirms.on_synced(1, start + milliseconds(50));
  EXPECT_EQ(times.count_in(1), 3u);
  EXPECT_EQ(confirms.confirmed(), 3u);
  confirms.on_synced(2, start + milliseconds(25));
  EXPECT_EQ(times.count_in(0), 2u);
  EXPECT_EQ(confirms.confirmed(), 5u);
  EXPECT_NEAR(times.sum(), 3 * 0.05 + 2 * 0.005, 1e-9);
}

TEST(ConfirmTimes, WhatIsNotSyncedIsNotConfirmed) {
  Histogram times(kBounds);
  ConfirmTimes confirms(times);
  confirms.on_turn_end(7, 1, {});
  confirms.on_synced(6, Clock::time_point{} + milliseconds(1));
  EXPECT_EQ(confirms.confirmed(), 0u);
  confirms.on_synced(9, Clock::time_point{} + milliseconds(1));
  EXPECT_EQ(confirms.confirmed(), 1u);
  confirms.on_synced(10, Clock::time_point{} + milliseconds(2));
  EXPECT_EQ(confirms.confirmed(), 1u);
}

}  // namespace
}  // namespace pannier
