#include "operator/local/pod_addresses.h"

#include <charconv>
#include <cstdint>

#include "common/content_hash.h"

namespace pannier::local {
namespace {

constexpr std::uint32_t kFirst = 127u << 24 | 64u << 16;
constexpr std::uint32_t kCount = 1u << 22;

std::string text_of(std::uint32_t address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8)
    text += (text.empty() ? "" : ".") + std::to_string(address >> shift & 0xff);
  return text;
}

// Those that look like a network's own or its broadcast confuse people and some programs.
bool is_plain(std::uint32_t address) { return (address & 0xff) != 0 && (address & 0xff) != 0xff; }

}  // namespace

std::optional<std::string> choose_pod_address(std::string_view pod_uid,
                                              const std::set<std::string>& taken) {
  const std::string hash = content_hash(pod_uid);
  std::uint32_t start = 0;
  std::from_chars(hash.data(), hash.data() + 8, start, 16);
  for (std::uint32_t step = 0; step < kCount; ++step) {
    const std::uint32_t address = kFirst + (start + step) % kCount;
    if (!is_plain(address)) continue;
    std::string text = text_of(address);
    if (!taken.contains(text)) return text;
  }
  return {};
}

}  // namespace pannier::local
