#include "sidecar/http/message_fields.h"

#include <algorithm>
#include <charconv>

#include "common/quantity.h"
#include "common/random.h"
#include "sidecar/http/cloud_events.h"
#include "sidecar/http/trace_context.h"

namespace pannier::http {
namespace {

constexpr std::string_view kGroupHeader = "x-group";
constexpr std::string_view kKeyHeader = "idempotency-key";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& each : result)
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + 32);
  return result;
}

// Nothing that could end the line, or that the next reader would trim.
bool is_field_value(std::string_view value) {
  if (value.empty() || value.front() == ' ' || value.back() == ' ') return false;
  return std::ranges::all_of(value, [](char each) {
    const auto byte = static_cast<unsigned char>(each);
    return byte >= 0x20 && byte != 0x7F;
  });
}

Result<std::optional<std::string>> short_text(const Request& request, std::string_view name) {
  const auto value = request.field(name);
  if (!value || value->empty()) return std::optional<std::string>();
  if (value->size() > kShortTextMax)
    return Error{Errc::bad_argument, std::string(name) + ": expected at most 255 bytes, found " +
                                         std::to_string(value->size())};
  return std::optional<std::string>(*value);
}

Result<void> refuse_times(const Request& request) {
  for (const std::string_view name : {"Pannier-Delay", "Pannier-TTL"}) {
    const auto value = request.field(name);
    if (!value) continue;
    const auto time = parse_duration(*value);
    if (!time) return Error{Errc::bad_argument, std::string(name) + ": " + time.error().detail};
    if (time->count() > 0)
      return Error{
          Errc::not_supported,
          std::string(name) + " is not supported by this release: leave it out, or send 0"};
  }
  return {};
}

void add(Fields& fields, std::string_view name, std::string_view value) {
  if (is_field_value(value)) fields.emplace_back(name, value);
}

}  // namespace

Result<std::uint8_t> priority_of(std::string_view text) {
  std::uint8_t priority = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), priority);
  if (error == std::errc() && end == text.data() + text.size()) return priority;
  return Error{Errc::bad_argument,
               "expected a priority from 0 to 255, found " + quoted_for_people(text)};
}

Result<queue::Properties> properties_of(const Request& request) {
  if (auto done = refuse_times(request); !done) return done.error();
  queue::Properties properties;
  properties.delivery_mode = 2;
  const std::pair<std::string_view, std::optional<std::string> queue::Properties::*> kTexts[] = {
      {"Content-Type", &queue::Properties::content_type},
      {"Content-Encoding", &queue::Properties::content_encoding},
      {"Pannier-Message-Id", &queue::Properties::message_id},
      {"Pannier-Reply-To", &queue::Properties::reply_to}};
  for (const auto& [name, member] : kTexts) {
    auto text = short_text(request, name);
    if (!text) return text.error();
    properties.*member = std::move(*text);
  }
  if (!properties.message_id) properties.message_id = to_text(random_uuid());
  if (const auto text = request.field("Pannier-Priority")) {
    const auto priority = priority_of(*text);
    if (!priority) return Error{Errc::bad_argument, "Pannier-Priority: " + priority.error().detail};
    properties.priority = *priority;
  }
  queue::Table headers;
  for (const auto& [name, header] :
       {std::pair{"Pannier-Group", kGroupHeader}, std::pair{"Idempotency-Key", kKeyHeader}}) {
    auto text = short_text(request, name);
    if (!text) return text.error();
    if (*text) headers.set(std::string(header), std::move(**text));
  }
  if (const auto trace = trace_context_of(request)) set_trace_context(headers, *trace);
  if (auto added = add_event_attributes(request, headers); !added) return added.error();
  if (!headers.empty()) properties.headers = std::move(headers);
  return properties;
}

Bytes attributes_of(const Request& request) {
  Bytes attributes;
  const auto key = request.field("Idempotency-Key");
  if (!key || key->empty()) return attributes;
  ByteWriter out(attributes);
  out.u8(static_cast<std::uint8_t>(spool::AttributeTag::deduplication_id));
  out.le(static_cast<std::uint16_t>(key->size()));
  out.bytes(as_bytes(*key));
  return attributes;
}

Fields fields_of(const queue::Delivery& delivery) {
  const queue::Message& message = *delivery.message;
  const auto decoded = queue::Properties::decode(message.properties());
  const queue::Properties properties = decoded ? *decoded : queue::Properties();
  Fields fields;
  add(fields, "Content-Type", properties.content_type.value_or("application/octet-stream"));
  add(fields, "Content-Encoding", properties.content_encoding.value_or(""));
  add(fields, "Pannier-Message-Id", properties.message_id.value_or(""));
  add(fields, "Pannier-Delivery-Count", std::to_string(delivery.delivery_count));
  add(fields, "Pannier-Redelivered", delivery.redelivered ? "true" : "false");
  if (properties.priority) add(fields, "Pannier-Priority", std::to_string(*properties.priority));
  add(fields, "Pannier-Reply-To", properties.reply_to.value_or(""));
  add(fields, "Pannier-Enqueued-At", rfc3339(message.published));
  if (!properties.headers) return fields;
  for (const auto& [key, value] : properties.headers->fields()) {
    const std::string* text = value.as_text();
    const std::string name = lower(key);
    if (text == nullptr) continue;
    if (name == kGroupHeader) add(fields, "Pannier-Group", *text);
    if (name == kKeyHeader) add(fields, "Idempotency-Key", *text);
  }
  if (const auto trace = trace_context_in(*properties.headers)) {
    add(fields, "traceparent", trace->parent);
    add(fields, "tracestate", trace->state);
  }
  for (const auto& [name, value] : event_fields(*properties.headers)) add(fields, name, value);
  return fields;
}

Bytes encoded(const queue::Properties& properties) {
  Bytes bytes;
  ByteWriter out(bytes);
  properties.encode(out);
  return bytes;
}

queue::MessagePtr make_message(std::string_view queue, const queue::Properties& properties,
                               Slice body, Bytes attributes, spool::Milliseconds now) {
  queue::Message message;
  message.published = now;
  message.head = queue::make_head("", queue, encoded(properties));
  message.body_size = body.size();
  message.body = std::move(body);
  message.attributes = std::move(attributes);
  return std::make_shared<const queue::Message>(std::move(message));
}

}  // namespace pannier::http
