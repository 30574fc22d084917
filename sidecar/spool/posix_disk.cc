#include "sidecar/spool/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include "common/descriptor.h"

namespace pannier::spool {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr std::size_t kPiecesPerCall = IOV_MAX;

// Called right after the failure: reads errno.
Error failed(std::string_view what, const std::string& path) {
  const int code = errno;
  const Errc errc = code == ENOSPC || code == EDQUOT ? Errc::no_space : Errc::io_error;
  return Error{errc, std::string(what) + " " + path + ": " + std::generic_category().message(code) +
                         " (errno " + std::to_string(code) + ")"};
}

Error sync_failed(const std::string& path) {
  return Error{Errc::sync_failed, failed("sync", path).detail};
}

Error bad_name(std::string_view name) {
  return Error{Errc::bad_argument,
               "'" + std::string(name) + "' is no name for a file of the spool"};
}

template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// The pieces of one write that are still to be written, as the system wants them.
class Gather {
 public:
  explicit Gather(std::span<const ByteView> pieces) : rest_(pieces) { skip(0); }

  bool done() const { return rest_.empty(); }

  std::span<const iovec> next() {
    const std::size_t count = std::min(rest_.size(), vectors_.size());
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView piece = i == 0 ? rest_[0].subspan(into_first_) : rest_[i];
      vectors_[i] = {const_cast<std::byte*>(piece.data()), piece.size()};
    }
    return {vectors_.data(), count};
  }

  // Forgets the next `size` bytes, and empty pieces behind them.
  void skip(std::size_t size) {
    into_first_ += size;
    while (!rest_.empty() && into_first_ >= rest_[0].size()) {
      into_first_ -= rest_[0].size();
      rest_ = rest_.subspan(1);
    }
  }

 private:
  std::span<const ByteView> rest_;
  std::size_t into_first_ = 0;
  std::array<iovec, kPiecesPerCall> vectors_;
};

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<void> write(std::uint64_t at, std::span<const ByteView> pieces) override {
    Gather gather(pieces);
    while (!gather.done()) {
      const auto next = gather.next();
      const ssize_t written = uninterrupted([&] {
        return ::pwritev(fd_.get(), next.data(), static_cast<int>(next.size()),
                         static_cast<off_t>(at));
      });
      if (written == 0) errno = EIO;  // nobody promises that this cannot happen for ever
      if (written <= 0) return failed("write at byte " + std::to_string(at) + " of", path_);
      gather.skip(static_cast<std::size_t>(written));
      at += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto rest = into.subspan(done);
      const ssize_t count = uninterrupted([&] {
        return ::pread(fd_.get(), rest.data(), rest.size(), static_cast<off_t>(at + done));
      });
      if (count < 0) return failed("read at byte " + std::to_string(at + done) + " of", path_);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  // Not tried again after EINTR either: whatever a failed sync has thrown away, the next one says
  // nothing about it.
  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return sync_failed(path_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return failed("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<void> allocate(std::uint64_t wanted) override {
    if (wanted == 0) return {};
    const auto before = size();
    if (!before) return before.error();
    auto result = reserve(*before, wanted);
    if (result) return result;
    // A volume that runs full midway leaves the file longer. If this fails too, it stays so.
    const auto after = size();
    if (after && *after > *before) {
      [[maybe_unused]] const int ignored = ::ftruncate(fd_.get(), static_cast<off_t>(*before));
    }
    return result;
  }

 private:
  Result<void> reserve(std::uint64_t before, std::uint64_t wanted) {
    const int refused =
        uninterrupted([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(wanted)); });
    if (refused == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOSYS) return fill_with_zeros(before, wanted);
    return failed("allocate " + std::to_string(wanted) + " bytes for", path_);
  }

  // For file systems that cannot reserve blocks: written zeros take them for good. Holes before
  // `from` stay holes.
  Result<void> fill_with_zeros(std::uint64_t from, std::uint64_t to) {
    static constexpr std::array<std::byte, 64 << 10> kZeros{};
    while (from < to) {
      const auto step = std::min<std::uint64_t>(to - from, kZeros.size());
      const ByteView piece{kZeros.data(), static_cast<std::size_t>(step)};
      if (auto written = write(from, {&piece, 1}); !written) return written;
      from += step;
    }
    return {};
  }

  const Descriptor fd_;
  const std::string path_;
};

// flock ends when its descriptor is closed: by us, or by the system when the process dies.
class PosixLock final : public FolderLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  const Descriptor fd_;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::string folder_around(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new folder exists only once the one around it is synced.
Result<void> make_folder(const std::string& path) {
  const bool made = ::mkdir(path.c_str(), kFolderMode) == 0;
  if (!made && errno != EEXIST) return failed("make folder", path);
  const std::string around = folder_around(path);
  const Descriptor fd(::open(around.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Made in an earlier life and perhaps never synced, so this is tried in any case; but a folder
  // that somebody else made for us may lie in one that we cannot read.
  if (!fd) return made ? Result<void>(failed("open folder", around)) : Result<void>();
  if (::fsync(fd.get()) != 0 && made) return sync_failed(around);
  return {};
}

}  // namespace

Result<std::unique_ptr<PosixDisk>> PosixDisk::in_folder(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (auto made = make_folder(path); !made) return made.error();
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed("open folder", path);
  return std::unique_ptr<PosixDisk>(new PosixDisk(std::move(path), folder));
}

PosixDisk::~PosixDisk() { ::close(folder_); }

std::string PosixDisk::path_of(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

Result<std::unique_ptr<File>> PosixDisk::open_with(std::string_view name, int more_flags) {
  if (!is_file_name(name)) return bad_name(name);
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | more_flags;
  const int fd =
      uninterrupted([&] { return ::openat(folder_, std::string(name).c_str(), flags, kFileMode); });
  if (fd < 0) return failed((more_flags & O_CREAT) != 0 ? "create" : "open", path_of(name));
  return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path_of(name)));
}

Result<std::unique_ptr<File>> PosixDisk::open(std::string_view name) { return open_with(name, 0); }

Result<std::unique_ptr<File>> PosixDisk::create(std::string_view name) {
  return open_with(name, O_CREAT | O_EXCL);
}

Result<void> PosixDisk::remove(std::string_view name) {
  if (!is_file_name(name)) return bad_name(name);
  if (::unlinkat(folder_, std::string(name).c_str(), 0) != 0) {
    return failed("remove", path_of(name));
  }
  return {};
}

Result<void> PosixDisk::rename(std::string_view from, std::string_view to) {
  if (!is_file_name(from)) return bad_name(from);
  if (!is_file_name(to)) return bad_name(to);
  const std::string source(from);
  const std::string target(to);
  if (::renameat(folder_, source.c_str(), folder_, target.c_str()) != 0) {
    return failed("rename to " + target + " of", path_of(from));
  }
  return {};
}

Result<std::vector<FileInfo>> PosixDisk::list() const {
  // A descriptor of its own: the position in the folder belongs to whoever opened it.
  Descriptor fd(::openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failed("open folder", path_);
  const std::unique_ptr<DIR, CloseFolder> entries(::fdopendir(fd.get()));
  if (!entries) return failed("list", path_);
  fd.release();
  std::vector<FileInfo> files;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    struct stat info {};
    if (!is_file_name(name)) continue;
    if (::fstatat(folder_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed since
      return failed("stat", path_of(name));
    }
    if (S_ISREG(info.st_mode)) files.push_back({name, static_cast<std::uint64_t>(info.st_size)});
  }
  if (errno != 0) return failed("list", path_);
  std::sort(files.begin(), files.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return files;
}

Result<void> PosixDisk::sync_folder() {
  if (::fsync(folder_) != 0) return sync_failed(path_);
  return {};
}

Result<Space> PosixDisk::space() const {
  struct statvfs info {};
  if (uninterrupted([&] { return ::fstatvfs(folder_, &info); }) != 0) {
    return failed("ask for the space of", path_);
  }
  return Space{std::uint64_t{info.f_bavail} * info.f_frsize,
               std::uint64_t{info.f_blocks} * info.f_frsize};
}

Result<std::unique_ptr<FolderLock>> PosixDisk::lock() {
  const std::string name(kLockName);
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  Descriptor fd(uninterrupted([&] { return ::openat(folder_, name.c_str(), flags, kFileMode); }));
  if (!fd) return failed("open the lock", path_of(name));
  if (uninterrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) return failed("lock", path_of(name));
    return Error{Errc::spool_locked, "another process uses the spool in " + path_ +
                                         ": stop it, or give each process a folder of its own"};
  }
  return std::unique_ptr<FolderLock>(std::make_unique<PosixLock>(fd.release()));
}

}  // namespace pannier::spool
