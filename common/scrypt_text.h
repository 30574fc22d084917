// A password's scrypt hash as text: "$scrypt$ln=15,r=8,p=1$SALT$HASH" (the PHC string format).
//
// Pure; any thread. Only its form and its cost are judged here: a hash that would take more than 64
// MiB or a very long time to check is refused, since whoever wrote it would stop the agent with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pannier {

// The parts, looking into the text; salt and hash are still in base64 without padding.
struct ScryptText {
  unsigned cost_log2 = 0;   // N = 2^ln, 10 to 16
  unsigned block_size = 0;  // r, 1 to 8
  unsigned parallel = 0;    // p, 1 to 4
  std::string_view salt;    // at least 16 bytes: 22 letters
  std::string_view hash;    // at least 32 bytes: 43 letters
};

std::optional<ScryptText> parse_scrypt_text(std::string_view text);

inline bool is_scrypt_text(std::string_view text) { return parse_scrypt_text(text).has_value(); }

}  // namespace pannier
