// A link's method out of its payload, for whoever does what it says.
//
// Pure; owned by nobody; loop thread, as its users. The error is the decoder's, or that of `act`.
#pragma once

#include "sidecar/amqp/codec.h"

namespace pannier::forward {

template <typename Method, typename Act>
Result<void> with(ByteView payload, Act&& act) {
  const auto decoded = amqp::decode<Method>(payload);
  if (!decoded) return decoded.error();
  return act(*decoded);
}

}  // namespace pannier::forward
