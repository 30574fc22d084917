// Randomness of two kinds: for secrets and names from OpenSSL, and for jitter a small fast
// generator that a test can seed.
//
// The free functions are safe on any thread; a Random belongs to one thread. A machine that has no
// randomness left to give can keep no secret, so that ends the program.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace pannier {

// Fills it with bytes that nobody can guess.
void fill_random(std::span<std::byte> into);

// That many unguessable bytes as lower-case hexadecimal digits, two a byte.
std::string random_hex(std::size_t bytes);

// A random (version 4) UUID, and its usual text: "3f2b8c1e-....-4...-....-............".
using Uuid = std::array<std::byte, 16>;
Uuid random_uuid();
std::string to_text(const Uuid& uuid);

// Not for secrets: whoever sees a few numbers knows the next ones (splitmix64).
class Random {
 public:
  Random();  // seeded by fill_random
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next();
  std::uint64_t below(std::uint64_t end);  // 0 <= x < end; `end` must not be 0
  double unit();                           // 0 <= x < 1

 private:
  std::uint64_t state_;
};

}  // namespace pannier
