#include "sidecar/forward/push_hops.h"

#include "sidecar/queue/message.h"

namespace pannier::forward {
namespace {

constexpr auto kHopsTag = static_cast<std::uint8_t>(spool::AttributeTag::hops);
constexpr std::size_t kHopsSize = 4;
constexpr std::size_t kAttributesMax = 0xFFFF;  // of a message in the spool

}  // namespace

Result<std::uint8_t> hops_in(ByteView attributes) {
  if (attributes.size() + kHopsSize > kAttributesMax)
    return Error{Errc::bad_syntax,
                 std::to_string(attributes.size()) + " bytes of attributes are too many"};
  std::uint8_t hops = 0;
  bool has_hops = false;
  ByteReader in(attributes);
  while (in.left() > 0) {
    const std::uint8_t tag = in.u8();
    const ByteView value = in.bytes(in.le<std::uint16_t>());
    const bool is_hops = in.ok() && tag == kHopsTag;
    if (!in.ok() || (is_hops && (value.size() != 1 || has_hops)))
      return Error{Errc::bad_syntax, "the attributes of a message are malformed"};
    if (!is_hops) continue;
    hops = std::to_integer<std::uint8_t>(value.front());
    has_hops = true;
  }
  if (!in.ok()) return Error{Errc::bad_syntax, "the attributes of a message are malformed"};
  return hops;
}

Bytes with_hops(ByteView attributes, std::uint8_t hops) {
  Bytes changed;
  ByteWriter out(changed);
  ByteReader in(attributes);
  while (in.left() > 0) {
    const std::uint8_t tag = in.u8();
    const auto size = in.le<std::uint16_t>();
    const ByteView value = in.bytes(size);
    if (tag == kHopsTag) continue;
    out.u8(tag);
    out.le(size);
    out.bytes(value);
  }
  out.u8(kHopsTag);
  out.le(std::uint16_t{1});
  out.u8(hops);
  return changed;
}

}  // namespace pannier::forward
