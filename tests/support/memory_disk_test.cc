#include "tests/support/memory_disk.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/disk_text.h"

namespace pannier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint64_t kSeeds = 200;

TEST(MemoryDisk, FailsEveryCallOnceThePowerIsOff) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "x");
  const auto lock = disk.lock();
  ASSERT_TRUE(lock);
  disk.crash_at(disk.steps() + 1);
  ASSERT_TRUE(write_text(*file, 0, "1"));
  EXPECT_FALSE(disk.power_is_off());
  EXPECT_FALSE(write_text(*file, 0, "2"));
  EXPECT_TRUE(disk.power_is_off());

  std::byte byte{};
  const std::vector<Error> errors{
      write_text(*file, 0, "3").error(),
      file->read(0, {&byte, 1}).error(),
      file->sync().error(),
      file->size().error(),
      file->allocate(5).error(),
      disk.open("a").error(),
      disk.create("b").error(),
      disk.remove("a").error(),
      disk.list().error(),
      disk.rename("a", "b").error(),
      disk.sync_folder().error(),
      disk.space().error(),
      disk.lock().error(),
  };
  for (const Error& error : errors) {
    EXPECT_EQ(error.code, Errc::io_error);
    EXPECT_EQ(error.detail, "power is off");
  }
  EXPECT_EQ(disk.steps(), 2u);
  EXPECT_TRUE(disk.restart(1)->lock()) << "the lock went with the power";
}

TEST(MemoryDisk, FailsTheChosenStepOrTheNextCallOfAKindAndThenGoesOn) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  disk.fail_at(2, Errc::no_space);
  disk.fail_next(DiskCall::allocate);
  EXPECT_TRUE(write_text(*file, 0, "1"));
  EXPECT_EQ(write_text(*file, 1, "2").error().code, Errc::no_space);
  EXPECT_TRUE(write_text(*file, 1, "2"));
  EXPECT_EQ(file->allocate(10).error().code, Errc::io_error);
  EXPECT_EQ(*file->size(), 2u);
  EXPECT_TRUE(file->allocate(10));
}

TEST(MemoryDisk, LeavesAnyPartOfAFailedWrite) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk(seed);
    auto file = durable_file(disk, "a", "...");
    disk.fail_at(0);
    ASSERT_FALSE(write_text(*file, 0, "new"));
    found.insert(text_of(disk, "a"));
  }
  EXPECT_THAT(found, UnorderedElementsAre("...", "n..", "ne.", "new"));
}

TEST(MemoryDisk, RunsFullButWritesInsideWhatWasAllocated) {
  MemoryDisk disk;
  disk.set_capacity(100);
  auto file = std::move(disk.create("a").value());
  ASSERT_TRUE(file->allocate(90));
  auto other = std::move(disk.create("b").value());
  EXPECT_EQ(other->allocate(11).error().code, Errc::no_space);
  EXPECT_EQ(*other->size(), 0u);
  EXPECT_EQ(write_text(*other, 0, std::string(11, 'x')).error().code, Errc::no_space);
  EXPECT_EQ(*other->size(), 10u) << "as much as fits";
  EXPECT_EQ(disk.space()->free_bytes, 0u);
  EXPECT_EQ(disk.space()->total_bytes, 100u);

  EXPECT_TRUE(write_text(*file, 0, std::string(90, 'y')));
  EXPECT_EQ(write_text(*file, 89, "zz").error().code, Errc::no_space);
  EXPECT_TRUE(disk.remove("b"));
  EXPECT_TRUE(write_text(*file, 89, "zz"));
  EXPECT_EQ(disk.restart(1)->space()->total_bytes, 100u);
}

TEST(MemoryDisk, CanLieAboutSyncsSoThatATestCanBeTested) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "old");
  disk.sync_is_a_lie(true);
  ASSERT_TRUE(write_text(*file, 0, "new"));
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(text_of(*disk.restart(1, Keep::nothing), "a"), "old");

  disk.folder_sync_is_a_lie(true);
  ASSERT_TRUE(disk.create("b"));
  EXPECT_TRUE(disk.sync_folder());
  EXPECT_FALSE(disk.restart(1, Keep::nothing)->exists("b"));
}

TEST(MemoryDisk, FlipsBitsThatStayFlippedThroughSyncsAndRestarts) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", "abc");
  ASSERT_TRUE(write_text(*file, 1, "B"));
  disk.flip("a", 0, std::byte{0x20});
  disk.flip("a", 1, std::byte{0x20});
  EXPECT_EQ(text_of(disk, "a"), "Abc");
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(text_of(*disk.restart(1, Keep::nothing), "a"), "Abc");
}

TEST(MemoryDisk, SharesOneContentBetweenHandlesAndReadsAcrossPages) {
  MemoryDisk disk;
  auto writer = std::move(disk.create("a").value());
  const auto reader = std::move(disk.open("a").value());
  const std::vector<ByteView> pieces{as_bytes("12"), {}, as_bytes("34")};
  ASSERT_TRUE(writer->write(kPageSize - 2, pieces));
  ASSERT_TRUE(disk.remove("a"));
  Bytes into(100);
  EXPECT_EQ(*reader->read(kPageSize - 3, into), 5u);
  EXPECT_EQ(as_text(ByteView(into).first(5)), std::string_view("\0"
                                                               "1234",
                                                               5));
  EXPECT_EQ(*reader->read(kPageSize + 2, into), 0u);
  EXPECT_EQ(*reader->read(10 * kPageSize, into), 0u);
  EXPECT_EQ(*reader->size(), kPageSize + 2);
}

TEST(MemoryDisk, RefusesTheNamesThatTheRealDiskRefuses) {
  MemoryDisk disk;
  for (const auto name : {"", ".hidden", "sub/a", "LOCK"}) {
    EXPECT_EQ(disk.create(name).error().code, Errc::bad_argument);
    EXPECT_EQ(disk.open(name).error().code, Errc::bad_argument);
    EXPECT_EQ(disk.remove(name).error().code, Errc::bad_argument);
    EXPECT_EQ(disk.rename("a", name).error().code, Errc::bad_argument);
  }
  EXPECT_EQ(disk.open("a").error().code, Errc::io_error);
  EXPECT_EQ(disk.remove("a").error().code, Errc::io_error);
  EXPECT_EQ(disk.rename("a", "b").error().code, Errc::io_error);
  ASSERT_TRUE(disk.create("a"));
  EXPECT_EQ(disk.create("a").error().code, Errc::io_error);
}

TEST(MemoryDisk, IsLockedUntilTheLockIsLetGo) {
  MemoryDisk disk;
  auto lock = disk.lock();
  ASSERT_TRUE(lock);
  EXPECT_EQ(disk.lock().error().code, Errc::spool_locked);
  lock->reset();
  EXPECT_TRUE(disk.lock());
}

TEST(MemoryDisk, CountsAndLogsItsCalls) {
  MemoryDisk disk;
  auto file = std::move(disk.create("a").value());
  ASSERT_TRUE(file->allocate(100));
  ASSERT_TRUE(write_text(*file, 10, "hello"));
  ASSERT_TRUE(file->sync());
  disk.fail_next(DiskCall::write, Errc::no_space);
  ASSERT_FALSE(write_text(*file, 0, "x"));
  ASSERT_TRUE(disk.rename("a", "b"));
  ASSERT_TRUE(disk.sync_folder());
  disk.crash_at(disk.steps());
  ASSERT_FALSE(disk.remove("b"));
  EXPECT_THAT(disk.log(), ElementsAre("create a", "allocate a 100", "write a 10+5", "sync a",
                                      "write a 0+1: no_space", "rename a b", "sync_folder",
                                      "remove b: power is off"));
  const DiskCounts counts = disk.counts();
  EXPECT_EQ(counts.steps, 8u);
  EXPECT_EQ(counts.writes, 1u);
  EXPECT_EQ(counts.syncs, 1u);
  EXPECT_EQ(counts.folder_syncs, 1u);
  EXPECT_EQ(counts.bytes_written, 5u);
  disk.clear_log();
  EXPECT_THAT(disk.log(), IsEmpty());
}

TEST(MemoryDisk, ServesReadersOnOtherThreadsWhileOneWrites) {
  MemoryDisk disk;
  auto file = durable_file(disk, "a", std::string(kPageSize, 'x'));
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&disk] {
      const auto reader = std::move(disk.open("a").value());
      Bytes into(kPageSize);
      for (int round = 0; round < 500; ++round) {
        ASSERT_EQ(*reader->read(0, into), kPageSize);
        ASSERT_EQ(into, Bytes(kPageSize, into[0])) << "a write is seen as a whole";
      }
    });
  }
  for (int round = 0; round < 500; ++round) {
    const char letter = static_cast<char>('a' + round % 26);
    ASSERT_TRUE(write_text(*file, 0, std::string(kPageSize, letter)));
    if (round % 10 != 0) continue;
    ASSERT_TRUE(file->sync());
    EXPECT_TRUE(disk.restart(1)->exists("a"));
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace pannier
