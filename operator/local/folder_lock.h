// FolderLock: one operator a folder: flock on DIR/.pannier/lock, which names its holder.
//
// A handle; any thread. The lock goes with the process, however it ends.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "operator/local/places.h"

namespace pannier::local {

class FolderLock {
 public:
  // spool_locked, with the holder's pid, while another process has it.
  static Result<FolderLock> take(const Places& places);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

  // Somebody has removed or replaced .pannier while DIR is there as it was: the lock keeps nobody
  // out any more, and whoever goes on writes beside another.
  bool is_lost() const;

 private:
  FolderLock(int file, const Places& places) : file_(file), places_(places) {}
  int file_;
  Places places_;
  std::uint64_t root_inode_ = 0;
};

}  // namespace pannier::local
