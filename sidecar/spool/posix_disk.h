// PosixDisk: the real Disk, one folder of the file system.
//
// Owned by whoever owns the spool; its files and its lock may outlive it. Nothing in it changes
// after it was made, so any thread may call it, and disk.h says which threads may share a file.
// Every call can block. Files are opened relative to the folder's descriptor: a folder that is
// renamed while we run stays ours. Sizes and positions are in bytes. Errors are those of disk.h;
// details name the call, the path and errno.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/spool/disk.h"

namespace pannier::spool {

class PosixDisk final : public Disk {
 public:
  // Makes the folder (mode 0700) if it is missing; the folder around it has to exist.
  static Result<std::unique_ptr<PosixDisk>> in_folder(std::string path);

  ~PosixDisk() override;
  PosixDisk(const PosixDisk&) = delete;
  PosixDisk& operator=(const PosixDisk&) = delete;

  Result<std::unique_ptr<File>> open(std::string_view name) override;
  Result<std::unique_ptr<File>> create(std::string_view name) override;
  Result<void> remove(std::string_view name) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<std::vector<FileInfo>> list() const override;
  Result<void> sync_folder() override;
  Result<Space> space() const override;
  Result<std::unique_ptr<FolderLock>> lock() override;

 private:
  PosixDisk(std::string path, int folder) : path_(std::move(path)), folder_(folder) {}
  Result<std::unique_ptr<File>> open_with(std::string_view name, int more_flags);
  std::string path_of(std::string_view name) const;

  const std::string path_;
  const int folder_;  // a descriptor that we close
};

}  // namespace pannier::spool
