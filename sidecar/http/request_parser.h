// RequestParser: one request, fed by hand: a head that is whole, through Boost.Beast's parser, then
// the body's bytes as they come, with or without chunks.
//
// Owned by the session; loop thread. Beast stays in the .cc file. What the parser does not use up,
// the caller keeps and offers again with more behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "sidecar/http/head_check.h"
#include "sidecar/http/request.h"

namespace pannier::http {

struct RequestHead {
  std::string method;
  std::string target;
  Fields fields;
  bool is_http10 = false;
  bool keeps_alive = false;
  bool is_chunked = false;
  std::uint64_t length = 0;  // of the body; unknown when it is chunked
};

// Where the body's bytes go.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Answers how many it takes; fewer than all: no more for now.
  virtual std::size_t take(ByteView bytes) = 0;
};

class RequestParser {
 public:
  // `overhead_bytes`: of all chunks' extensions and of trailers.
  explicit RequestParser(std::size_t overhead_bytes) : overhead_left_(overhead_bytes) {}

  std::optional<Refusal> put_head(std::string_view head, const HeadLimits& limits);
  RequestHead& head() { return head_; }
  bool is_whole() const { return state_ == State::whole; }  // with its body

  struct Taken {
    std::size_t used = 0;
    std::optional<Refusal> refused;
  };
  Taken put_body(ByteView input, BodySink& sink);

 private:
  enum class State : std::uint8_t { head, data, data_end, chunk_head, trailers, whole };

  std::optional<Refusal> on_line(std::string_view line);
  std::optional<Refusal> on_chunk_head(std::string_view line);
  std::optional<Refusal> spend(std::size_t overhead);

  RequestHead head_;
  State state_ = State::head;
  std::uint64_t left_ = 0;  // of the body, or of its chunk
  std::size_t overhead_left_;
};

}  // namespace pannier::http
