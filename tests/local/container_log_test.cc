#include "operator/local/container_log.h"

#include <gtest/gtest.h>

#include "tests/local/folder.h"

namespace pannier::local {
namespace {

class ContainerLogTest : public testing::Test {
 protected:
  std::string words(const std::string& text, std::uint64_t from = 0) const {
    write_text(folder_ / "log", text);
    return last_words(folder_ / "log", from);
  }
  Folder folder_;
};

TEST_F(ContainerLogTest, CutsALogInPlaceAndKeepsItsEnd) {
  std::ofstream writer(folder_ / "log", std::ios::app);
  writer << "0123456789" << std::flush;
  keep_log_short(folder_ / "log", 10);
  EXPECT_EQ(text_of(folder_ / "log"), "0123456789");
  writer << "abc" << std::flush;
  keep_log_short(folder_ / "log", 10);
  EXPECT_EQ(text_of(folder_ / "log.1"), "3456789abc");
  writer << "after" << std::flush;
  EXPECT_EQ(text_of(folder_ / "log"), "after");
}

TEST_F(ContainerLogTest, TellsTheLastLineOfWhatWasWrittenSince) {
  EXPECT_EQ(words("one\ntwo\n\n"), "two");
  EXPECT_EQ(words("one\ntwo\n", 8), "");
  EXPECT_EQ(words("one\n", 1'000), "one");
  EXPECT_EQ(words("a\033[2Jb\n"), "a [2Jb");
  EXPECT_EQ(words(""), "");
  EXPECT_EQ(last_words(folder_ / "missing", 0), "");
}

TEST_F(ContainerLogTest, TellsWhatALineOfTheJsonLogSays) {
  EXPECT_EQ(words(R"({"level":"error","msg":"cannot listen","error":"port 5671 is taken"})"),
            "cannot listen: port 5671 is taken");
}

}  // namespace
}  // namespace pannier::local
