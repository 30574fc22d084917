// UTF-8: whether bytes are well-formed text (RFC 3629: no overlong forms, no surrogates).
//
// Pure functions; any thread; no errors.
#pragma once

#include <cstddef>
#include <string_view>

namespace pannier {

// Where the first byte lies that does not belong to well-formed UTF-8; text.size() when there is
// none.
std::size_t utf8_fault_at(std::string_view text);

inline bool is_utf8(std::string_view text) { return utf8_fault_at(text) == text.size(); }

}  // namespace pannier
