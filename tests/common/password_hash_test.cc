#include "common/password_hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/scrypt_text.h"
#include "common/secret.h"

namespace pannier {
namespace {

constexpr ScryptCost kCheap{10, 1, 1};

TEST(PasswordHash, ChecksWhatOthersHaveHashed) {  // made with Python's hashlib.scrypt
  const std::string usual =
      "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$h/7ZIZErvvJdvGtZpiAZGcwjL8SpKSXTSnVnO+rJD94";
  EXPECT_TRUE(matches_password(usual, "correct horse"));
  EXPECT_FALSE(matches_password(usual, "correct horsf"));
  const std::string other =
      "$scrypt$ln=11,r=4,p=3$YW5vdGhlciBzYWx0IG9mIDIyIGJ5Lg$"
      "3bLK1qycL/hrAdU1rBB/Nb1bDGYTlmAwlzYAyD+CDG06R1VdO7sQ5Rw";
  EXPECT_TRUE(matches_password(other,
                               "Gr\xC3\xBC\xC3\x9F"
                               "e"));
  EXPECT_FALSE(matches_password(other, "Gr\xC3\xBC\xC3\x9F"));
}

TEST(PasswordHash, MakesTheUsualCostUnlessToldOtherwise) {
  const std::string hash = hash_password("secret");
  EXPECT_TRUE(hash.starts_with("$scrypt$ln=15,r=8,p=1$"));
  EXPECT_TRUE(is_scrypt_text(hash));
  EXPECT_TRUE(matches_password(hash, "secret"));
  EXPECT_TRUE(hash_password("secret", kCheap).starts_with("$scrypt$ln=10,r=1,p=1$"));
}

TEST(PasswordHash, TakesTheDearestCostThatATextMayAskFor) {
  EXPECT_TRUE(matches_password(hash_password("secret", {16, 8, 1}), "secret"));
}

TEST(PasswordHash, HasANewSaltEachTime) {
  EXPECT_NE(hash_password("secret", kCheap), hash_password("secret", kCheap));
}

TEST(PasswordHash, TakesAnyBytesAsAPassword) {
  for (const std::string& password :
       {std::string(), std::string("a\0b", 3), std::string(5'000, 'x'), std::string("\xff\xfe")}) {
    const std::string hash = hash_password(password, kCheap);
    EXPECT_TRUE(matches_password(hash, password));
    EXPECT_FALSE(matches_password(hash, password + "x"));
  }
}

TEST(PasswordHash, MatchesNothingWithADamagedText) {
  const std::string good = hash_password("secret", kCheap);
  std::vector<std::string> damaged{"", "secret", "$scrypt$", good + "!", good.substr(1)};
  damaged.push_back(good.substr(0, good.size() - 1));
  damaged.push_back("$scrypt$ln=11" + good.substr(13));
  damaged.push_back("$scrypt$ln=16,r=1,p=1$" + good.substr(22));  // scrypt itself forbids it
  for (const std::string& text : damaged) EXPECT_FALSE(matches_password(text, "secret")) << text;
}

TEST(PasswordHash, GivesAHashThatNothingMatchesAtTheSameCost) {
  const std::string hash = unmatchable_hash(kCheap);
  EXPECT_TRUE(hash.starts_with("$scrypt$ln=10,r=1,p=1$"));
  EXPECT_TRUE(is_scrypt_text(hash));
  EXPECT_EQ(hash.size(), hash_password("", kCheap).size());
  EXPECT_FALSE(matches_password(hash, ""));
}

TEST(Secret, LeavesNothingInTheTextThatWasCleansed) {
  std::string text = "a secret that is longer than a small string";
  const char* where = text.data();
  const std::size_t size = text.size();
  cleanse(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string(where + 1, size - 1), std::string(size - 1, '\0'));
}

}  // namespace
}  // namespace pannier
