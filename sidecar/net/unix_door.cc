#include "sidecar/net/unix_door.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/descriptor.h"

namespace pannier::net {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kOwnerOnly = 0600;

Error no_door(const std::string& path, const std::string& why) {
  return Error{Errc::bad_config, "cannot listen on socket '" + path + "': " + why};
}

Error no_door(const std::string& path) {
  return no_door(path, std::generic_category().message(errno));
}

Descriptor make_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

const sockaddr* raw(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// What is in the way is removed if it is a socket on which nobody answers.
Result<void> clear_way(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? Result<void>() : no_door(path);
  if (!S_ISSOCK(found.st_mode)) return no_door(path, "something else has that name; remove it");
  const Descriptor probe = make_socket();
  if (!probe) return no_door(path);
  if (::connect(probe.get(), raw(address), sizeof address) == 0 || errno != ECONNREFUSED)
    return no_door(path, "another process listens there; end it, or name another socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return no_door(path);
  return {};
}

}  // namespace

Result<UnixDoor> UnixDoor::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return no_door(path, "expected a path of 1 to " + std::to_string(sizeof address.sun_path - 1) +
                             " bytes, found " + std::to_string(path.size()) +
                             "; name a shorter one");
  std::memcpy(address.sun_path, path.data(), path.size());
  if (auto clear = clear_way(path, address); !clear) return clear.error();
  Descriptor door = make_socket();
  if (!door) return no_door(path);
  // Before bind, which gives the file the socket's mode: later would leave it open for a moment.
  if (::fchmod(door.get(), kOwnerOnly) != 0) return no_door(path);
  if (::bind(door.get(), raw(address), sizeof address) != 0) return no_door(path);
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return no_door(path);
  if (::listen(door.get(), kBacklog) != 0) {
    const Error why = no_door(path);
    ::unlink(path.c_str());
    return why;
  }
  return UnixDoor(path, door.release(), made.st_dev, made.st_ino);
}

UnixDoor::UnixDoor(UnixDoor&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      socket_(std::exchange(other.socket_, -1)),
      device_(other.device_),
      inode_(other.inode_) {}

UnixDoor::~UnixDoor() {
  remove();
  if (socket_ >= 0) ::close(socket_);
}

int UnixDoor::take_socket() { return std::exchange(socket_, -1); }

void UnixDoor::remove() {
  const std::string path = std::exchange(path_, {});
  if (path.empty()) return;
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) ::unlink(path.c_str());
}

}  // namespace pannier::net
