// The head of an answer as bytes, and the reasons of statuses.
//
// Pure functions; loop thread. Nothing of a handler's reaches the wire unchecked: a line break in a
// field would split the answer in two.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http/request.h"

namespace pannier::http {

// "Not Found".
std::string_view reason_of(unsigned status);
// A method or a field's name may consist of it (RFC 9110, 5.6.2).
bool is_token(std::string_view text);
bool same_name(std::string_view a, std::string_view b);  // without case
std::string_view trimmed(std::string_view text);         // of spaces and tabs
// No answer with such a status or field may be sent.
bool is_sendable(const Response& response);

struct HeadOptions {
  std::optional<std::uint64_t> content_length;  // nothing: the status has no content
  bool is_in_chunks = false;
  std::string_view upgrade = {};  // to that protocol, with status 101
  bool closes = false;
  bool says_keep_alive = false;  // to HTTP/1.0
  std::string_view date;
};
// Fields of the session's own that the response has, too, are left out.
std::string response_head(const Response& response, const HeadOptions& options);

}  // namespace pannier::http
