// Folding: bodies of queues that compress what they keep travel compressed over links too, to peers
// that say that they can unfold them.
//
// Pure functions; loop thread. Each body frame is folded by itself, and as it is where that would
// not make it smaller:
//
//   codec u8 (spool::Codec) | size of the piece u32, big-endian | the piece, compressed
//
// Limits, windows and credit count bodies as they were published.
#pragma once

#include "sidecar/amqp/codec.h"
#include "sidecar/queue/codec.h"

namespace pannier::forward {

// Client and server property: what its sender unfolds, separated by spaces.
inline constexpr const char* kCodecsProperty = "pannier-codecs";
inline constexpr std::string_view kCodecs = "lz4 zstd";
std::string_view codecs_in(const queue::Table& properties);

// For a body of that queue, sent to a peer that unfolds these; null: as it is.
amqp::Fold fold_for(const queue::Queue& queue, std::string_view peer_codecs,
                    std::uint64_t body_size);
// Errors: bad_frame, for whatever does not unfold to what it says of itself, or to more.
Result<Slice> unfold(ByteView payload, std::size_t piece_max);

}  // namespace pannier::forward
