#include "sidecar/spool/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "common/files.h"

namespace pannier::spool {
namespace {

using testing::HasSubstr;
using testing::Not;

class KeyRingFolder : public testing::Test {
 protected:
  KeyRingFolder() {
    std::string path = testing::TempDir() + "pannier-keys-XXXXXX";
    folder_ = ::mkdtemp(path.data());
  }
  ~KeyRingFolder() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& name, std::string_view text) {
    ASSERT_TRUE(write_file(folder_ + "/" + name, text, 0600));
  }
  void refused_with(const std::string& what) {
    const auto ring = KeyRing::load(folder_);
    ASSERT_FALSE(ring);
    EXPECT_EQ(ring.error().code, Errc::bad_config);
    EXPECT_THAT(ring.error().detail, HasSubstr(what));
    EXPECT_THAT(ring.error().detail, Not(HasSubstr("kkkk"))) << "it shows a key";
  }
  const std::string raw_ = std::string(32, 'k');
  std::string folder_;
};

TEST_F(KeyRingFolder, HoldsTheKeysThatAreFilesAndTheOneThatIsCurrent) {
  put("1", raw_);
  put("17", std::string("\n\r\0", 3) + std::string(28, '\xff') + "\n");
  put("4000000000", "000102030405060708090a0B0c0d0e0f101112131415161718191a1b1c1d1e1F\n");
  put("current", "17\n");
  put(".hidden", "anything");
  const auto ring = KeyRing::load(folder_);
  ASSERT_TRUE(ring) << ring.error().detail;
  EXPECT_EQ((*ring)->current(), 17u);
  for (const std::uint32_t id : {1u, 17u, 4'000'000'000u}) EXPECT_TRUE((*ring)->has(id));
  EXPECT_FALSE((*ring)->has(2));
  KeyBytes bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  const KeyRing same({{4'000'000'000u, bytes}}, 0);
  EXPECT_TRUE(same.agrees_with(**ring, 4'000'000'000u));
  EXPECT_FALSE(same.agrees_with(**ring, 1));
  EXPECT_TRUE(same.agrees_with(**ring, 5)) << "neither has it";
}

TEST_F(KeyRingFolder, MayNameNoKeyToEncryptWith) {
  put("3", raw_);
  put("current", "0");
  const auto ring = KeyRing::load(folder_);
  ASSERT_TRUE(ring) << ring.error().detail;
  EXPECT_EQ((*ring)->current(), 0u);
  EXPECT_TRUE((*ring)->has(3));
}

TEST_F(KeyRingFolder, IsRefusedWithoutACurrentOne) {
  refused_with("current");
  put("1", raw_);
  refused_with("current");
  put("current", "2");
  refused_with("names key 2");
  put("current", "one");
  refused_with("expects the number of a key");
  put("current", "");
  refused_with("expects the number of a key");
}

TEST_F(KeyRingFolder, IsRefusedWithAFileThatIsNoKey) {
  put("current", "1");
  put("1", raw_);
  for (const char* name : {"0", "01", "4294967296", "key", "-1", "1.pem"}) {
    put(name, raw_);
    refused_with(folder_ + "/" + name);
    std::filesystem::remove(folder_ + "/" + name);
  }
  for (const std::string& text : {std::string(), std::string(31, 'k'), raw_ + "\n", raw_ + raw_,
                                  std::string(500, 'k'), std::string(63, '0')}) {
    put("2", text);
    refused_with(folder_ + "/2");
  }
}

TEST_F(KeyRingFolder, IsRefusedIfOthersCouldPutAKeyOfTheirsThere) {
  put("current", "1");
  put("1", raw_);
  for (const char* name : {"/1", "/current", ""}) {
    const mode_t good = *name == 0 ? 0700 : 0400;
    for (const mode_t bad : {0622, 0606, 0660}) {
      ASSERT_EQ(::chmod((folder_ + name).c_str(), bad | good), 0);
      refused_with("others than its owner may write it");
    }
    ASSERT_EQ(::chmod((folder_ + name).c_str(), good), 0);
  }
  ASSERT_EQ(::chmod((folder_ + "/1").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(folder_.c_str(), 01777), 0) << "as a Secret's volume is";
  const auto ring = KeyRing::load(folder_);
  EXPECT_TRUE(ring) << ring.error().detail;
}

TEST_F(KeyRingFolder, TellsWhetherAnythingHasChanged) {
  put("current", "1");
  put("1", raw_);
  const auto ring = *KeyRing::load(folder_);
  EXPECT_TRUE(ring->is_same_as(**KeyRing::load(folder_)));
  put("2", raw_);
  const auto two = *KeyRing::load(folder_);
  EXPECT_FALSE(two->is_same_as(*ring));
  EXPECT_FALSE(ring->is_same_as(*two));
  put("current", "2");
  EXPECT_FALSE(two->is_same_as(**KeyRing::load(folder_)));
  put("current", "1");
  put("2", std::string(32, 'z'));
  EXPECT_FALSE(two->is_same_as(**KeyRing::load(folder_)));
}

TEST_F(KeyRingFolder, IsRefusedIfItIsNotThere) {
  folder_ += "/nowhere";
  refused_with(folder_);
}

TEST_F(KeyRingFolder, HasALimitOnItsKeys) {
  put("current", "1");
  for (std::size_t id = 1; id <= KeyRing::kKeysMax + 1; ++id) put(std::to_string(id), raw_);
  refused_with("more than 256 keys");
}

}  // namespace
}  // namespace pannier::spool
