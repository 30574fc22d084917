#include "common/error.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace pannier {
namespace {

// `closed` is the last of the list, which has no gaps.
std::vector<Errc> every_code() {
  std::vector<Errc> codes;
  for (unsigned i = 0; i <= static_cast<unsigned>(Errc::closed); ++i) {
    codes.push_back(static_cast<Errc>(i));
  }
  return codes;
}

TEST(Error, HasAUniqueNameForEveryCode) {
  std::set<std::string_view> names;
  for (const Errc code : every_code()) {
    const std::string_view name = name_of(code);
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), name.npos) << name;
    EXPECT_TRUE(names.insert(name).second) << name << " names two codes";
  }
}

TEST(Error, HasAScopeForEveryCode) {
  for (const Errc code : every_code()) {
    const Scope scope = scope_of(code);
    EXPECT_TRUE(scope >= Scope::message && scope <= Scope::process) << name_of(code);
  }
}

TEST(Error, EndsTheProcessOnlyForWhatNoPeerCanCause) {
  std::set<std::string_view> ending;
  for (const Errc code : every_code()) {
    if (scope_of(code) == Scope::process) ending.insert(name_of(code));
  }
  EXPECT_EQ(ending, (std::set<std::string_view>{"bad_config", "io_error", "sync_failed",
                                                "spool_locked", "wrong_version"}));
}

TEST(Error, RefusesOneMessageForWantOfRoom) {
  for (const Errc code : {Errc::no_space, Errc::spool_full, Errc::spool_busy, Errc::queue_full}) {
    EXPECT_EQ(scope_of(code), Scope::message) << name_of(code);
  }
}

TEST(ErrorDeathTest, KnowsNoCodeBeyondTheLast) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto beyond = static_cast<Errc>(static_cast<unsigned>(Errc::closed) + 1);
  EXPECT_DEATH(static_cast<void>(name_of(beyond)), "");
  EXPECT_DEATH(static_cast<void>(scope_of(beyond)), "");
}

}  // namespace
}  // namespace pannier
