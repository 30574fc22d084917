#include "sidecar/forward/origin_queue.h"

#include <gtest/gtest.h>

namespace pannier::forward {
namespace {

// It may be told no limit that it was told before, so the first can be above what has come.
TEST(OriginQueue, IsStalledUntilItHasNoCreditLeft) {
  OriginQueue origin("orders", "uid-orders", nullptr);
  origin.start_anew(5);
  origin.grant(1);
  origin.grant(2);
  origin.stall();
  EXPECT_GT(origin.limit(), 0u);
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_TRUE(origin.on_ready(5, 0, origin.limit()));
  EXPECT_TRUE(origin.is_stalled());
  EXPECT_TRUE(origin.is_asked());
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_EQ(origin.limit(), 0u);
  EXPECT_TRUE(origin.on_ready(5, 0, 0));
  EXPECT_FALSE(origin.is_stalled());
  EXPECT_EQ(origin.outstanding(), 0u);
  EXPECT_FALSE(origin.may_come());
}

}  // namespace
}  // namespace pannier::forward
