// Idempotency-Key: the field by which a client says that a request is a repeat (IETF draft
// draft-ietf-httpapi-idempotency-key-header): a structured field's string, in quotes. A bare word
// is taken too, as many clients send.
//
// Pure functions. Errors are bad_argument naming the field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http/request.h"

namespace pannier::http {

// Nothing when the field is not there; else 1 to 255 bytes of ASCII.
Result<std::optional<std::string>> idempotency_key(const Request& request);
// As the field writes it; empty when it cannot be written.
std::string idempotency_field(std::string_view key);

}  // namespace pannier::http
