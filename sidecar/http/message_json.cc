#include "sidecar/http/message_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/base64.h"
#include "common/quantity.h"
#include "common/utf8.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/trace_context.h"

namespace pannier::http {
namespace {

void append_value(std::string& out, const queue::Value& value);

struct ValueWriter {
  std::string& out;

  void operator()(std::monostate) { out += "null"; }
  void operator()(bool value) { out += value ? "true" : "false"; }
  template <std::integral T>
  void operator()(T value) {
    out += std::to_string(value);
  }
  template <std::floating_point T>
  void operator()(T value) {
    if (!std::isfinite(value)) return void(out += "null");
    char digits[32];  // the shortest that reads back as the same number
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  void operator()(const queue::Decimal& value) {
    out += std::to_string(value.value) + "e-" + std::to_string(value.scale);
  }
  void operator()(const std::string& value) { append_string(out, value); }
  void operator()(const queue::ByteArray& value) {
    append_string(out, to_base64(as_text(value.bytes)));
  }
  void operator()(const queue::Timestamp& value) { out += std::to_string(value.seconds); }
  void operator()(const queue::Array& value) {
    out += '[';
    for (const queue::Value& each : value.values) {
      if (out.back() != '[') out += ',';
      append_value(out, each);
    }
    out += ']';
  }
  void operator()(const queue::Table& value) {
    out += '{';
    bool is_first = true;
    for (const queue::Field& field : value.fields()) {
      if (!std::exchange(is_first, false)) out += ',';
      append_key(out, field.key);
      append_value(out, field.value);
    }
    out += '}';
  }
};

void append_value(std::string& out, const queue::Value& value) {
  std::visit(ValueWriter{out}, value.held);
}

void append_text(std::string& out, std::string_view key, const std::optional<std::string>& text) {
  if (!text) return;
  out += ',';
  append_key(out, key);
  append_string(out, *text);
}

void append_body(std::string& out, std::string_view body, std::string_view content_type) {
  if (is_json_type(content_type) && is_json(body)) {
    out += ",\"body\":";
    out += body;
  } else if (media_type(content_type).starts_with("text/") && is_utf8(body)) {
    out += ",\"bodyText\":";
    append_string(out, body);
  } else {
    out += ",\"bodyBase64\":\"" + to_base64(body) + '"';
  }
}

}  // namespace

void append_message(std::string& out, const ShownMessage& shown) {
  const queue::Delivery& delivery = *shown.delivery;
  const queue::Message& message = *delivery.message;
  const auto decoded = queue::Properties::decode(message.properties());
  const queue::Properties properties = decoded ? *decoded : queue::Properties();
  out += "{\"deliveryCount\":" + std::to_string(delivery.delivery_count);
  out += delivery.redelivered ? ",\"redelivered\":true" : ",\"redelivered\":false";
  out += ",\"enqueuedAt\":\"" + rfc3339(message.published) + '"';
  if (!shown.receipt.empty()) append_text(out, "receipt", shown.receipt);
  append_text(out, "id", properties.message_id);
  append_text(out, "contentType", properties.content_type);
  append_text(out, "contentEncoding", properties.content_encoding);
  append_text(out, "replyTo", properties.reply_to);
  if (properties.priority) out += ",\"priority\":" + std::to_string(*properties.priority);
  if (const auto traits = queue::traits_of(properties)) {
    if (traits->delay.count() > 0) append_text(out, "delay", duration_text(traits->delay));
    if (traits->ttl) append_text(out, "ttl", duration_text(*traits->ttl));
  }
  if (properties.headers) {
    if (const queue::Value* group = properties.headers->find("x-group"))
      if (const std::string* text = group->as_text()) append_text(out, "group", *text);
    if (const auto trace = trace_context_in(*properties.headers)) {
      append_text(out, "traceparent", trace->parent);
      if (!trace->state.empty()) append_text(out, "tracestate", trace->state);
    }
    out += ",\"headers\":";
    append_value(out, *properties.headers);
  }
  // A body that is encoded (gzip) is no JSON or text yet.
  if (shown.body)
    append_body(out, *shown.body,
                properties.content_encoding ? "" : properties.content_type.value_or(""));
  else
    out += ",\"bodySize\":" + std::to_string(message.body_size);
  out += '}';
}

void append_queue(std::string& out, const queue::Queue& queue, std::int64_t now_ms) {
  const queue::QueueStatus status = queue.status();
  const queue::QueueSettings& settings = queue.settings();
  const auto number = [&out](std::string_view key, std::uint64_t value) {
    if (out.back() != '{') out += ',';
    append_key(out, key);
    out += std::to_string(value);
  };
  out += "{\"name\":";
  append_string(out, queue.name());
  number("ready", status.ready);
  number("unacked", status.unacked);
  number("delayed", status.delayed);
  number("bytes", status.bytes);
  number("consumers", status.consumers);
  if (status.ready > 0 && status.oldest)
    number("oldestAge",
           static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_ms - *status.oldest) / 1'000));
  else
    out += ",\"oldestAge\":null";
  out += ",\"durability\":\"";
  out += settings.durability == Durability::memory ? "Memory" : "Disk";
  out += settings.paused ? "\",\"paused\":true" : "\",\"paused\":false";
  out += ",\"counters\":{";
  const queue::QueueCounters& counters = status.counters;
  number("published", counters.published);
  number("delivered", counters.delivered);
  number("redelivered", counters.redelivered);
  number("acked", counters.acked);
  number("returned", counters.returned);
  number("dropped", counters.dropped);
  number("lost", counters.lost);
  out += "}}";
}

}  // namespace pannier::http
