#include "sidecar/key_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"
#include "common/log.h"
#include "tests/support/manual_executor.h"

namespace pannier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KeyWatchTest : public testing::Test {
 protected:
  KeyWatchTest() {
    char name[] = "/tmp/pannier-keys-XXXXXX";
    folder = ::mkdtemp(name);
    log::set_sink([this](std::string_view line) { logged.emplace_back(line); });
    put("1", std::string(32, 'k'));
    put("current", "1");
    watch = std::make_unique<KeyWatch>(loop, pool, folder, *spool::KeyRing::load(folder),
                                       [this](const Keys& keys) -> Result<void> {
                                         if (refusal) return *refusal;
                                         used.push_back(keys->current());
                                         return {};
                                       });
  }
  ~KeyWatchTest() override {
    log::set_sink({});
    std::filesystem::remove_all(folder);
  }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file(folder + "/" + name, text, 0600));
  }
  void looks() {
    watch->look();
    while (loop.run_one() || pool.run_one()) {}
  }

  ManualExecutor loop, pool;
  std::string folder;
  std::vector<std::string> logged;
  std::vector<std::uint32_t> used;
  std::optional<Error> refusal;
  std::unique_ptr<KeyWatch> watch;
};

TEST_F(KeyWatchTest, HandsOverKeysThatHaveChangedAndNoOthers) {
  looks();
  std::string hex;
  for (int i = 0; i < 32; ++i) hex += "6b";  // the same in another form
  put("1", hex + "\n");
  looks();
  EXPECT_THAT(used, IsEmpty());
  put("2", std::string(32, 'z'));
  looks();
  EXPECT_THAT(used, ElementsAre(1)) << "another key to read with";
  put("current", "2\n");
  looks();
  looks();
  EXPECT_THAT(used, ElementsAre(1, 2));
  EXPECT_EQ(watch->current(), 2u);
  put("2", std::string(32, 'y'));
  looks();
  EXPECT_THAT(used, ElementsAre(1, 2, 2)) << "the same number, and another key";
}

TEST_F(KeyWatchTest, KeepsTheLastKeysWhenTheFolderCannotBeUsedAndSaysWhyOnce) {
  put("current", "7");
  looks();
  looks();
  EXPECT_THAT(watch->error(), HasSubstr("current names key 7"));
  EXPECT_EQ(watch->current(), 1u);
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_THAT(logged[0], HasSubstr("current names key 7"));
  EXPECT_THAT(logged[0], Not(HasSubstr("kkkk"))) << "it shows a key";
  put("current", "1");
  looks();
  EXPECT_EQ(watch->error(), "");
  EXPECT_THAT(used, IsEmpty());
}

TEST_F(KeyWatchTest, TriesAgainWhatTheSpoolRefusesUntilItIsTaken) {
  refusal = Error{Errc::bad_config, "key 1 is still needed"};
  put("2", std::string(32, 'z'));
  std::filesystem::remove(folder + "/1");
  put("current", "2");
  looks();
  looks();
  EXPECT_EQ(watch->error(), "key 1 is still needed");
  EXPECT_EQ(logged.size(), 1u);
  refusal.reset();
  looks();
  EXPECT_THAT(used, ElementsAre(2));
  EXPECT_EQ(watch->error(), "");
}

TEST_F(KeyWatchTest, ReadsOffTheLoopAndHearsNothingOnceItIsGone) {
  put("2", std::string(32, 'z'));
  watch->look();
  watch->look();
  EXPECT_TRUE(pool.run_one());
  EXPECT_FALSE(pool.run_one());
  watch.reset();
  while (loop.run_one()) {}
  EXPECT_THAT(used, IsEmpty());
}

}  // namespace
}  // namespace pannier
