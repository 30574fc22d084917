// A message's properties as HTTP's header fields, and back.
//
// Pure functions. What comes from a field that is malformed is bad_argument naming it; what is not
// built is not_supported. A property that no field can carry is left out: nothing that a publisher
// wrote can end a line of the answer.
#pragma once

#include "sidecar/http/request.h"
#include "sidecar/queue/consumer.h"

namespace pannier::http {

// With an id of its own when the publisher gave none, and delivery mode 2.
Result<queue::Properties> properties_of(const Request& request);
// deduplication_id, when there is an Idempotency-Key.
Bytes attributes_of(const Request& request);
Fields fields_of(const queue::Delivery& delivery);

// Shared with batches. Short texts have at most 255 bytes.
inline constexpr std::size_t kShortTextMax = 255;
Result<std::uint8_t> priority_of(std::string_view text);
queue::MessagePtr make_message(std::string_view queue, const queue::Properties& properties,
                               Slice body, Bytes attributes, spool::Milliseconds now);
Bytes encoded(const queue::Properties& properties);

}  // namespace pannier::http
