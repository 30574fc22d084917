// Codec: methods, content headers and bodies to frames and back.
//
// decode answers bad_frame when a payload does not hold the method's fields, bad_syntax for a
// table. Writers put whole frames into an Output; bodies above Output's copy limit are not copied.
// Pure functions; any thread.
#pragma once

#include <functional>

#include "common/utf8.h"
#include "sidecar/amqp/wire.h"
#include "sidecar/net/output.h"

namespace pannier::amqp {

// The id in front of a method frame's payload.
Result<MethodId> method_id(ByteView payload);

// Into a method that is used again and again, and so keeps the memory of its strings.
template <typename Method>
Result<void> decode_into(Method& method, ByteView payload) {
  FieldReader reader(payload.size() < 4 ? ByteView() : payload.subspan(4));
  Method::fields(method, reader);
  if (reader.error()) return *reader.error();
  if (!reader.ok()) return Error{Errc::bad_frame, "a method is cut short"};
  return {};
}

template <typename Method>
Result<Method> decode(ByteView payload) {
  Method method;
  if (auto done = decode_into(method, payload); !done) return done.error();
  return method;
}

// Of a client's request, as strict as RabbitMQ: nothing may be left over, and names are UTF-8. It
// does not ask that of basic.publish, and of nothing that a server sends.
template <typename Method>
Result<Method> decode_request(ByteView payload) {
  Method method;
  FieldReader reader(payload.size() < 4 ? ByteView() : payload.subspan(4));
  Method::fields(method, reader);
  if (reader.error() && !reader.is_cut()) return *reader.error();
  bool is_text = true;
  Method::fields(method, [&is_text](const auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::string>)
      is_text = is_text && is_utf8(field);
  });
  if (!reader.ok() || reader.left() > 0 || !is_text)
    return Error{Errc::bad_frame, "cannot decode the fields of a method"};
  return method;
}

// Appends one frame; its payload is what `fill` appends.
template <typename Fill>
void put_frame(Bytes& out, FrameType type, ChannelId channel, Fill&& fill) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.be(channel);
  writer.be(std::uint32_t{0});
  const std::size_t start = out.size();
  fill();
  store_be(out.data() + start - 4, static_cast<std::uint32_t>(out.size() - start));
  writer.u8(kFrameEnd);
}

template <typename Method>
void put_method(net::Output& output, ChannelId channel, const Method& method) {
  Bytes& out = output.owned();
  put_frame(out, FrameType::method, channel, [&] {
    ByteWriter writer(out);
    writer.be(Method::kId.class_id);
    writer.be(Method::kId.method_id);
    FieldWriter fields(out);
    Method::fields(method, fields);
  });
}

// As put_method, but too_large and nothing put when a name has no room in a short string or the
// whole has none in a frame.
template <typename Method>
Result<void> put_method_within(net::Output& output, ChannelId channel, const Method& method,
                               std::uint32_t frame_max) {
  bool fits = true;
  Method::fields(method, [&fits](const auto& field) {
    if constexpr (std::is_convertible_v<decltype(field), std::string_view>)
      fits = fits && std::string_view(field).size() <= 255;
  });
  if (!fits) return Error{Errc::too_large, "a name is longer than 255 bytes"};
  const std::size_t before = output.owned().size();
  put_method(output, channel, method);
  if (output.owned().size() - before <= frame_max) return {};
  output.owned().resize(before);
  return Error{Errc::too_large,
               "a method does not fit into a frame of " + std::to_string(frame_max) + " bytes"};
}

// The body of a link's content may travel folded, where both sides have agreed on how: each body
// frame then holds a piece of the body in another form. The content header says so by its weight,
// and gives the size of the body itself.
inline constexpr std::uint16_t kFoldedWeight = 1;
inline constexpr std::size_t kFoldedOverhead = 5;  // the most by which a folded piece is longer
using Fold = std::function<Slice(const Slice& piece)>;
// Of at most so many bytes.
using Unfold = std::function<Result<Slice>(ByteView payload, std::size_t piece_max)>;

// The properties are as on the wire, flags first.
void put_content_header(net::Output& output, ChannelId channel, std::uint64_t body_size,
                        ByteView properties, std::uint16_t weight = 0);
// As many body frames as it takes; without a fold, of the body as it is.
void put_body(net::Output& output, ChannelId channel, const Slice& body, std::uint32_t frame_max,
              const Fold& fold = {});
void put_heartbeat(net::Output& output);

struct ContentHeader {
  std::uint16_t class_id = 0;
  std::uint16_t weight = 0;
  std::uint64_t body_size = 0;
  ByteView properties;
};
Result<ContentHeader> decode_content_header(ByteView payload);

}  // namespace pannier::amqp
