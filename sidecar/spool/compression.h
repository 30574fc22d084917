// Compression: a record's content made smaller, and unfolded again (docs/spool_format.md,
// Compression).
//
// A Compressor belongs to the spool's loop thread and keeps its working memory. decompress() may
// run on any thread and is made for bytes that nobody vouches for: it takes no more memory than the
// record's header says, 64 MiB at most, and answers corrupt for a stream that does not unfold to
// exactly that.
#pragma once

#include <memory>

#include "common/buffer.h"
#include "common/result.h"
#include "sidecar/spool/format.h"

namespace pannier::spool {

inline constexpr std::size_t kCompressedMin = 256;  // smaller content is not tried
inline constexpr std::uint32_t kContentMax = 64u << 20;

// A record's content as it lies there: compressed, or as it is and in up to two pieces.
struct StoredContent {
  Slice head;
  Slice body;
  Codec codec = Codec::none;
  std::uint32_t unfolded = 0;  // its size before

  std::size_t size() const { return head.size() + body.size(); }
};

class Compressor {
 public:
  Compressor();
  ~Compressor();

  // Head and body as one stream; as they are if that is too small, or would not get smaller.
  StoredContent compress(Codec codec, Slice head, Slice body);

 private:
  // Nothing if it does not get smaller.
  Slice compress(Codec codec, ByteView content);

  struct Memory;
  std::unique_ptr<Memory> memory_;
};

Result<Slice> decompress(Codec codec, ByteView stored, std::uint32_t content);

}  // namespace pannier::spool
