// FolderLock: one operator a folder: flock on DIR/.pannier/lock, which names its holder.
//
// A handle; any thread. The lock goes with the process, however it ends.
#pragma once

#include <cstdint>
#include <utility>

#include "common/descriptor.h"
#include "common/result.h"
#include "operator/local/places.h"

namespace pannier::local {

class FolderLock {
 public:
  // spool_locked, with the holder's pid, while another process has it.
  static Result<FolderLock> take(const Places& places);

  // Somebody has removed or replaced .pannier while DIR is there as it was: the lock keeps nobody
  // out any more, and whoever goes on writes beside another.
  bool is_lost() const;

 private:
  FolderLock(Descriptor file, const Places& places) : file_(std::move(file)), places_(places) {}
  Descriptor file_;
  Places places_;
  std::uint64_t root_inode_ = 0;
};

}  // namespace pannier::local
