#include "common/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/descriptor.h"
#include "common/random.h"

namespace pannier {
namespace {

Error failed(std::string_view what, const std::string& path) {
  const int code = errno;
  return {code == ENOENT ? Errc::not_found : Errc::io_error,
          "cannot " + std::string(what) + " " + path + ": " +
              std::error_code(code, std::generic_category()).message()};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> write_all(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0) return failed("sync", path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failed("open", path);
  std::string text;
  char piece[16'384];
  while (true) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
    if (text.size() > bytes_max)
      return Error{Errc::too_large,
                   path + " has more than " + std::to_string(bytes_max) + " bytes"};
  }
}

Result<void> write_file(const std::string& path, std::string_view text, mode_t mode) {
  // Errors name the file that was asked for: the draft has another name each time.
  const std::string draft = path + ".new-" + random_hex(4);
  // Opened first: where no descriptor is left, nothing has changed yet.
  const std::string folder = folder_of(path);
  const Descriptor around(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!around) return failed("open", folder);
  {
    const Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file) return failed("write", path);
    Result<void> done = ::fchmod(file.get(), mode) == 0 ? Result<void>() : failed("write", path);
    if (done) done = write_all(file.get(), text, path);
    if (done && ::rename(draft.c_str(), path.c_str()) != 0) done = failed("write", path);
    if (!done) {
      ::unlink(draft.c_str());
      return done;
    }
  }
  if (::fsync(around.get()) != 0) return failed("sync", folder);
  return {};
}

Result<void> make_folders(const std::string& path, mode_t mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return failed("create", part);
  }
  return {};
}

}  // namespace pannier
