#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

Result<MethodId> method_id(ByteView payload) {
  ByteReader in(payload);
  const auto class_id = in.be<std::uint16_t>();
  const auto method = in.be<std::uint16_t>();
  if (!in.ok()) return Error{Errc::bad_frame, "a method frame without a method"};
  return MethodId{class_id, method};
}

void put_content_header(net::Output& output, ChannelId channel, std::uint64_t body_size,
                        ByteView properties, std::uint16_t weight) {
  Bytes& out = output.owned();
  put_frame(out, FrameType::header, channel, [&] {
    ByteWriter writer(out);
    writer.be(kBasicClass);
    writer.be(weight);
    writer.be(body_size);
    writer.bytes(properties);
  });
}

void put_body(net::Output& output, ChannelId channel, const Slice& body, std::uint32_t frame_max,
              const Fold& fold) {
  const std::size_t most = frame_max - kFrameOverhead - (fold ? kFoldedOverhead : 0);
  for (std::size_t at = 0; at < body.size(); at += most) {
    Slice piece = body.part(at, std::min(most, body.size() - at));
    if (fold) piece = fold(piece);
    ByteWriter header(output.owned());
    header.u8(static_cast<std::uint8_t>(FrameType::body));
    header.be(channel);
    header.be(static_cast<std::uint32_t>(piece.size()));
    output.put(piece);
    ByteWriter(output.owned()).u8(kFrameEnd);
  }
}

void put_heartbeat(net::Output& output) {
  put_frame(output.owned(), FrameType::heartbeat, 0, [] {});
}

Result<ContentHeader> decode_content_header(ByteView payload) {
  ByteReader in(payload);
  ContentHeader header;
  header.class_id = in.be<std::uint16_t>();
  header.weight = in.be<std::uint16_t>();
  header.body_size = in.be<std::uint64_t>();
  header.properties = in.rest();
  if (!in.ok()) return Error{Errc::bad_frame, "a content header is cut short"};
  return header;
}

}  // namespace pannier::amqp
