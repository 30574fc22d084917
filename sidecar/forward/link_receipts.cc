#include "sidecar/forward/link_receipts.h"

#include <algorithm>

#include "common/bytes.h"

namespace pannier::forward {

std::size_t receipts_per_frame(std::uint32_t frame_max) {
  constexpr std::size_t kNames = 1'024;  // two short strings, counts and the frame
  return std::min<std::size_t>(kReceiptsPerMethodMax, (frame_max - kNames) / kReceiptSize);
}

Result<std::vector<queue::Receipt>> unpack_receipts(const amqp::LongString& packed,
                                                    std::size_t count_max) {
  if (packed.text.size() % kReceiptSize != 0)
    return Error{Errc::bad_syntax, "receipts are cut short"};
  const std::size_t count = packed.text.size() / kReceiptSize;
  if (count > count_max)
    return Error{Errc::too_large, std::to_string(count) + " receipts in one method: no more than " +
                                      std::to_string(count_max) + " are taken"};
  std::vector<queue::Receipt> receipts(count);
  ByteReader in(as_bytes(packed.text));
  for (queue::Receipt& receipt : receipts) {
    receipt.sequence = in.be<std::uint64_t>();
    receipt.delivery = in.be<std::uint64_t>();
  }
  return receipts;
}

amqp::LongString pack_receipts(std::span<const queue::Receipt> receipts) {
  Bytes bytes;
  bytes.reserve(receipts.size() * kReceiptSize);
  ByteWriter out(bytes);
  for (const queue::Receipt& receipt : receipts) {
    out.be(receipt.sequence);
    out.be(receipt.delivery);
  }
  return {std::string(as_text(bytes))};
}

}  // namespace pannier::forward
