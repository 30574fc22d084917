#include "common/random.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace pannier {
namespace {

TEST(FillRandom, FillsEveryByte) {
  std::array<std::byte, 64> seen{};
  for (int round = 0; round < 20; ++round) {
    std::array<std::byte, 64> bytes{};
    fill_random(bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) seen[i] |= bytes[i];
  }
  for (const std::byte byte : seen) EXPECT_NE(byte, std::byte{0});
}

TEST(RandomHex, GivesTwoDigitsAByteAndNeverTheSame) {
  const std::string text = random_hex(20);
  EXPECT_EQ(text.size(), 40u);
  EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), text.npos);
  EXPECT_NE(text, random_hex(20));
  EXPECT_EQ(random_hex(0), "");
}

TEST(RandomUuid, IsAVersion4Uuid) {
  const std::regex shape("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = to_text(random_uuid());
    EXPECT_TRUE(std::regex_match(text, shape)) << text;
    EXPECT_TRUE(seen.insert(text).second) << text;
  }
}

TEST(Uuid, ShowsItsBytesInOrder) {
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<std::byte>(i * 17);
  EXPECT_EQ(to_text(uuid), "00112233-4455-6677-8899-aabbccddeeff");
}

TEST(Random, RepeatsItselfFromTheSameSeed) {
  Random one(1);
  Random same(1);
  Random other(2);
  const std::uint64_t first = one.next();
  EXPECT_EQ(first, 0x910a2dec89025cc1u);  // splitmix64's published first number from seed 1
  EXPECT_EQ(same.next(), first);
  EXPECT_NE(other.next(), first);
}

TEST(Random, StaysBelowItsEndAndReachesEveryNumber) {
  Random random(5);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(10));
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(*seen.rbegin(), 9u);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, GivesUnitsFromZeroUpToButWithoutOne) {
  Random random(5);
  double least = 1;
  double most = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double unit = random.unit();
    least = std::min(least, unit);
    most = std::max(most, unit);
  }
  EXPECT_GE(least, 0.0);
  EXPECT_LT(least, 0.01);
  EXPECT_GT(most, 0.99);
  EXPECT_LT(most, 1.0);
}

}  // namespace
}  // namespace pannier
