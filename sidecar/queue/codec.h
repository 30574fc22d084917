// Codecs: how what is published is compressed: as the queues that take it ask.
//
// Pure functions; loop thread. A message that goes to several queues is one record: if any of them
// asks for compression it is compressed, with zstd if any asks for that.
#pragma once

#include <algorithm>

#include "sidecar/queue/queue.h"

namespace pannier::queue {

constexpr spool::Codec codec_of(Compression compression) {
  switch (compression) {
    case Compression::none: return spool::Codec::none;
    case Compression::lz4: return spool::Codec::lz4;
    case Compression::zstd: return spool::Codec::zstd;
  }
  return spool::Codec::none;
}

inline spool::Codec codec_of(const Queue& queue) { return codec_of(queue.settings().compression); }

// For all of them: pointers to queues of either kind.
template <typename Queues>
spool::Codec codec_for(const Queues& queues) {
  spool::Codec codec = spool::Codec::none;
  for (const auto& queue : queues) codec = std::max(codec, codec_of(*queue));
  return codec;
}

// The message as it is journaled.
inline spool::Content content_of(const Message& message, spool::Codec codec) {
  spool::Content content = content_of(message);
  content.codec = codec;
  return content;
}

}  // namespace pannier::queue
