#include "operator/local/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "common/files.h"

namespace pannier::local {
namespace {

std::optional<struct stat> status_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? std::optional(found) : std::nullopt;
}

std::string last_error() { return std::error_code(errno, std::generic_category()).message(); }

}  // namespace

Result<FolderLock> FolderLock::take(const Places& places) {
  const std::string path = places.lock();
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return Error{Errc::io_error, "cannot open " + path + ": " + last_error()};
  FolderLock lock(Descriptor(file), places);
  if (const auto root = status_of(places.root())) lock.root_inode_ = root->st_ino;
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return Error{Errc::io_error, "cannot lock " + path + ": " + last_error()};
    const auto holder = read_file(path, 64);
    std::string pid = holder ? *holder : std::string();
    while (!pid.empty() && pid.back() == '\n') pid.pop_back();
    return Error{Errc::spool_locked, places.root() + ": another pannier-operator has this folder" +
                                         (pid.empty() ? "" : " (pid " + pid + ")") +
                                         ": end it first, or use another folder"};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // For people only; a full disk must not keep anybody from ending what fills it.
  if (::ftruncate(file, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(file, pid.data(), pid.size(), 0);
  }
  return lock;
}

bool FolderLock::is_lost() const {
  const auto root = status_of(places_.root());
  if (!root || root->st_ino != root_inode_) return false;  // unmounted or moved: it may come back
  struct stat held {};
  if (::fstat(file_.get(), &held) != 0) return false;
  const auto found = status_of(places_.lock());
  return !found || found->st_ino != held.st_ino || found->st_dev != held.st_dev;
}

}  // namespace pannier::local
