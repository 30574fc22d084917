// What a restart finds: MemoryDisk's side of the promise in sidecar/spool/disk.h.
#include "tests/support/durability.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/disk_text.h"
#include "tests/support/memory_disk.h"

namespace pannier {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint64_t kSeeds = 200;
constexpr Keep kKeepAll[] = {Keep::nothing, Keep::everything, Keep::random, Keep::cached};

// What all seeds find in this file, or "(missing)".
std::set<std::string> outcomes(const MemoryDisk& disk, std::string_view name) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.restart(seed);
    found.insert(after->exists(name) ? text_of(*after, name) : "(missing)");
  }
  return found;
}

TEST(Durability, ForgetsUnsyncedBytesWhenNothingIsKeptAndFindsThemWhenEverythingIs) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "synced");
  ASSERT_TRUE(write_text(*file, 6, " and more"));
  ASSERT_TRUE(write_text(*file, 0, "SYN"));
  EXPECT_EQ(text_of(disk, "a"), "SYNced and more");
  EXPECT_EQ(text_of(*disk.restart(1, Keep::nothing), "a"), "synced");
  EXPECT_EQ(text_of(*disk.restart(1, Keep::everything), "a"), "SYNced and more");
}

TEST(Durability, KeepsSyncedBytesInEveryModeAndWithEverySeed) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  const std::string text(10'000, 'x');
  ASSERT_TRUE(write_text(*file, 0, text));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk.sync_folder());
  ASSERT_TRUE(write_text(*file, text.size(), std::string(9'000, 'y')));
  for (const Keep keep : kKeepAll) {
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const std::string found = text_of(*disk.restart(seed, keep), "a");
      ASSERT_EQ(found.substr(0, text.size()), text);
    }
  }
}

TEST(Durability, KeepsPagesOfOneWriteIndependently) {
  MemoryDisk disk;
  const std::string old(2 * kPageSize, 'o');
  auto file = durable_file(disk, "a", old);
  ASSERT_TRUE(write_text(*file, 0, std::string(2 * kPageSize, 'n')));
  std::set<std::string> firsts;
  for (const std::string& found : outcomes(disk, "a")) {
    ASSERT_EQ(found.size(), old.size());
    firsts.insert({found[0], found[kPageSize]});
  }
  EXPECT_THAT(firsts, UnorderedElementsAre("oo", "on", "no", "nn"));
}

TEST(Durability, TearsPagesBetweenSectorsAndNeverWithin) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", std::string(kPageSize, 'o'));
  ASSERT_TRUE(write_text(*file, 0, std::string(kPageSize, 'n')));
  std::size_t torn = 0;
  for (const std::string& found : outcomes(disk, "a")) {
    for (std::size_t at = 0; at < kPageSize; at += kSectorSize) {
      const std::string sector = found.substr(at, kSectorSize);
      EXPECT_EQ(sector, std::string(kSectorSize, sector[0]));
    }
    if (found != std::string(kPageSize, found[0])) ++torn;
  }
  EXPECT_GT(torn, 20u);
}

TEST(Durability, KeepsALaterWriteWithoutAnEarlierOne) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "....");
  ASSERT_TRUE(write_text(*file, 0, "1"));
  ASSERT_TRUE(write_text(*file, 2, "2"));
  EXPECT_THAT(outcomes(disk, "a"), UnorderedElementsAre("....", "1...", "..2.", "1.2."));
}

TEST(Durability, MayLoseGrowthWithOrWithoutItsBytes) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "old");
  ASSERT_TRUE(write_text(*file, 3, "new"));
  const std::string zeros(3, '\0');
  EXPECT_THAT(outcomes(disk, "a"),
              testing::IsSupersetOf({std::string("old"), "old" + zeros, std::string("oldnew")}));

  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(file->allocate(100));
  EXPECT_EQ(text_of(disk, "a").size(), 100u);
  EXPECT_EQ(text_of(*disk.restart(1, Keep::nothing), "a"), "oldnew");
  EXPECT_EQ(text_of(*disk.restart(1, Keep::everything), "a").size(), 100u);
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(text_of(*disk.restart(1, Keep::nothing), "a").size(), 100u);
}

TEST(Durability, ShowsZerosWhereAFileGrowsAgainAfterItWasCutShort) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "");
  ASSERT_TRUE(write_text(*file, 0, std::string(100, 'x')));
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.restart(seed);
    const std::string before = text_of(*after, "a");
    ASSERT_TRUE((*after->open("a"))->allocate(100));
    ASSERT_EQ(text_of(*after, "a"), before + std::string(100 - before.size(), '\0'));
  }
}

TEST(Durability, MayLoseANewFileWithItsSyncedBytesUntilTheFolderIsSynced) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "synced"));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(outcomes(disk, "a"), UnorderedElementsAre("(missing)", "synced"));
  EXPECT_THAT(names_in(*disk.restart(1, Keep::nothing)), IsEmpty());

  ASSERT_TRUE(disk.sync_folder());
  EXPECT_THAT(outcomes(disk, "a"), UnorderedElementsAre("synced"));
}

TEST(Durability, KeepsChangesOfNamesIndependentlyAndNeverHalf) {
  MemoryDisk disk;
  disk.plant("old", as_bytes("1"));
  disk.plant("gone", as_bytes("2"));
  disk.plant("target", as_bytes("3"));
  ASSERT_TRUE(disk.rename("old", "target"));
  ASSERT_TRUE(disk.remove("gone"));
  EXPECT_THAT(names_in(disk), ElementsAre("target"));
  EXPECT_THAT(names_in(*disk.restart(1, Keep::nothing)), ElementsAre("gone", "old", "target"));
  EXPECT_THAT(names_in(*disk.restart(1, Keep::everything)), ElementsAre("target"));

  std::set<std::vector<std::string>> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.restart(seed);
    found.insert(names_in(*after));
    ASSERT_EQ(text_of(*after, "target"), after->exists("old") ? "3" : "1");
  }
  using Names = std::vector<std::string>;
  EXPECT_THAT(found, UnorderedElementsAre(Names{"gone", "old", "target"}, Names{"old", "target"},
                                          Names{"gone", "target"}, Names{"target"}));
  ASSERT_TRUE(disk.sync_folder());
  EXPECT_THAT(names_in(*disk.restart(1, Keep::nothing)), ElementsAre("target"));
}

TEST(Durability, NeverLosesADurableFileToANewOneOfItsOldName) {
  MemoryDisk disk;
  disk.plant("a", as_bytes("durable"));
  ASSERT_TRUE(disk.rename("a", "b"));
  ASSERT_TRUE(disk.create("a"));
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.restart(seed);
    const std::string where = after->exists("b") ? "b" : "a";
    ASSERT_EQ(text_of(*after, where), "durable");
  }
}

TEST(Durability, DoesTheStepOfTheCrashInPartOrNotAtAllButNeverDurably) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "old");
  disk.crash_at(0);
  EXPECT_FALSE(write_text(*file, 0, "new"));
  EXPECT_THAT(outcomes(disk, "a"), UnorderedElementsAre("old", "new"));

  MemoryDisk syncing;
  file = durable_file(syncing, "a", "old");
  ASSERT_TRUE(write_text(*file, 0, "new"));
  syncing.crash_at(1);
  EXPECT_FALSE(file->sync());
  EXPECT_THAT(outcomes(syncing, "a"), UnorderedElementsAre("old", "new"));

  MemoryDisk folder;
  folder.plant("a", as_bytes("old"));
  ASSERT_TRUE(folder.remove("a"));
  folder.crash_at(1);
  EXPECT_FALSE(folder.sync_folder());
  EXPECT_THAT(outcomes(folder, "a"), UnorderedElementsAre("old", "(missing)"));
}

TEST(Durability, LeavesBytesUnsyncedWhenOnlyTheProcessDies) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "unsynced"));
  const auto after = disk.restart(1, Keep::cached);
  EXPECT_EQ(text_of(*after, "a"), "unsynced");
  EXPECT_FALSE(after->restart(1, Keep::nothing)->exists("a"));

  ASSERT_TRUE(after->sync_folder());
  EXPECT_EQ(text_of(*after->restart(1, Keep::nothing), "a"), "");
  ASSERT_TRUE((*after->open("a"))->sync());
  EXPECT_EQ(text_of(*after->restart(1, Keep::nothing), "a"), "unsynced");
  EXPECT_FALSE(disk.restart(1, Keep::nothing)->exists("a")) << "the first disk is left as it was";
}

TEST(Durability, FindsTheSameAfterEveryRestartWithTheSameSeed) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  ASSERT_TRUE(disk.create("b"));
  ASSERT_TRUE(write_text(*file, 100, std::string(50'000, 'x')));
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto one = disk.restart(seed);
    const auto two = disk.restart(seed);
    ASSERT_EQ(names_in(*one), names_in(*two));
    if (!one->exists("a")) continue;
    ASSERT_EQ(one->content("a"), two->content("a"));
  }
  EXPECT_GT(outcomes(disk, "a").size(), 50u);
}

TEST(Durability, NeverMakesDurableWhatAFailedSyncThrewAway) {
  std::set<std::string> reads_and_durables;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk(seed);
    auto file = durable_file(disk, "a", "old");
    ASSERT_TRUE(write_text(*file, 0, "new"));
    disk.fail_at(1);
    ASSERT_EQ(file->sync().error().code, Errc::sync_failed);
    const std::string read = text_of(disk, "a");
    const std::string durable = text_of(*disk.restart(1, Keep::nothing), "a");
    ASSERT_THAT(read, AnyOf("old", "new"));
    reads_and_durables.insert(read + "/" + durable);

    ASSERT_TRUE(file->sync()) << "a second try answers well";
    for (const Keep keep : kKeepAll) {
      if (keep == Keep::cached) continue;
      ASSERT_EQ(text_of(*disk.restart(1, keep), "a"), durable) << "and changes nothing";
    }
  }
  // "new/old" is the trap: it looks written.
  EXPECT_THAT(reads_and_durables, UnorderedElementsAre("old/old", "new/old", "new/new"));
}

TEST(Durability, NeverMakesDurableWhatAFailedFolderSyncThrewAway) {
  std::set<bool> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk(seed);
    ASSERT_TRUE(disk.create("a"));
    disk.fail_next(DiskCall::sync_folder, Errc::io_error);
    ASSERT_EQ(disk.sync_folder().error().code, Errc::sync_failed);
    EXPECT_TRUE(disk.exists("a"));
    const bool durable = disk.restart(1, Keep::nothing)->exists("a");
    ASSERT_TRUE(disk.sync_folder());
    ASSERT_EQ(disk.restart(1, Keep::everything)->exists("a"), durable);
    found.insert(durable);
  }
  EXPECT_EQ(found.size(), 2u);
}

}  // namespace
}  // namespace pannier
