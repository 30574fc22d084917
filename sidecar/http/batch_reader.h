// Batches: the messages of one request, read event by event: no tree of the document is built.
//
// NDJSON is one object a line; an array is one document. What a value in `body` says is kept as it
// is written, without its spaces. Pure functions; limits are the caller's. Errors: bad_argument
// naming the message (from 1) and the key, too_large.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/buffer.h"
#include "common/result.h"
#include "sidecar/queue/properties.h"

namespace pannier::http {

struct BatchItem {
  queue::Properties properties;
  Slice body;
};

Result<std::vector<BatchItem>> read_ndjson(std::string_view text, std::size_t messages_max);
Result<std::vector<BatchItem>> read_array(std::string_view text, std::size_t messages_max);
// An array whose first element is an object with `body`, `bodyText` or `bodyBase64`.
bool is_batch(std::string_view text);

}  // namespace pannier::http
