// Messages and queues as JSON, for the answers of receive, peek and queues.
//
// Pure functions. A body is `body` when its content type is JSON and it is JSON, `bodyText` when
// its type is text/* and it is UTF-8, else `bodyBase64`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/queue/queue.h"

namespace pannier::http {

struct ShownMessage {
  const queue::Delivery* delivery = nullptr;
  std::string receipt;                   // empty: left out
  std::optional<std::string_view> body;  // none: only its size is told
};
void append_message(std::string& out, const ShownMessage& shown);
void append_queue(std::string& out, const queue::Queue& queue, std::int64_t now_ms);

}  // namespace pannier::http
