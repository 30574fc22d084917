// content_hash: the SHA-256 of a document's bytes in 64 lower-case hex digits, which is its
// version.
//
// Whoever makes a document hashes the text that it sends; whoever receives one hashes the text as
// it came, never its own rendering of it: another release may know other fields. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace pannier {

std::string content_hash(std::string_view text);

}  // namespace pannier
