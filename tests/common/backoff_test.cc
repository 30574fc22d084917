#include "common/backoff.h"

#include <gtest/gtest.h>

#include "common/random.h"

namespace pannier {
namespace {

using std::chrono::milliseconds;

constexpr double kAlmostOne = 1 - 0x1p-53;

BackoffPolicy policy_with(Jitter jitter) {
  return {.initial = milliseconds(100), .max = milliseconds(1000), .factor = 2, .jitter = jitter};
}

TEST(Backoff, GrowsByItsFactorUpToItsMaximum) {
  Backoff backoff(policy_with(Jitter::none));
  for (const int expected : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(backoff.next(), milliseconds(expected));
  }
  EXPECT_EQ(backoff.failures(), 6u);
}

TEST(Backoff, StartsOverAfterASuccess) {
  Backoff backoff(policy_with(Jitter::none));
  backoff.next();
  backoff.next();
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0u);
  EXPECT_EQ(backoff.next(), milliseconds(100));
}

TEST(Backoff, WithEqualJitterWaitsBetweenHalfTheCeilingAndAllOfIt) {
  Backoff least(policy_with(Jitter::equal), [] { return 0.0; });
  Backoff most(policy_with(Jitter::equal), [] { return kAlmostOne; });
  for (const int ceiling : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(least.next(), milliseconds(ceiling / 2));
    EXPECT_GE(most.next(), milliseconds(ceiling - 1));
  }
}

TEST(Backoff, WithFullJitterWaitsBetweenNothingAndTheCeiling) {
  Backoff least(policy_with(Jitter::full), [] { return 0.0; });
  Backoff middle(policy_with(Jitter::full), [] { return 0.5; });
  for (const int ceiling : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(least.next(), milliseconds(0));
    EXPECT_EQ(middle.next(), milliseconds(ceiling / 2));
  }
}

TEST(Backoff, NeverLeavesItsLimitsWhateverTheChance) {
  Random random(3);
  Backoff backoff(policy_with(Jitter::equal), [&random] { return random.unit(); });
  for (int i = 0; i < 10'000; ++i) {
    const milliseconds delay = backoff.next();
    ASSERT_GE(delay, milliseconds(50));
    ASSERT_LE(delay, milliseconds(1000));
  }
}

TEST(Backoff, NeverShrinksOrExceedsItsMaximumUnderAnOddPolicy) {
  Backoff shrinking({.initial = milliseconds(50),
                     .max = milliseconds(80),
                     .factor = 0.5,
                     .jitter = Jitter::none});
  EXPECT_EQ(shrinking.next(), milliseconds(50));
  EXPECT_EQ(shrinking.next(), milliseconds(50));
  Backoff above({.initial = milliseconds(500), .max = milliseconds(80), .jitter = Jitter::none});
  EXPECT_EQ(above.next(), milliseconds(80));
}

TEST(Backoff, SpreadsTwoThatStartTogether) {
  Backoff one(policy_with(Jitter::full));
  Backoff other(policy_with(Jitter::full));
  int same = 0;
  for (int i = 0; i < 100; ++i) same += one.next() == other.next() ? 1 : 0;
  EXPECT_LT(same, 50) << "both drew their chance from the same seed";
}

}  // namespace
}  // namespace pannier
