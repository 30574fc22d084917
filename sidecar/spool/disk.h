// Disk: the only door from the spool to the file system, one flat folder of files.
//
// PosixDisk is the real one; tests put a disk in its place that forgets what was not synced, tears
// pages, fails and runs full (tests/support/memory_disk.h). Errors: io_error, no_space, and
// sync_failed for a sync that failed, after which the file's unsynced bytes are lost and the caller
// must not retry. A File may be read on any thread while another one writes other bytes of it.
//
// What survives a power cut: the bytes of a file up to its last sync(), and the names of the folder
// up to the last sync_folder(). Anything later may be there, missing, or there in part, in any
// order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"

namespace pannier::spool {

// Not a name for a file of the spool; it belongs to lock().
inline constexpr std::string_view kLockName = "LOCK";

// Whether a disk accepts this name; open, create, remove and rename refuse others as bad_argument.
constexpr bool is_file_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name != kLockName &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

class File {
 public:
  virtual ~File() = default;

  // Writes all pieces one after the other, starting at byte `at`.
  virtual Result<void> write(std::uint64_t at, std::span<const ByteView> pieces) = 0;
  // Fills `into` from byte `at`; fewer bytes only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t at, std::span<std::byte> into) const = 0;
  // fdatasync: all bytes written before are on stable storage when it returns well.
  virtual Result<void> sync() = 0;
  virtual Result<std::uint64_t> size() const = 0;
  // Makes the file this long with its blocks reserved, so that later writes cannot run out of
  // space. Never shortens it. After a failure the file is as long as before.
  virtual Result<void> allocate(std::uint64_t size) = 0;
};

struct FileInfo {
  std::string name;
  std::uint64_t size = 0;
};

struct Space {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// Held for as long as it lives; another process cannot take it meanwhile. Gone with the process.
class FolderLock {
 public:
  virtual ~FolderLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(std::string_view name) = 0;
  // Fails if the name exists. Mode 0600.
  virtual Result<std::unique_ptr<File>> create(std::string_view name) = 0;
  virtual Result<void> remove(std::string_view name) = 0;
  // Replaces `to` if it exists.
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  // The files of the folder, sorted by name, without the lock.
  virtual Result<std::vector<FileInfo>> list() const = 0;
  virtual Result<void> sync_folder() = 0;
  virtual Result<Space> space() const = 0;
  // spool_locked when another process (or another Spool in this one) holds it.
  virtual Result<std::unique_ptr<FolderLock>> lock() = 0;
};

}  // namespace pannier::spool
