#include "sidecar/spool/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace pannier::spool {
namespace {

using testing::IsEmpty;

std::vector<Change> all_of(const Changes& changes) {
  std::vector<Change> all;
  changes.for_each([&](const Change& change) { all.push_back(change); });
  return all;
}

Change change_at(std::uint64_t ordinal, std::uint64_t salt) {
  return {static_cast<Ordinal>(ordinal),          static_cast<std::uint16_t>(salt),
          static_cast<std::uint16_t>(salt >> 16), (salt >> 32 & 1) != 0,
          static_cast<std::uint8_t>(salt >> 33),  static_cast<Milliseconds>(salt >> 20)};
}

TEST(Changes, SayWhatAMapWouldSay) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    Changes changes;
    std::map<Ordinal, Change> model;
    const std::uint64_t ordinals = seed % 2 == 0 ? 65'536 : 900;
    for (int i = 0; i < 6000; ++i) {
      const auto ordinal = static_cast<Ordinal>(random() % ordinals);
      if (random() % 3 == 0) {
        changes.erase(ordinal);
        model.erase(ordinal);
        continue;
      }
      const Change change = change_at(ordinal, random());
      changes.put(change);
      model[ordinal] = change;
      ASSERT_EQ(changes.find(ordinal), change) << "seed " << seed;
    }
    ASSERT_EQ(changes.size(), model.size()) << "seed " << seed;
    std::vector<Change> expected;
    for (const auto& [ordinal, change] : model) expected.push_back(change);
    ASSERT_EQ(all_of(changes), expected) << "seed " << seed;
    for (std::uint64_t at = 0; at < ordinals; ++at) {
      const auto found = changes.find(static_cast<Ordinal>(at));
      ASSERT_EQ(found.has_value(), model.contains(static_cast<Ordinal>(at))) << "seed " << seed;
    }
  }
}

TEST(Changes, TakeHardlyMoreThanTheirBytesInWhateverOrderTheyCome) {
  constexpr std::uint64_t kAll = kEntriesPerSegmentMax;
  for (const std::uint64_t step : {1u, 40'503u}) {  // one after the other; all over the place
    Changes changes;
    for (std::uint64_t i = 0; i < kAll; ++i) changes.put(change_at(i * step % kAll, i));
    EXPECT_EQ(changes.size(), kAll);
    EXPECT_LE(changes.bytes(), kAll * 20);
    for (std::uint64_t i = 0; i < kAll; ++i) changes.erase(static_cast<Ordinal>(i));
    EXPECT_TRUE(changes.empty());
    EXPECT_THAT(all_of(changes), IsEmpty());
    EXPECT_LE(changes.bytes(), kAll);
  }
}

}  // namespace
}  // namespace pannier::spool
