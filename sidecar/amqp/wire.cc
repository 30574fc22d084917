#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

Result<FrameResult> parse_frame(ByteView input, std::uint32_t frame_max) {
  if (input.size() < kFrameHeaderSize) return FrameResult{};
  const auto type = static_cast<std::uint8_t>(input[0]);
  const auto channel = load_be<std::uint16_t>(input.data() + 1);
  const auto size = load_be<std::uint32_t>(input.data() + 3);
  if (type != 1 && type != 2 && type != 3 && type != 8)
    return Error{Errc::bad_frame, "a frame of type " + std::to_string(type)};
  if (frame_max > 0 && size > frame_max - kFrameOverhead)
    return Error{Errc::bad_frame, "a frame of " + std::to_string(size) + " bytes; the most is " +
                                      std::to_string(frame_max - kFrameOverhead)};
  const std::size_t whole = size + kFrameOverhead;
  if (input.size() < whole) return FrameResult{};
  if (static_cast<std::uint8_t>(input[whole - 1]) != kFrameEnd)
    return Error{Errc::bad_frame, "a frame does not end where it says"};
  return FrameResult{{static_cast<FrameType>(type), channel, input.subspan(kFrameHeaderSize, size)},
                     whole};
}

}  // namespace pannier::amqp
