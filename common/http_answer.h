// HttpAnswerReader: an HTTP/1.1 answer out of bytes as they come, for those who ask.
//
// A machine over bytes, owned by whoever has the connection; one thread; nothing survives. It takes
// nothing for granted: a head of more than head_max or a body of more than body_max is too_large,
// what is no HTTP is bad_frame, and a connection that ends too early closed. Interim answers (1xx)
// are passed over. Names of header fields are kept in lower case.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace pannier {

struct HttpAnswer {
  int status = 0;
  std::string status_line;  // "HTTP/1.1 201 Created"
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // Nothing is an empty text.
  std::string_view header(std::string_view lower_case_name) const;
};

class HttpAnswerReader {
 public:
  struct Limits {
    std::size_t head_max = 16u << 10;  // the status line, all fields, and trailers
    std::size_t body_max = 64u << 20;
  };

  HttpAnswerReader(Limits limits, bool is_for_head) : limits_(limits), is_for_head_(is_for_head) {}

  Result<void> put(std::string_view bytes);
  // The connection has ended: the end of an answer that named no length, or too early.
  Result<void> end();

  bool has_begun() const { return has_begun_; }
  bool is_done() const { return state_ == State::done; }
  // Whether the connection is good for another request: it is where it should be, nothing is left.
  bool may_reuse() const { return is_done() && stays_open_ && buffer_.empty(); }
  HttpAnswer take() { return std::move(answer_); }

 private:
  enum class State : std::uint8_t {
    status_line,
    fields,
    sized_body,
    body_to_end,
    chunk_size,
    chunk,
    chunk_end,
    trailers,
    done
  };

  Result<bool> step();  // false: it needs more bytes
  Result<bool> take_line(std::string& line);
  Result<void> on_status_line(const std::string& line);
  Result<void> on_field(const std::string& line);
  Result<void> on_fields_end();
  Result<void> on_chunk_size(const std::string& line);
  Result<bool> on_line(const std::string& line);
  bool take_body();

  const Limits limits_;
  const bool is_for_head_;
  State state_ = State::status_line;
  HttpAnswer answer_;
  std::string buffer_;        // what has come and is not used up
  std::size_t at_ = 0;        // where the rest of it begins
  std::size_t searched_ = 0;  // up to where there is no end of a line
  std::size_t head_bytes_ = 0;
  std::uint64_t body_left_ = 0;  // of the body, or of the chunk
  bool has_begun_ = false;
  bool stays_open_ = true;
};

}  // namespace pannier
