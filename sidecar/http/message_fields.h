// A message's properties as HTTP's header fields, and back.
//
// Pure functions. What comes from a field that is malformed is bad_argument naming it. A property
// that no field can carry is left out: nothing that a publisher wrote can end a line of the answer.
#pragma once

#include "sidecar/http/request.h"
#include "sidecar/queue/consumer.h"

namespace pannier::http {

// With an id of its own when the publisher gave none, and delivery mode 2. An Idempotency-Key is
// the id, and stays as the header idempotency-key.
Result<queue::Properties> properties_of(const Request& request);
// deduplication_id, when there is an Idempotency-Key.
Bytes attributes_of(const queue::Properties& properties);
Fields fields_of(const queue::Delivery& delivery);

// Shared with batches. Short texts have at most 255 bytes.
inline constexpr std::size_t kShortTextMax = 255;
Result<std::uint8_t> priority_of(std::string_view text);
// The longest delay and time to live: what RabbitMQ's timers hold.
inline constexpr std::chrono::milliseconds kMessageTimeMax{0xFFFF'FFFF};
Result<std::chrono::milliseconds> message_time(std::string_view text);
// As AMQP has them: x-delay and expiration. Nothing for 0.
void set_delay(queue::Properties& properties, std::chrono::milliseconds delay);
void set_ttl(queue::Properties& properties, std::chrono::milliseconds ttl);
// Without its body. bad_argument: headers that mean something, and cannot.
Result<queue::Message> message_of(std::string_view queue, const queue::Properties& properties,
                                  spool::Milliseconds now);

}  // namespace pannier::http
