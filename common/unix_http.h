// UnixHttp: asks an HTTP/1.1 server on a Unix socket, such as an agent's control socket.
//
// Owned by whoever asks; one thread, which each request blocks until its deadline at most. One
// connection serves several requests as long as the server lets it. Answers are limited. Errors
// say where and what to do: closed (nobody listens there, or it hung up), timed_out, too_large,
// bad_frame (what answers speaks no HTTP), bad_argument (the path, or a request that no line of
// HTTP can carry). After an error the request may or may not have been carried out.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/http_answer.h"

namespace pannier {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// One segment of a path: everything but letters, digits and "-._~" as %XX.
std::string percent_encoded(std::string_view text);

class UnixHttp {
 public:
  explicit UnixHttp(std::string socket_path, HttpAnswerReader::Limits limits = {})
      : path_(std::move(socket_path)), limits_(limits) {}
  ~UnixHttp() { disconnect(); }
  UnixHttp(const UnixHttp&) = delete;
  UnixHttp& operator=(const UnixHttp&) = delete;

  const std::string& socket_path() const { return path_; }

  // `within`: for all of it, from connecting to the answer's last byte.
  Result<HttpAnswer> request(const HttpRequest& request, std::chrono::milliseconds within);

 private:
  Result<HttpAnswer> exchange(const HttpRequest& request);
  Error failed() const;
  Result<void> connect();
  void disconnect();
  bool is_still_open() const;
  Result<short> wait(short events) const;
  Result<void> send(std::string_view bytes);
  Result<void> receive(HttpAnswerReader& reader);

  const std::string path_;
  const HttpAnswerReader::Limits limits_;
  Clock::time_point until_;
  int socket_ = -1;
  bool is_sent_ = false;  // the request, whole
};

}  // namespace pannier
