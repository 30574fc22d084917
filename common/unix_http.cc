#include "common/unix_http.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

namespace pannier {
namespace {

constexpr std::size_t kReadBytes = 16u << 10;

bool is_without(std::string_view text, std::string_view forbidden) {
  return text.find_first_of(forbidden) == std::string_view::npos &&
         text.find('\0') == std::string_view::npos;
}

// A text out of somebody's hands must not become a second header, or a second request.
bool can_be_sent(const HttpRequest& request) {
  if (request.method.empty() || !is_without(request.method, " \t\r\n")) return false;
  if (!request.target.starts_with('/') || !is_without(request.target, " \t\r\n")) return false;
  return std::ranges::all_of(request.headers, [](const auto& header) {
    return !header.first.empty() && is_without(header.first, " \t\r\n:") &&
           is_without(header.second, "\r\n");
  });
}

std::string to_bytes(const HttpRequest& request) {
  std::string bytes = request.method + ' ' + request.target + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  return bytes + "Content-Length: " + std::to_string(request.body.size()) + "\r\n\r\n" +
         request.body;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char each : text) {
    if (kPlain.find(each) != std::string_view::npos) {
      encoded += each;
      continue;
    }
    const auto byte = static_cast<unsigned char>(each);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

Error UnixHttp::failed() const {
  return Error{Errc::closed, "nobody can be asked on '" + path_ +
                                 "': " + std::generic_category().message(errno) +
                                 "; is the agent running, and is this its control socket?"};
}

void UnixHttp::disconnect() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

// Nothing is owed to us: whatever there is to read is the end, or bytes that nobody asked for.
bool UnixHttp::is_still_open() const {
  pollfd seen{socket_, POLLIN, 0};
  return socket_ >= 0 && ::poll(&seen, 1, 0) == 0;
}

Result<void> UnixHttp::connect() {
  if (is_still_open()) return {};
  disconnect();
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof to.sun_path)
    return Error{Errc::bad_argument, "'" + path_ + "' is no path of a socket: it " +
                                         (path_.empty() ? "is empty" : "is too long")};
  std::memcpy(to.sun_path, path_.data(), path_.size());
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) return failed();
  // EAGAIN: its line of those who wait is full. It is busy, and we shall not be heard.
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return failed();
  return {};
}

// Which of the events have come.
Result<short> UnixHttp::wait(short events) const {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until_ - system_clock().now()).count();
    pollfd waited{socket_, events, 0};
    const int limit = static_cast<int>(std::min<std::int64_t>(left, INT_MAX));
    const int ready = left > 0 ? ::poll(&waited, 1, limit) : 0;
    if (ready > 0) return waited.revents;
    if (ready == 0)
      return Error{Errc::timed_out, "the agent on '" + path_ + "' does not answer in time"};
    if (errno != EINTR) return failed();
  }
}

// Stops early when an answer is there before we are done: a refusal, whose sender may have stopped
// reading.
Result<void> UnixHttp::send(std::string_view bytes) {
  is_sent_ = false;
  while (!bytes.empty()) {
    const auto ready = wait(POLLOUT | POLLIN);
    if (!ready) return ready.error();
    if ((*ready & POLLIN) != 0) return {};
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return {};  // it may say why
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed();
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  is_sent_ = true;
  return {};
}

Result<void> UnixHttp::receive(HttpAnswerReader& reader) {
  const auto about_it = [this](const Error& error) {
    return Error{error.code, "the agent on '" + path_ + "': " + error.detail};
  };
  std::string bytes(kReadBytes, '\0');
  while (!reader.is_done()) {
    if (auto ready = wait(POLLIN); !ready) return ready.error();
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0 && errno != ECONNRESET) return failed();
    if (got <= 0) {
      if (auto ended = reader.end(); !ended)
        return Error{Errc::closed, "the agent on '" + path_ + "' " + ended.error().detail};
      return {};
    }
    const std::string_view come(bytes.data(), static_cast<std::size_t>(got));
    if (auto put = reader.put(come); !put) return about_it(put.error());
  }
  return {};
}

Result<HttpAnswer> UnixHttp::exchange(const HttpRequest& request) {
  HttpAnswerReader reader(limits_, request.method == "HEAD");
  Result<void> done = connect();
  if (done) done = send(to_bytes(request));
  if (done) done = receive(reader);
  if (!done || !is_sent_ || !reader.may_reuse()) disconnect();
  if (!done) return done.error();
  return reader.take();
}

Result<HttpAnswer> UnixHttp::request(const HttpRequest& request, std::chrono::milliseconds within) {
  if (!can_be_sent(request))
    return Error{Errc::bad_argument,
                 "a request with a blank or a line break where HTTP allows none"};
  until_ = system_clock().now() + within;
  const bool was_open = is_still_open();
  auto answer = exchange(request);
  // The server may have closed a connection that it kept just as we used it again. What changes
  // something is not asked twice: it may have been done.
  const bool changes_nothing = request.method == "GET" || request.method == "HEAD";
  if (!answer && answer.error().code == Errc::closed && was_open && changes_nothing)
    return exchange(request);
  return answer;
}

}  // namespace pannier
