// Receipts as clients hold them: opaque text that names a delivery and its queue.
//
// Pure functions. Nobody may read more into the text than that it is the same one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/queue/consumer.h"

namespace pannier::http {

struct NamedReceipt {
  queue::QueueId queue = 0;
  queue::Receipt receipt;
};

std::string receipt_text(queue::QueueId queue, const queue::Receipt& receipt);
std::optional<NamedReceipt> parse_receipt(std::string_view text);

}  // namespace pannier::http
