// MemoryDisk: a Disk in memory that pulls the plug, forgets what was not synced, tears pages, fails
// and runs full. It promises what disk.h promises and not a byte more.
//
// Owned by the test; files and locks may outlive it. One mutex around everything: any thread. Sizes
// and positions are in bytes. What it does depends on its calls and seeds alone.
//
// Each call that changes something (write, sync, allocate, create, remove, rename, sync_folder) is
// one step, counted from 0 while the power is on, whether it succeeds or not. A test that pulls the
// plug at every step:
//
//   for (std::size_t step = 0; step < steps_of_a_run_without_crash; ++step) {
//     MemoryDisk disk;
//     disk.crash_at(step);
//     const auto confirmed = publish_until_it_fails(disk);
//     const auto after = disk.restart(seed);
//     EXPECT_THAT(records_in(*after), IsSupersetOf(confirmed));
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/error.h"
#include "sidecar/spool/disk.h"
#include "tests/support/durability.h"

namespace pannier {

enum class DiskCall : std::uint8_t { write, sync, allocate, create, remove, rename, sync_folder };

struct DiskCounts {
  std::size_t steps = 0;  // the failed ones too; the other counts are of good calls
  std::size_t writes = 0;
  std::size_t syncs = 0;
  std::size_t folder_syncs = 0;
  std::size_t reads = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_read = 0;
};

class MemoryDisk final : public spool::Disk {
 public:
  static constexpr std::uint64_t kCapacityDefault = 1ull << 40;

  // The seed chooses what a failed call leaves behind.
  explicit MemoryDisk(std::uint64_t seed = 1);
  ~MemoryDisk() override;

  Result<std::unique_ptr<spool::File>> open(std::string_view name) override;
  Result<std::unique_ptr<spool::File>> create(std::string_view name) override;
  Result<void> remove(std::string_view name) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<std::vector<spool::FileInfo>> list() const override;
  Result<void> sync_folder() override;
  Result<spool::Space> space() const override;
  Result<std::unique_ptr<spool::FolderLock>> lock() override;

  // The power goes during this step: a write may get to the disk in part, a sync makes nothing
  // sure. The call and every later one fail with io_error "power is off".
  void crash_at(std::size_t step);
  void crash_now();
  bool power_is_off() const;

  // What is found afterwards, as a disk of its own without faults and locks, of the same capacity.
  // This disk is left as it is, so that one crash can be followed by many restarts; it may also be
  // asked while the power is on: then it is what a cut at this moment would have left.
  std::unique_ptr<MemoryDisk> restart(std::uint64_t seed, Keep keep = Keep::random) const;

  // This step fails, or the next call of that kind. A failed write may have written a part. A
  // failed sync has given up on what it should have made durable: what has not reached the disk by
  // then never will, reads show old or new pages, and a second sync answers well all the same.
  // Syncs fail with sync_failed, whatever the code.
  void fail_at(std::size_t step, Errc code = Errc::io_error);
  void fail_next(DiskCall call, Errc code = Errc::io_error);

  // How many bytes all files together may have. A write or allocate that grows a file beyond that
  // fails with no_space (the write after the part that fits); what lies inside a file can be
  // written.
  void set_capacity(std::uint64_t bytes);

  // A disk that answers well and keeps nothing, to see that a test would notice.
  void sync_is_a_lie(bool lie);
  void folder_sync_is_a_lie(bool lie);

  // Not steps, and they work without power. Names that do not exist end the test program.
  void flip(std::string_view name, std::uint64_t at, std::byte mask);  // on the disk and in memory
  void plant(std::string_view name, ByteView content);  // a durable file, in place of any other
  Bytes content(std::string_view name) const;
  bool exists(std::string_view name) const;

  DiskCounts counts() const;
  std::size_t steps() const { return counts().steps; }

  // One line per step, as in "create a", "write a 4096+512", "allocate a 8192", "sync a",
  // "rename a b", "remove b", "sync_folder"; a failed one goes on as in ": no_space",
  // the one of the crash with ": power is off".
  std::vector<std::string> log() const;
  void clear_log();

 private:
  struct State;
  class Handle;
  class Lock;
  explicit MemoryDisk(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace pannier
