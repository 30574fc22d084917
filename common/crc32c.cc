#include "common/crc32c.h"

#include <algorithm>
#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

namespace pannier {
namespace {

// All polynomials here are bit-reflected: bit i of a 32-bit value stands for x^(31-i).
constexpr std::uint32_t kPolynomial = 0x82f63b78;

constexpr std::uint32_t times_x(std::uint32_t p) { return (p >> 1) ^ (p & 1 ? kPolynomial : 0); }

// kTables[k][b]: what byte b, followed by k zero bytes, adds to the checksum.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::uint32_t before = tables[k - 1][b];
      tables[k][b] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}();

std::uint32_t table_step(std::uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
}

#if defined(__x86_64__)

// The instruction takes three cycles but a new one can start in each: so three neighbouring runs of
// words are summed at once, and the first two sums are then moved behind the third.
//
//   bytes := run A | run B | run C        each of n words, so that
//   crc   := A * x^(64 * 2n) + B * x^(64 * n) + C
//
// A carry-less product of two reflected values has one x too many, and the instruction, given the
// product, multiplies by another x^32 while it reduces: the factor for n words is x^(64 * n - 33).
constexpr std::size_t kRunWordsMax = 128;

constexpr auto kShiftByWords = [] {
  std::array<std::uint32_t, 2 * kRunWordsMax + 1> factors{};
  factors[1] = 1;  // x^31
  for (std::size_t words = 2; words < factors.size(); ++words) {
    factors[words] = factors[words - 1];
    for (int bit = 0; bit < 64; ++bit) factors[words] = times_x(factors[words]);
  }
  return factors;
}();

__attribute__((target("sse4.2,pclmul"))) std::uint64_t product(std::uint64_t crc,
                                                               std::uint32_t factor) {
  const __m128i both = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                                            _mm_cvtsi32_si128(static_cast<int>(factor)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(both));
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc32c_by_instruction(ByteView bytes,
                                                                             std::uint32_t seed) {
  std::uint64_t crc = ~seed;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  const auto word = [](const std::byte* from) { return load_le<std::uint64_t>(from); };

  while (left >= 3 * 8 * 4) {  // below, moving the sums costs more than it saves
    const std::size_t words = std::min(left / (3 * 8), kRunWordsMax);
    const std::size_t size = words * 8;
    std::uint64_t b = 0, c = 0;
    for (const std::byte* end = at + size; at != end; at += 8) {
      crc = _mm_crc32_u64(crc, word(at));
      b = _mm_crc32_u64(b, word(at + size));
      c = _mm_crc32_u64(c, word(at + 2 * size));
    }
    const std::uint64_t moved =
        product(crc, kShiftByWords[2 * words]) ^ product(b, kShiftByWords[words]);
    crc = c ^ _mm_crc32_u64(0, moved);
    at += 2 * size;
    left -= 3 * size;
  }
  for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, word(at));
  auto result = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) {
    result = _mm_crc32_u8(result, std::to_integer<std::uint8_t>(*at));
  }
  return ~result;
}

// False until it is set at start, which only costs speed should another constructor come first.
const bool kHasInstruction = [] {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}();

#endif

}  // namespace

std::uint32_t crc32c_portable(ByteView bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const std::uint64_t word = load_le<std::uint64_t>(at) ^ crc;
    crc = 0;
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; left > 0; ++at, --left) crc = table_step(crc, *at);
  return ~crc;
}

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  if (kHasInstruction) return crc32c_by_instruction(bytes, seed);
#endif
  return crc32c_portable(bytes, seed);
}

}  // namespace pannier
