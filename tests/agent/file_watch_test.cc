#include "sidecar/file_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"
#include "tests/support/manual_executor.h"

namespace pannier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    char name[] = "/tmp/pannier-watch-XXXXXX";
    folder = ::mkdtemp(name);
    watch = std::make_unique<FileWatch>(loop, pool, folder + "/file",
                                        [this](const std::string& text) { seen.push_back(text); });
  }
  ~FileWatchTest() override { std::filesystem::remove_all(folder); }
  void looks() {
    watch->look();
    while (loop.run_one() || pool.run_one()) {}
  }

  ManualExecutor loop, pool;
  std::string folder;
  std::vector<std::string> seen;
  std::unique_ptr<FileWatch> watch;
};

TEST_F(FileWatchTest, TellsOfTheFirstTextAndOfEachOther) {
  looks();
  EXPECT_THAT(seen, IsEmpty());
  ASSERT_TRUE(write_file(watch->file(), "one", 0600));
  looks();
  looks();
  ASSERT_TRUE(write_file(watch->file(), "two", 0600));
  looks();
  std::filesystem::remove(watch->file());
  looks();
  EXPECT_THAT(seen, ElementsAre("one", "two"));
  ASSERT_TRUE(write_file(watch->file(), "two", 0600));
  looks();
  EXPECT_THAT(seen, ElementsAre("one", "two"));
}

TEST_F(FileWatchTest, ReadsOffTheLoopAndOnceAtATime) {
  ASSERT_TRUE(write_file(watch->file(), "one", 0600));
  watch->look();
  watch->look();
  EXPECT_THAT(seen, IsEmpty());
  EXPECT_TRUE(pool.run_one());
  EXPECT_FALSE(pool.run_one());
  watch.reset();
  while (loop.run_one()) {}
  EXPECT_THAT(seen, IsEmpty());
}

}  // namespace
}  // namespace pannier
