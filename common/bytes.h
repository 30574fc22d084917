// ByteReader and ByteWriter: bounds-checked little- and big-endian integers and runs of bytes.
//
// A reader looks at bytes that somebody else owns. Reading past the end makes it fail for good and
// yields zeros, so that a decoder reads its whole layout and asks ok() once. A writer appends to a
// vector that the caller owns. Neither has a thread of its own.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pannier {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <std::unsigned_integral T>
constexpr T byte_swapped(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

// Unchecked, for fixed layouts whose size the caller has checked. The machine is little-endian.
template <std::unsigned_integral T>
T load_le(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <std::unsigned_integral T>
void store_le(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <std::unsigned_integral T>
T load_be(const std::byte* from) {
  return byte_swapped(load_le<T>(from));
}
template <std::unsigned_integral T>
void store_be(std::byte* to, T value) {
  store_le(to, byte_swapped(value));
}

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T le() {
    if (!has(sizeof(T))) return fail(), T{};
    return load_le<T>(take(sizeof(T)).data());
  }
  template <std::unsigned_integral T>
  T be() {
    if (!has(sizeof(T))) return fail(), T{};
    return load_be<T>(take(sizeof(T)).data());
  }
  std::uint8_t u8() { return le<std::uint8_t>(); }

  // The next bytes, still owned by whoever owns the input. Empty and failed when there are fewer.
  ByteView bytes(std::size_t size) {
    if (!has(size)) return fail(), ByteView{};
    return take(size);
  }
  void skip(std::size_t size) { bytes(size); }

  std::size_t left() const { return rest_.size(); }
  ByteView rest() const { return rest_; }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  bool has(std::size_t size) const { return ok_ && rest_.size() >= size; }
  void fail() { ok_ = false, rest_ = {}; }
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  ByteView rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}

  template <std::unsigned_integral T>
  void le(T value) {
    store_le(grow(sizeof(T)), value);
  }
  template <std::unsigned_integral T>
  void be(T value) {
    store_be(grow(sizeof(T)), value);
  }
  void u8(std::uint8_t value) { *grow(1) = std::byte{value}; }
  void bytes(ByteView data) {
    if (!data.empty()) std::memcpy(grow(data.size()), data.data(), data.size());
  }
  void zeros(std::size_t size) { out_.resize(out_.size() + size); }

  std::size_t size() const { return out_.size(); }

 private:
  std::byte* grow(std::size_t size) {
    const std::size_t at = out_.size();
    out_.resize(at + size);
    return out_.data() + at;
  }

  Bytes& out_;
};

}  // namespace pannier
