// IP addresses as text: whether one is well-formed, and whether it is this machine's loopback.
//
// Pure functions; any thread; no errors. Numeric IPv4 and IPv6 only, without brackets, zones or
// names.
#pragma once

#include <string_view>

namespace pannier {

bool is_ip_address(std::string_view text);

// 127.0.0.0/8 or ::1.
bool is_loopback_address(std::string_view text);

}  // namespace pannier
