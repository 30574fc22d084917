#include "tests/support/manual_executor.h"

#include <string>

#include <gtest/gtest.h>

namespace pannier {
namespace {

TEST(ManualExecutor, RunsNothingUntilToldAndThenInTheOrderOfPosting) {
  ManualExecutor executor;
  std::string ran;
  for (const char letter : {'a', 'b', 'c'}) executor.post([&, letter] { ran += letter; });
  EXPECT_EQ(ran, "");
  EXPECT_EQ(executor.size(), 3u);
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(ran, "a");
  EXPECT_EQ(executor.run_all(), 2u);
  EXPECT_EQ(ran, "abc");
  EXPECT_FALSE(executor.run_one());
}

TEST(ManualExecutor, RunsTheTaskThatATestChooses) {
  ManualExecutor executor;
  std::string ran;
  for (const char letter : {'a', 'b', 'c'}) executor.post([&, letter] { ran += letter; });
  EXPECT_TRUE(executor.run_at(2));
  EXPECT_TRUE(executor.run_at(0));
  EXPECT_FALSE(executor.run_at(1));
  EXPECT_EQ(ran, "ca");
  EXPECT_EQ(executor.size(), 1u);
}

TEST(ManualExecutor, RunsWhatItsTasksPost) {
  ManualExecutor executor;
  std::string ran;
  executor.post([&] {
    ran += "a";
    executor.post([&] { ran += "c"; });
  });
  executor.post([&] { ran += "b"; });
  EXPECT_EQ(executor.run_all(), 3u);
  EXPECT_EQ(ran, "abc");
}

TEST(ManualExecutor, ForgetsWhatWaitsAsAKilledProcessDoes) {
  ManualExecutor executor;
  bool ran = false;
  executor.post([&] { ran = true; });
  executor.drop_all();
  EXPECT_EQ(executor.run_all(), 0u);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace pannier
