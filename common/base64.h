// Base64 (RFC 4648, section 4): bytes as text of 64 letters, and back.
//
// Pure functions; any thread; no errors but "that is none".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pannier {

enum class Padding : std::uint8_t { required, optional };

// With its padding.
std::string to_base64(std::string_view bytes);
// Nothing for other letters, for a length that no bytes have, and for bits beyond the last byte.
std::optional<std::string> from_base64(std::string_view text, Padding padding = Padding::required);

}  // namespace pannier
