// What is wrong with the head of a request, by rules that leave two readers no room to disagree
// (request smuggling): stricter than the parser, which sees only heads that pass.
//
// Pure; loop thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pannier::http {

// Answered as problem+json; the connection ends.
struct Refusal {
  unsigned status = 400;
  std::string code = "bad_syntax";
  std::string detail;
};

struct HeadLimits {
  std::size_t target_bytes = 8u << 10;
  std::size_t fields_max = 128;
};

// `head` ends with its empty line, and each of its lines with CRLF.
std::optional<Refusal> check_head(std::string_view head, const HeadLimits& limits);

}  // namespace pannier::http
