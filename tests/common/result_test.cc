#include "common/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace pannier {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return Error{Errc::bad_argument, "odd: " + std::to_string(number)};
  return number / 2;
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = half_of(42);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 21);

  const Result<int> bad = half_of(7);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::bad_argument);
  EXPECT_EQ(bad.error().detail, "odd: 7");
}

TEST(Result, GivesAwayAValueThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(Result, LetsItsValueBeChangedInPlace) {
  Result<std::string> result = std::string("a");
  result->append("b");
  *result += "c";
  EXPECT_EQ(result.value(), "abc");
}

TEST(Result, HoldsAFalseValueAsASuccess) {
  const Result<bool> no = false;
  EXPECT_TRUE(no.has_value());
  EXPECT_FALSE(*no);
}

TEST(Result, OfNothingIsASuccessUnlessItHoldsAnError) {
  const Result<void> good;
  EXPECT_TRUE(good);
  const Result<void> bad = Error{Errc::closed, "gone"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().detail, "gone");
}

TEST(ResultDeathTest, EndsTheProgramWhenReadOnTheWrongSide) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(static_cast<void>(*half_of(1)), "");
  EXPECT_DEATH(static_cast<void>(half_of(2).error()), "");
  EXPECT_DEATH(static_cast<void>(Result<void>().error()), "");
}

}  // namespace
}  // namespace pannier
