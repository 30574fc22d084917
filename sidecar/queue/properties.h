// Properties: what a message says about itself besides its body: AMQP's basic properties (AMQP
// 0-9-1, 1.8.3), which HTTP's headers are translated from and to.
//
// On disk and on the wire they are one run of bytes, property flags first, and most messages travel
// without being parsed. decode answers bad_syntax. A value type; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sidecar/queue/table.h"

namespace pannier::queue {

struct Properties {
  std::optional<std::string> content_type;
  std::optional<std::string> content_encoding;
  std::optional<Table> headers;
  std::optional<std::uint8_t> delivery_mode;  // 2: persistent
  std::optional<std::uint8_t> priority;
  std::optional<std::string> correlation_id;
  std::optional<std::string> reply_to;
  std::optional<std::string> expiration;  // milliseconds, as text
  std::optional<std::string> message_id;
  std::optional<Timestamp> timestamp;
  std::optional<std::string> type;
  std::optional<std::string> user_id;
  std::optional<std::string> app_id;
  std::optional<std::string> cluster_id;

  void encode(ByteWriter& out) const;
  static Result<Properties> decode(ByteView bytes);
  bool operator==(const Properties&) const = default;
};

}  // namespace pannier::queue
