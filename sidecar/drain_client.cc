#include "sidecar/drain_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include "common/clock.h"

namespace pannier {
namespace {

constexpr std::string_view kRequest =
    "POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
constexpr std::size_t kStatusLineMax = 1'024;

// One request on a socket that never blocks for longer than until its deadline.
class DrainClient {
 public:
  DrainClient(const std::string& path, std::chrono::milliseconds limit)
      : path_(path), until_(system_clock().now() + limit) {}
  ~DrainClient() {
    if (socket_ >= 0) ::close(socket_);
  }
  DrainClient(const DrainClient&) = delete;
  DrainClient& operator=(const DrainClient&) = delete;

  Result<void> connect();
  Result<void> send();
  Result<std::string> status_line();

 private:
  Error failed() const {
    return Error{Errc::closed, "nobody can be asked on '" + path_ +
                                   "': " + std::generic_category().message(errno) +
                                   "; is the agent running, and is this its control socket?"};
  }
  Result<void> wait(short events) const;

  const std::string path_;
  const Clock::time_point until_;
  int socket_ = -1;
};

Result<void> DrainClient::wait(short events) const {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until_ - system_clock().now()).count();
    pollfd waited{socket_, events, 0};
    const int ready = left > 0 ? ::poll(&waited, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return {};
    if (ready == 0)
      return Error{Errc::timed_out, "the agent on '" + path_ + "' does not answer in time"};
    if (errno != EINTR) return failed();
  }
}

Result<void> DrainClient::connect() {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof to.sun_path)
    return Error{Errc::bad_argument, "'" + path_ + "' is no path of a socket: it is too long"};
  std::memcpy(to.sun_path, path_.data(), path_.size());
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return failed();
  // EAGAIN: its line of those who wait is full. It is busy, and we shall not be heard.
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return failed();
  return {};
}

Result<void> DrainClient::send() {
  for (std::string_view left = kRequest; !left.empty();) {
    if (auto may = wait(POLLOUT); !may) return may;
    const ssize_t sent = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed();
    left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  return {};
}

Result<std::string> DrainClient::status_line() {
  std::string line;
  while (line.find("\r\n") == std::string::npos && line.size() < kStatusLineMax) {
    if (auto may = wait(POLLIN); !may) return may.error();
    char bytes[512];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return failed();
    if (got == 0)
      return Error{Errc::closed, "the agent on '" + path_ + "' closed without an answer"};
    line.append(bytes, static_cast<std::size_t>(got));
  }
  return line.substr(0, line.find("\r\n"));
}

}  // namespace

Result<void> ask_to_drain(const std::string& socket_path, std::chrono::milliseconds limit) {
  DrainClient client(socket_path, limit);
  if (auto connected = client.connect(); !connected) return connected;
  if (auto sent = client.send(); !sent) return sent;
  const auto line = client.status_line();
  if (!line) return line.error();
  if (line->starts_with("HTTP/1.1 202")) return {};
  return Error{Errc::access_denied,
               "the agent on '" + socket_path + "' does not drain: it answered '" + *line + "'"};
}

}  // namespace pannier
