#include "common/code_pages.h"

#include <gtest/gtest.h>

#include <vector>

namespace pannier {
namespace {

// The loader has written these addresses, and then made them read-only.
const char* const kTexts[] = {"one", "two"};

// How many pages around a function are resident for this process is not to be had without parsing
// smaps; that the call does something, and harms nothing, is.
TEST(CodePages, GivesBackTheCodeOfTheProgramAndItsLibrariesAndGoesOn) {
  static int state = 7;  // beside the code, and written to
  EXPECT_GT(release_code_pages(), std::size_t{64} << 10);
  EXPECT_EQ(state, 7);
  const char* const* volatile texts = kTexts;
  EXPECT_STREQ(texts[1], "two");
  std::vector<int> still_works(1'000, 1);
  EXPECT_EQ(still_works.size(), 1'000U);
  EXPECT_GT(release_code_pages(), std::size_t{64} << 10) << "again, with what came back meanwhile";
}

}  // namespace
}  // namespace pannier
