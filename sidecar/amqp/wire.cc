#include "sidecar/amqp/wire.h"

#include <initializer_list>

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

bool is_method(MethodId id) {
  const auto is_one_of = [id](std::initializer_list<std::uint16_t> methods) {
    return std::find(methods.begin(), methods.end(), id.method_id) != methods.end();
  };
  switch (id.class_id) {
    case 10: return is_one_of({10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61, 70, 71});
    case 20: return is_one_of({10, 11, 20, 21, 40, 41});
    case 30: return is_one_of({10, 11});
    case 40: return is_one_of({10, 11, 20, 21, 30, 31, 40, 51});
    case 50: return is_one_of({10, 11, 20, 21, 30, 31, 40, 41, 50, 51});
    case 60:
      return is_one_of(
          {10, 11, 20, 21, 30, 31, 40, 50, 60, 70, 71, 72, 80, 90, 100, 110, 111, 120});
    case 85: return is_one_of({10, 11});
    case 90: return is_one_of({10, 11, 20, 21, 30, 31});
    default: return false;
  }
}

}  // namespace pannier::amqp
