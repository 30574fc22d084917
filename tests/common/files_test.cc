#include "common/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace pannier {
namespace {

using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  Files() {
    char name[] = "/tmp/pannier-files-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~Files() override { std::filesystem::remove_all(folder); }
  std::string at(const std::string& name) const { return folder + "/" + name; }

  std::string folder;
};

TEST_F(Files, ReplacesAFileWholeWithItsMode) {
  ASSERT_TRUE(write_file(at("a"), "first and longer", 0600));
  ASSERT_TRUE(write_file(at("a"), "second", 0444));
  EXPECT_EQ(read_file(at("a")).value(), "second");
  struct stat status {};
  ASSERT_EQ(::stat(at("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0444u);
}

TEST_F(Files, LeavesNoDraftBehind) {
  ASSERT_TRUE(write_file(at("a"), "text", 0600));
  std::filesystem::create_directory(at("b"));
  EXPECT_FALSE(write_file(at("b"), "text", 0600));
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  EXPECT_EQ(count, 2);
}

TEST_F(Files, SaysWhatIsMissingAndWhatIsTooLarge) {
  const auto missing = read_file(at("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().detail, HasSubstr("none: No such file"));
  ASSERT_TRUE(write_file(at("a"), "12345", 0600));
  EXPECT_EQ(read_file(at("a"), 5).value(), "12345");
  EXPECT_EQ(read_file(at("a"), 4).error().code, Errc::too_large);
}

TEST_F(Files, MakesTheFoldersAround) {
  ASSERT_TRUE(make_folders(at("x/y/z"), 0700));
  ASSERT_TRUE(make_folders(at("x/y/z"), 0700));
  EXPECT_TRUE(std::filesystem::is_directory(at("x/y/z")));
  ASSERT_TRUE(write_file(at("file"), "", 0600));
  EXPECT_FALSE(make_folders(at("file/below"), 0700));
}

}  // namespace
}  // namespace pannier
