// UnixDoor: the socket file of a listener on a Unix socket: made for its owner alone, and gone with
// us.
//
// Owned by the listener; loop thread; open() does not block. The file is never open to others, not
// even for a moment. One that is left over from a run that crashed is replaced, once nobody answers
// on it; anything else at the path is left alone. Errors: bad_config, with the path.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/result.h"

namespace pannier::net {

class UnixDoor {
 public:
  static Result<UnixDoor> open(const std::string& path);
  UnixDoor(UnixDoor&& other) noexcept;
  UnixDoor& operator=(UnixDoor&&) = delete;
  ~UnixDoor();

  // The socket that listens; whoever takes it closes it.
  int take_socket();
  // Takes the file away, if it is still ours.
  void remove();

 private:
  UnixDoor(std::string path, int socket, dev_t device, ino_t inode)
      : path_(std::move(path)), socket_(socket), device_(device), inode_(inode) {}

  std::string path_;  // empty: the file is not ours any more
  int socket_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pannier::net
