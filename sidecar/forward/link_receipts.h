// Receipts as link methods carry them: sequence u64 and delivery u64, one after the other.
//
// Pure functions; any thread.
#pragma once

#include <span>
#include <vector>

#include "sidecar/amqp/wire.h"
#include "sidecar/queue/consumer.h"

namespace pannier::forward {

inline constexpr std::size_t kReceiptSize = 16;
// Of one method. As many have no room in a frame of the usual size.
inline constexpr std::size_t kReceiptsPerMethodMax = 8'192;

// So many fit into one method of a link whose frames are that large, beside its names.
std::size_t receipts_per_frame(std::uint32_t frame_max);

// Errors: bad_syntax, too_large.
Result<std::vector<queue::Receipt>> unpack_receipts(const amqp::LongString& packed,
                                                    std::size_t count_max = kReceiptsPerMethodMax);
amqp::LongString pack_receipts(std::span<const queue::Receipt> receipts);

}  // namespace pannier::forward
