#include "sidecar/forward/folding.h"

#include "sidecar/spool/compression.h"

namespace pannier::forward {
namespace {

using spool::Codec;

// Has a word for each codec that it knows.
bool lists(std::string_view codecs, Codec codec) {
  const std::string_view name = codec == Codec::lz4 ? "lz4" : "zstd";
  while (!codecs.empty()) {
    const std::size_t end = std::min(codecs.find(' '), codecs.size());
    if (codecs.substr(0, end) == name) return true;
    codecs.remove_prefix(std::min(end + 1, codecs.size()));
  }
  return false;
}

// One for all links: its memory is used again and again.
spool::Compressor& compressor() {
  thread_local spool::Compressor compressor;
  return compressor;
}

Slice fold(Codec codec, const Slice& piece) {
  const spool::StoredContent stored = compressor().compress(codec, {}, piece);
  Bytes bytes;
  bytes.reserve(amqp::kFoldedOverhead + stored.size());
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(stored.codec));
  out.be(static_cast<std::uint32_t>(piece.size()));
  out.bytes(stored.head.view());
  out.bytes(stored.body.view());
  return Slice::copy_of(bytes);
}

}  // namespace

std::string_view codecs_in(const queue::Table& properties) {
  const queue::Value* value = properties.find(kCodecsProperty);
  const std::string* text = value == nullptr ? nullptr : value->as_text();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

amqp::Fold fold_for(const queue::Queue& queue, std::string_view peer_codecs,
                    std::uint64_t body_size) {
  const Codec codec = queue::codec_of(queue);
  if (codec == Codec::none || body_size < spool::kCompressedMin || !lists(peer_codecs, codec))
    return {};
  return [codec](const Slice& piece) { return fold(codec, piece); };
}

Result<Slice> unfold(ByteView payload, std::size_t piece_max) {
  ByteReader in(payload);
  const auto codec = static_cast<Codec>(in.u8());
  const auto size = in.be<std::uint32_t>();
  const ByteView rest = in.rest();
  if (!in.ok() || size > piece_max || codec > Codec::zstd)
    return Error{Errc::bad_frame, "a folded piece of a body that cannot be one"};
  if (codec == Codec::none) {
    if (rest.size() == size) return Slice::copy_of(rest);
    return Error{Errc::bad_frame, "a folded piece of a body is not as long as it says"};
  }
  auto piece = spool::decompress(codec, rest, size);
  if (!piece) return Error{Errc::bad_frame, piece.error().detail};
  return piece;
}

}  // namespace pannier::forward
