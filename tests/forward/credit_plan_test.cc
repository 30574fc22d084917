#include "sidecar/forward/credit_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "common/random.h"

namespace pannier::forward {
namespace {

OriginCredit with_ready(std::uint64_t ready, std::uint64_t outstanding = 0) {
  return {ready, outstanding, 4'096, false};
}

TEST(CreditPlan, SharesFollowWhatIsReady) {
  const auto targets = spread_credit(100, {with_ready(900), with_ready(100)}, 0);
  EXPECT_NEAR(static_cast<double>(targets[0]), 90, 2);
  EXPECT_EQ(targets[0] + targets[1], 100u);
}

TEST(CreditPlan, WhoHasLittleIsNotStarvedByWhoHasMuch) {
  const auto targets = spread_credit(10, {with_ready(1'000'000), with_ready(1)}, 0);
  EXPECT_EQ(targets[0], 9u);
  EXPECT_EQ(targets[1], 1u);
}

TEST(CreditPlan, HalfOfWhatNobodyNeedsIsKept) {
  const auto targets = spread_credit(256, {with_ready(0), with_ready(0)}, 0);
  EXPECT_EQ(targets[0], 64u);
  EXPECT_EQ(targets[1], 64u);
}

TEST(CreditPlan, OneCreditStaysWhereItIsUntilItIsUsed) {
  EXPECT_EQ(spread_credit(1, {with_ready(5), with_ready(5, 1)}, 0)[1], 1u);
  EXPECT_EQ(spread_credit(1, {with_ready(5), with_ready(5)}, 0)[0], 1u);
  EXPECT_EQ(spread_credit(1, {with_ready(5), with_ready(5)}, 1)[1], 1u);
}

TEST(CreditPlan, IsNeverAboveTheBudgetWhateverPeersAnnounce) {
  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<OriginCredit> origins(random.below(6));
    for (OriginCredit& origin : origins) {
      origin.ready = random.below(3) == 0 ? random.next() : random.below(20);
      origin.outstanding = random.below(10);
      origin.room = random.below(300);
      origin.is_suspect = random.below(4) == 0;
    }
    const std::uint64_t budget = random.below(2) == 0 ? random.below(10) : random.below(2'000);
    const auto targets = spread_credit(budget, origins, random.below(9));
    ASSERT_LE(std::accumulate(targets.begin(), targets.end(), std::uint64_t{0}), budget);
    for (std::size_t i = 0; i < origins.size(); ++i) {
      ASSERT_LE(targets[i], origins[i].room);
      if (origins[i].is_suspect) {
        ASSERT_LE(targets[i], 1u);
      }
    }
  }
}

}  // namespace
}  // namespace pannier::forward
