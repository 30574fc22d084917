// FolderLock: one operator a folder: flock on DIR/.pannier/lock, which names its holder.
//
// A handle; any thread. The lock goes with the process, however it ends.
#pragma once

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

 private:
  explicit FolderLock(int file) : file_(file) {}
  int file_;
};

}  // namespace pannier::local
