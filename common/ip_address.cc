#include "common/ip_address.h"

#include <arpa/inet.h>

#include <array>
#include <string>

namespace pannier {
namespace {

using Address = std::array<unsigned char, 16>;

bool parse(int family, std::string_view text, Address& into) {
  if (text.find('\0') != std::string_view::npos) return false;
  return inet_pton(family, std::string(text).c_str(), into.data()) == 1;
}

}  // namespace

bool is_ip_address(std::string_view text) {
  Address address{};
  return parse(AF_INET, text, address) || parse(AF_INET6, text, address);
}

bool is_loopback_address(std::string_view text) {
  Address address{};
  if (parse(AF_INET, text, address)) return address[0] == 127;
  constexpr Address kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return parse(AF_INET6, text, address) && address == kLoopback6;
}

}  // namespace pannier
