#include "sidecar/spool/compression.h"

#include <lz4.h>
#include <zstd.h>

#include <cstdlib>
#include <limits>

namespace pannier::spool {
namespace {

constexpr int kZstdLevel = 1;

template <auto free>
struct FreeWith {
  template <typename T>
  void operator()(T* held) const {
    free(held);
  }
};
using Compressing = std::unique_ptr<ZSTD_CCtx, FreeWith<ZSTD_freeCCtx>>;
using Decompressing = std::unique_ptr<ZSTD_DCtx, FreeWith<ZSTD_freeDCtx>>;

char* chars(std::byte* bytes) { return reinterpret_cast<char*>(bytes); }
const char* chars(const std::byte* bytes) { return reinterpret_cast<const char*>(bytes); }

// Bytes written; 0: they have no room.
std::size_t lz4(ByteView from, std::span<std::byte> to) {
  const int size = LZ4_compress_default(chars(from.data()), chars(to.data()),
                                        static_cast<int>(from.size()), static_cast<int>(to.size()));
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

std::size_t zstd(ZSTD_CCtx* with, ByteView from, std::span<std::byte> to) {
  const std::size_t size =
      ZSTD_compressCCtx(with, to.data(), to.size(), from.data(), from.size(), kZstdLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

bool unfold_lz4(ByteView from, std::span<std::byte> to) {
  const int size = LZ4_decompress_safe(chars(from.data()), chars(to.data()),
                                       static_cast<int>(from.size()), static_cast<int>(to.size()));
  return size >= 0 && static_cast<std::size_t>(size) == to.size();
}

// One frame and nothing behind it: zstd itself would unfold several.
bool unfold_zstd(ByteView from, std::span<std::byte> to) {
  if (ZSTD_findFrameCompressedSize(from.data(), from.size()) != from.size()) return false;
  const Decompressing with(ZSTD_createDCtx());
  if (!with) std::abort();  // no memory
  return ZSTD_decompressDCtx(with.get(), to.data(), to.size(), from.data(), from.size()) ==
         to.size();
}

}  // namespace

struct Compressor::Memory {
  Compressing zstd{ZSTD_createCCtx()};
  Bytes from;
  Bytes to;
};

Compressor::Compressor() : memory_(std::make_unique<Memory>()) {
  if (!memory_->zstd) std::abort();  // no memory
}
Compressor::~Compressor() = default;

Slice Compressor::compress(Codec codec, ByteView content) {
  memory_->to.resize(content.size() - 1);
  const std::size_t got = codec == Codec::lz4 ? lz4(content, memory_->to)
                                              : zstd(memory_->zstd.get(), content, memory_->to);
  return Slice::copy_of(ByteView(memory_->to).first(got));
}

StoredContent Compressor::compress(Codec codec, Slice head, Slice body) {
  const std::size_t size = head.size() + body.size();
  const auto unfolded = static_cast<std::uint32_t>(size);
  if (codec != Codec::none && size >= kCompressedMin && size <= kContentMax) {
    ByteView content = body.view();
    if (!head.empty()) {
      memory_->from.clear();
      for (const ByteView piece : {head.view(), body.view()})
        memory_->from.insert(memory_->from.end(), piece.begin(), piece.end());
      content = memory_->from;
    }
    if (Slice smaller = compress(codec, content); !smaller.empty())
      return {std::move(smaller), {}, codec, unfolded};
  }
  return {std::move(head), std::move(body), Codec::none, unfolded};
}

Result<Slice> decompress(Codec codec, ByteView stored, std::uint32_t content) {
  static_assert(kContentMax <= std::numeric_limits<int>::max());
  const Error corrupt{Errc::corrupt, "compressed content does not unfold to the size it names"};
  if (content == 0 || content > kContentMax || stored.empty() || stored.size() > kContentMax)
    return corrupt;
  auto owner = std::make_shared_for_overwrite<std::byte[]>(content);
  const std::span<std::byte> to(owner.get(), content);
  const bool is_whole = codec == Codec::lz4    ? unfold_lz4(stored, to)
                        : codec == Codec::zstd ? unfold_zstd(stored, to)
                                               : false;
  if (!is_whole) return corrupt;
  return Slice(std::move(owner), 0, content);
}

}  // namespace pannier::spool
