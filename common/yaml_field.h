// The rules and names that describe a field of a document, for YamlMap (which reads) and
// YamlMapWriter (which writes). Both offer the same calls, so that one function describes a
// document both ways:
//
//   template <typename Io, typename Spool> void spool_fields(Io& io, Spool& spool) {
//     io.bytes("segmentBytes", spool.segment_bytes, {1u << 20, 1u << 30});
//   }
//
// Plain values; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace pannier {

enum class UnknownKeys : std::uint8_t {
  refuse,  // files that people write: an unknown key is a typo
  ignore,  // documents from another release: an unknown key is newer than we are
};

struct TextRule {
  std::string_view expected = "text";
  std::size_t bytes_max = 4'096;
  bool (*fits)(std::string_view) = nullptr;  // asked only about text that is not empty
  bool required = false;                     // not empty; present, where there is no default
  bool secret = false;                       // never repeated in an error
  bool empty_items = false;                  // in a list, it may be empty
};

struct IntegerRange {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct ByteRange {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::int64_t>::max();
};

struct DurationRange {
  std::chrono::milliseconds min{0};
  std::chrono::milliseconds max = std::chrono::hours{24 * 366};
};

// One value of an enum and its name in documents.
template <typename E>
struct Named {
  std::string_view name;
  E value;
};

template <typename E, std::size_t N>
constexpr std::string_view name_in(const Named<E> (&names)[N], E value) {
  for (const Named<E>& named : names)
    if (named.value == value) return named.name;
  return {};
}

}  // namespace pannier
