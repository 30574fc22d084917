// Request and Response: HTTP messages as handlers see them (RFC 9110, 9112).
//
// Values; loop thread. A request's texts are decoded once, when its head is whole; its body is
// shared. Header names are compared without case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/buffer.h"
#include "common/error.h"
#include "sidecar/queue/message.h"

namespace pannier::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "GET"
  std::string target;  // as it was sent, for errors
  std::vector<std::string>
      segments;  // of the path, percent-decoded: "/v1/queues/a%2Fb": v1, queues, a/b
  std::vector<std::pair<std::string, std::string>> query;
  Fields fields;
  Slice body;  // empty when it lies in the spool
  // A large body is journaled in parts while it arrives, where the plan allows it. The handler that
  // publishes it sets body_id to 0; one that is left is aborted with the exchange.
  spool::BodyId body_id = 0;
  std::uint32_t body_parts = 0;
  std::uint64_t body_size = 0;

  std::optional<std::string_view> field(std::string_view name) const;
  std::optional<std::string_view> parameter(std::string_view name) const;  // of the query
};

struct Response {
  unsigned status = 200;
  Fields fields;  // Content-Length, Date and Connection are the session's
  Slice body;
};

// application/problem+json (RFC 9457) with our stable `code`, and Retry-After where it helps.
Response problem(const Error& error, std::string_view instance);
Response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::string_view instance);
// Which status an error is over HTTP.
unsigned status_of(Errc code);

}  // namespace pannier::http
