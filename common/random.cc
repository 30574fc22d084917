#include "common/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace pannier {
namespace {

void append_hex(std::string& to, std::byte byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  to += kDigits[std::to_integer<unsigned>(byte >> 4)];
  to += kDigits[std::to_integer<unsigned>(byte & std::byte{15})];
}

}  // namespace

void fill_random(std::span<std::byte> into) {
  while (!into.empty()) {
    const std::size_t size = std::min<std::size_t>(into.size(), std::numeric_limits<int>::max());
    auto* data = reinterpret_cast<unsigned char*>(into.data());
    if (RAND_bytes(data, static_cast<int>(size)) != 1) std::abort();
    into = into.subspan(size);
  }
}

std::string random_hex(std::size_t bytes) {
  std::string secret(bytes, '\0');
  fill_random(std::as_writable_bytes(std::span(secret)));
  std::string text;
  text.reserve(2 * bytes);
  for (const char c : secret) append_hex(text, static_cast<std::byte>(c));
  return text;
}

Uuid random_uuid() {
  Uuid uuid;
  fill_random(uuid);
  uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x40};  // version 4
  uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};  // RFC 4122's variant
  return uuid;
}

std::string to_text(const Uuid& uuid) {
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    append_hex(text, uuid[i]);
  }
  return text;
}

Random::Random() : state_(0) { fill_random(std::as_writable_bytes(std::span(&state_, 1))); }

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::uint64_t Random::below(std::uint64_t end) {
  if (end == 0) std::abort();
  const std::uint64_t unfair =
      (0 - end) % end;  // 2^64 mod end: below it some results have one more
  std::uint64_t number = next();
  while (number < unfair) number = next();
  return number % end;
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

}  // namespace pannier
