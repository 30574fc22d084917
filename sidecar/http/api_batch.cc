#include "sidecar/http/api.h"
#include "sidecar/http/cloud_events.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/message_fields.h"
#include "sidecar/http/trace_context.h"

namespace pannier::http {
namespace {

constexpr std::string_view kNdjsonType = "application/x-ndjson";

bool has_trace(const BatchItem& item) {
  return item.properties.headers && trace_context_in(*item.properties.headers);
}

}  // namespace

// NDJSON is a batch, and so are events; an array of JSON is one when its first element is a
// message, or ?batch says so. Everything else is one message as it stands.
void ApiHandler::messages(const ExchangePtr& exchange, const Route& route) {
  const Request& request = exchange->request();
  const std::string type = media_type(request.field("Content-Type").value_or(""));
  const auto asked = request.parameter("batch");
  if (asked && asked != "true" && asked != "false")
    return fail(*exchange, {Errc::bad_argument, "'batch': expected true or false"});
  const bool may_be = type == kNdjsonType || type == kEventsBatchType ||
                      (type == "application/json" && is_batch(request.body.text()));
  if (asked ? asked == "true" : may_be) return batch(exchange, route, type);
  publish(exchange, route);
}

void ApiHandler::batch(const ExchangePtr& exchange, const Route& route, std::string_view type) {
  const Request& request = exchange->request();
  if (auto may = may_wait(); !may) return fail(*exchange, may.error());
  for (const std::string_view name :
       {"Pannier-Message-Id", "Pannier-Priority", "Pannier-Reply-To", "Pannier-Group",
        "Pannier-Delay", "Pannier-TTL", "Idempotency-Key"})
    if (request.field(name))
      return fail(*exchange, {Errc::bad_argument,
                              std::string(name) + " means one message: of a batch, each has its "
                                                  "own keys"});
  const std::string_view text = request.body.text();
  if (text.size() > limits_.batch_bytes_max)
    return fail(*exchange,
                {Errc::too_large,
                 "a batch has at most " + std::to_string(limits_.batch_bytes_max) + " bytes"});
  auto items = type == kNdjsonType        ? read_ndjson(text, limits_.batch_messages_max)
               : type == kEventsBatchType ? read_events(text, limits_.batch_messages_max)
                                          : read_array(text, limits_.batch_messages_max);
  if (!items) return fail(*exchange, items.error());
  if (items->empty()) return fail(*exchange, {Errc::bad_argument, "a batch without messages"});
  std::vector<queue::MessagePtr> made;
  std::string ids = "[";
  const auto trace = trace_context_of(request);  // of those that have none of their own
  for (BatchItem& item : *items) {
    if (trace && !has_trace(item)) {
      if (!item.properties.headers) item.properties.headers.emplace();
      set_trace_context(*item.properties.headers, *trace);
    }
    if (ids.size() > 1) ids += ',';
    append_string(ids, *item.properties.message_id);
    auto message = message_of(route.queue, item.properties, clock_.now_ms());
    Result<void> is_good;
    if (message) {
      message->body_size = item.body.size();
      message->body = std::move(item.body);
      is_good = check_size(*message);
    } else {
      is_good = message.error();
    }
    if (!is_good)
      return fail(*exchange, {is_good.error().code, "message " + std::to_string(made.size() + 1) +
                                                        ": " + is_good.error().detail});
    made.push_back(std::make_shared<const queue::Message>(std::move(*message)));
  }
  ids += ']';
  const auto attempt = [this, exchange, route, made = std::move(made), ids = std::move(ids)] {
    const auto queue = find_or_declare(*exchange, route);
    if (!queue && queue.error().code == Errc::spool_busy) return false;
    if (!queue) return fail(*exchange, queue.error()), true;
    return try_batch(exchange, *queue, made, ids);
  };
  attempt_until(exchange, attempt, limits_.room_wait,
                {Errc::spool_busy, "the disk is behind: try again"});
}

}  // namespace pannier::http
