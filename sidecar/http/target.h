// Target: what a request line asks for, decoded: the path's segments and the query.
//
// Pure; any thread. Accepts the origin form "/a/b?c=d", the absolute form, of which the authority
// is kept for checks, and "*". A "+" is a plus. Refused with bad_syntax: other forms, bad
// percent-escapes, an escaped NUL, and what is not UTF-8 once it is decoded.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace pannier::http {

struct Target {
  std::string authority;  // of the absolute form
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;
};

Result<Target> decode_target(std::string_view method, std::string_view text);

}  // namespace pannier::http
