// JSON text out of any bytes. Stateless; any thread; no errors.
// A pure function on the caller's string; any thread; never fails.
#pragma once

#include <string>
#include <string_view>

namespace pannier {

// Appends `text` to a JSON string that the caller has opened and will close. What JSON cannot hold
// is escaped; each byte that is not UTF-8 becomes U+FFFD.
void append_json_escaped(std::string& to, std::string_view text);

}  // namespace pannier
