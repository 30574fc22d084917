#include "sidecar/spool/posix_disk.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/disk_text.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PosixDiskTest : public testing::Test {
 protected:
  PosixDiskTest() {
    std::string pattern = testing::TempDir() + "posix_disk_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    disk_ = std::move(PosixDisk::in_folder(folder_).value());
  }
  ~PosixDiskTest() override { std::filesystem::remove_all(folder_); }

  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }
  std::vector<std::string> names() const { return names_in(*disk_); }

  std::string folder_;
  std::unique_ptr<PosixDisk> disk_;
};

TEST_F(PosixDiskTest, MakesTheFolderForItsOwnerAloneAndOpensItAgain) {
  const std::string path = folder_ + "/spool";
  ASSERT_TRUE(PosixDisk::in_folder(path + "/"));
  EXPECT_EQ(mode_of(path), 0700u);
  EXPECT_TRUE(PosixDisk::in_folder(path));
}

TEST_F(PosixDiskTest, RefusesAFolderWithoutAParentAndAFileInItsPlace) {
  const auto orphan = PosixDisk::in_folder(folder_ + "/no/such");
  ASSERT_FALSE(orphan);
  EXPECT_EQ(orphan.error().code, Errc::io_error);
  EXPECT_THAT(orphan.error().detail, HasSubstr(folder_ + "/no/such"));

  ASSERT_TRUE(disk_->create("file"));
  EXPECT_EQ(PosixDisk::in_folder(folder_ + "/file").error().code, Errc::io_error);
}

TEST_F(PosixDiskTest, CreatesFilesForTheirOwnerAloneAndClosedToChildren) {
  ASSERT_TRUE(disk_->create("a"));
  EXPECT_EQ(mode_of(folder_ + "/a"), 0600u);

  const auto file = disk_->open("a");
  const auto lock = disk_->lock();
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (!target.starts_with(folder_)) continue;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << target;
    ++found;
  }
  EXPECT_EQ(found, 3) << "the folder, the file and the lock";
}

TEST_F(PosixDiskTest, ReadsBackWhatManyPiecesWroteOneAfterTheOther) {
  // More pieces than one system call takes, some of them empty.
  std::string expected = "..";
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
  std::vector<ByteView> pieces;
  for (const std::string& text : texts) {
    pieces.push_back(as_bytes(text));
    expected += text;
  }
  auto file = std::move(disk_->create("a").value());
  ASSERT_TRUE(write_text(*file, 0, ".."));
  ASSERT_TRUE(file->write(2, pieces));
  EXPECT_EQ(*file->size(), expected.size());
  EXPECT_EQ(read_text(*file, 0, expected.size() + 10), expected);
}

TEST_F(PosixDiskTest, ReadsFewerBytesOnlyAtTheEnd) {
  auto file = std::move(disk_->create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "hello"));
  EXPECT_EQ(read_text(*file, 1, 3), "ell");
  EXPECT_EQ(read_text(*file, 3, 100), "lo");
  EXPECT_EQ(read_text(*file, 5, 1), "");
  EXPECT_EQ(read_text(*file, 500, 1), "");
}

TEST_F(PosixDiskTest, WritesNothingForNoPieces) {
  auto file = std::move(disk_->create("a").value());
  EXPECT_TRUE(file->write(100, {}));
  EXPECT_TRUE(write_text(*file, 100, ""));
  EXPECT_EQ(*file->size(), 0u);
}

TEST_F(PosixDiskTest, GoesOnAfterAPartialWriteAndReportsWhereItStopped) {
  auto file = std::move(disk_->create("a").value());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 6;  // the system writes up to here, then fails
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::vector<ByteView> pieces{as_bytes("one"), as_bytes("two"), as_bytes("three")};
  const auto written = file->write(1, pieces);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::io_error);
  EXPECT_THAT(written.error().detail, HasSubstr("write at byte 6 of " + folder_ + "/a"));
  EXPECT_EQ(read_text(*file, 1, 100), "onetw");
}

TEST_F(PosixDiskTest, AllocatesWithBlocksAndWithoutTouchingWhatIsThere) {
  auto file = std::move(disk_->create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "kept"));
  ASSERT_TRUE(file->allocate(1 << 20));
  EXPECT_EQ(*file->size(), 1u << 20);
  EXPECT_EQ(read_text(*file, 0, 5), std::string("kept\0", 5));
  struct stat info {};
  ASSERT_EQ(::stat((folder_ + "/a").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20);

  ASSERT_TRUE(file->allocate(4096));
  EXPECT_EQ(*file->size(), 1u << 20) << "never shortens";
  EXPECT_TRUE(file->allocate(0));
}

TEST_F(PosixDiskTest, LeavesAFileAsLongAsBeforeWhenItCannotAllocate) {
  auto file = std::move(disk_->create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "kept"));
  const auto allocated = file->allocate(std::uint64_t{1} << 62);
  ASSERT_FALSE(allocated);
  EXPECT_THAT(allocated.error().detail, HasSubstr(folder_ + "/a"));
  EXPECT_EQ(*file->size(), 4u);
}

TEST_F(PosixDiskTest, TellsAFullVolumeAndAFailedSyncFromOtherErrors) {
  const auto devices = std::move(PosixDisk::in_folder("/dev").value());
  const auto full = devices->open("full");
  if (!full) GTEST_SKIP() << full.error().detail;
  EXPECT_EQ(write_text(**full, 0, "x").error().code, Errc::no_space);
  const auto synced = (*full)->sync();
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code, Errc::sync_failed);
  EXPECT_THAT(synced.error().detail, HasSubstr("/dev/full"));
}

TEST_F(PosixDiskTest, SyncsFilesAndTheFolder) {
  auto file = std::move(disk_->create("a").value());
  ASSERT_TRUE(write_text(*file, 0, "hello"));
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(disk_->sync_folder());
}

TEST_F(PosixDiskTest, SharesOneContentBetweenHandlesAndKeepsItWhileOneIsOpen) {
  auto writer = std::move(disk_->create("a").value());
  const auto reader = std::move(disk_->open("a").value());
  ASSERT_TRUE(write_text(*writer, 0, "hello"));
  EXPECT_EQ(read_text(*reader, 0, 5), "hello");
  ASSERT_TRUE(disk_->remove("a"));
  EXPECT_EQ(read_text(*reader, 0, 5), "hello");
  EXPECT_EQ(disk_->open("a").error().code, Errc::io_error);
}

TEST_F(PosixDiskTest, CreatesOnlyWhatIsNewAndOpensAndRemovesOnlyWhatIsThere) {
  ASSERT_TRUE(disk_->create("a"));
  EXPECT_EQ(disk_->create("a").error().code, Errc::io_error);
  EXPECT_EQ(disk_->open("b").error().code, Errc::io_error);
  EXPECT_EQ(disk_->remove("b").error().code, Errc::io_error);
  EXPECT_EQ(disk_->rename("b", "c").error().code, Errc::io_error);
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(PosixDiskTest, RenamesOverAnExistingFile) {
  ASSERT_TRUE(write_text(**disk_->create("new"), 0, "new"));
  ASSERT_TRUE(write_text(**disk_->create("current"), 0, "old"));
  ASSERT_TRUE(disk_->rename("new", "current"));
  EXPECT_THAT(names(), ElementsAre("current"));
  EXPECT_EQ(read_text(**disk_->open("current"), 0, 9), "new");
}

TEST_F(PosixDiskTest, ListsFilesWithTheirSizesButNoFoldersLinksOrLock) {
  std::filesystem::create_directory(folder_ + "/lost+found");
  std::filesystem::create_symlink("/etc/hostname", folder_ + "/link");
  std::ofstream(folder_ + "/.hidden") << "x";
  const auto lock = disk_->lock();
  EXPECT_THAT(names(), IsEmpty());

  ASSERT_TRUE(write_text(**disk_->create("b"), 0, "hello"));
  ASSERT_TRUE(disk_->create("a"));
  EXPECT_THAT(names(), ElementsAre("a", "b"));
  EXPECT_EQ(disk_->list()->at(1).size, 5u);
  EXPECT_THAT(names(), ElementsAre("a", "b")) << "a second look starts from the beginning";
}

TEST_F(PosixDiskTest, RefusesNamesThatLeadElsewhereAndTheLock) {
  ASSERT_TRUE(disk_->create("a"));
  using namespace std::string_view_literals;
  for (const auto name : {""sv, "."sv, ".."sv, ".hidden"sv, "../a"sv, "/etc/passwd"sv, "sub/a"sv,
                          "LOCK"sv, "a\0b"sv}) {
    EXPECT_EQ(disk_->open(name).error().code, Errc::bad_argument) << name;
    EXPECT_EQ(disk_->create(name).error().code, Errc::bad_argument) << name;
    EXPECT_EQ(disk_->remove(name).error().code, Errc::bad_argument) << name;
    EXPECT_EQ(disk_->rename(name, "b").error().code, Errc::bad_argument) << name;
    EXPECT_EQ(disk_->rename("a", name).error().code, Errc::bad_argument) << name;
  }
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(PosixDiskTest, DoesNotFollowALinkOutOfTheFolder) {
  std::filesystem::create_symlink("/etc/hostname", folder_ + "/link");
  EXPECT_EQ(disk_->open("link").error().code, Errc::io_error);
}

TEST_F(PosixDiskTest, LocksTheFolderUntilTheLockIsLetGo) {
  auto lock = disk_->lock();
  ASSERT_TRUE(lock);
  const auto second = std::move(PosixDisk::in_folder(folder_).value());
  const auto refused = second->lock();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::spool_locked);
  EXPECT_THAT(refused.error().detail, HasSubstr(folder_));
  EXPECT_THAT(refused.error().detail, HasSubstr("stop it"));
  EXPECT_EQ(disk_->lock().error().code, Errc::spool_locked) << "in the same process too";

  lock->reset();
  EXPECT_TRUE(second->lock());
}

TEST_F(PosixDiskTest, KnowsTheSpaceOfItsVolume) {
  const auto space = disk_->space();
  ASSERT_TRUE(space);
  EXPECT_GT(space->free_bytes, 0u);
  EXPECT_GE(space->total_bytes, space->free_bytes);
}

TEST_F(PosixDiskTest, StaysInItsFolderWhenThatIsRenamed) {
  const std::string moved = folder_ + "_moved";
  std::filesystem::rename(folder_, moved);
  EXPECT_TRUE(disk_->create("a"));
  EXPECT_TRUE(std::filesystem::exists(moved + "/a"));
  std::filesystem::rename(moved, folder_);
}

}  // namespace
}  // namespace pannier::spool
