#include "sidecar/http/message_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "common/quantity.h"
#include "common/random.h"
#include "sidecar/http/cloud_events.h"
#include "sidecar/http/idempotency_key.h"
#include "sidecar/http/response_head.h"
#include "sidecar/http/trace_context.h"
#include "sidecar/queue/definition.h"

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

// Of two that differ, one would go unheard.
Result<void> check_single(const Request& request) {
  constexpr std::string_view kOurs = "Pannier-";
  std::set<std::string> seen;
  for (const auto& [name, value] : request.fields)
    if (same_name(name.substr(0, kOurs.size()), kOurs) && !seen.insert(lower(name)).second)
      return Error{Errc::bad_argument, name + ": expected once, found more"};
  return {};
}

Result<std::optional<std::string>> short_text(const Request& request, std::string_view name) {
  const auto value = request.field(name);
  if (!value || value->empty()) return std::optional<std::string>();
  if (value->size() > kShortTextMax)
    return Error{Errc::bad_argument, std::string(name) + ": expected at most 255 bytes, found " +
                                         std::to_string(value->size())};
  return std::optional<std::string>(*value);
}

Result<std::chrono::milliseconds> time_in(const Request& request, std::string_view name) {
  const auto value = request.field(name);
  if (!value) return std::chrono::milliseconds(0);
  const auto time = message_time(*value);
  if (!time) return Error{Errc::bad_argument, std::string(name) + ": " + time.error().detail};
  return *time;
}

// The id, if there is a key; it must not be another one.
Result<void> take_key(const Request& request, queue::Properties& properties) {
  auto key = idempotency_key(request);
  if (!key) return key.error();
  if (!*key) return {};
  if (properties.message_id && *properties.message_id != **key)
    return Error{
        Errc::bad_argument,
        "Idempotency-Key: it is the message's id, and Pannier-Message-Id says another one"};
  properties.message_id = **key;
  if (!properties.headers) properties.headers.emplace();
  properties.headers->set(std::string(kKeyHeader), std::move(**key));
  return {};
}

Bytes encoded(const queue::Properties& properties) {
  Bytes bytes;
  ByteWriter out(bytes);
  properties.encode(out);
  return bytes;
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

Result<std::chrono::milliseconds> message_time(std::string_view text) {
  const auto time = parse_duration(text);
  if (!time || *time <= kMessageTimeMax) return time;
  return Error{Errc::bad_argument, "expected at most " + duration_text(kMessageTimeMax) +
                                       ", found " + quoted_for_people(text)};
}

// In the type that AMQP's clients send, where it fits.
void set_delay(queue::Properties& properties, std::chrono::milliseconds delay) {
  if (delay.count() == 0) return;
  if (!properties.headers) properties.headers.emplace();
  const std::int64_t number = delay.count();
  const bool fits = number <= std::numeric_limits<std::int32_t>::max();
  properties.headers->set(
      "x-delay", fits ? queue::Value(static_cast<std::int32_t>(number)) : queue::Value(number));
}

void set_ttl(queue::Properties& properties, std::chrono::milliseconds ttl) {
  if (ttl.count() > 0) properties.expiration = std::to_string(ttl.count());
}

Result<queue::Properties> properties_of(const Request& request) {
  if (auto single = check_single(request); !single) return single.error();
  const auto delay = time_in(request, "Pannier-Delay");
  if (!delay) return delay.error();
  const auto ttl = time_in(request, "Pannier-TTL");
  if (!ttl) return ttl.error();
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
  if (const auto text = request.field("Pannier-Priority")) {
    const auto priority = priority_of(*text);
    if (!priority) return Error{Errc::bad_argument, "Pannier-Priority: " + priority.error().detail};
    properties.priority = *priority;
  }
  queue::Table headers;
  auto group = short_text(request, "Pannier-Group");
  if (!group) return group.error();
  if (*group) headers.set(std::string(kGroupHeader), std::move(**group));
  if (const auto trace = trace_context_of(request)) set_trace_context(headers, *trace);
  if (auto added = add_event_attributes(request, headers); !added) return added.error();
  if (!headers.empty()) properties.headers = std::move(headers);
  if (auto taken = take_key(request, properties); !taken) return taken.error();
  if (!properties.message_id) properties.message_id = to_text(random_uuid());
  set_delay(properties, *delay);
  set_ttl(properties, *ttl);
  return properties;
}

Bytes attributes_of(const queue::Properties& properties) {
  Bytes attributes;
  const queue::Value* value = properties.headers ? properties.headers->find(kKeyHeader) : nullptr;
  const std::string* key = value == nullptr ? nullptr : value->as_text();
  if (key == nullptr) return attributes;
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
  if (const auto traits = queue::traits_of(properties)) {
    if (traits->delay.count() > 0) add(fields, "Pannier-Delay", duration_text(traits->delay));
    if (traits->ttl) add(fields, "Pannier-TTL", duration_text(*traits->ttl));
  }
  if (!properties.headers) return fields;
  for (const auto& [key, value] : properties.headers->fields()) {
    const std::string* text = value.as_text();
    const std::string name = lower(key);
    if (text == nullptr) continue;
    if (name == kGroupHeader) add(fields, "Pannier-Group", *text);
    if (name == kKeyHeader) add(fields, "Idempotency-Key", idempotency_field(*text));
  }
  if (const auto trace = trace_context_in(*properties.headers)) {
    add(fields, "traceparent", trace->parent);
    add(fields, "tracestate", trace->state);
  }
  for (const auto& [name, value] : event_fields(*properties.headers)) add(fields, name, value);
  return fields;
}

Result<queue::Message> message_of(std::string_view queue, const queue::Properties& properties,
                                  spool::Milliseconds now) {
  auto traits = queue::traits_of(properties);
  if (!traits) return Error{Errc::bad_argument, traits.error().detail};
  queue::Message message;
  message.published = now;
  message.head = queue::make_head("", queue.substr(0, queue::kNameSizeMax), encoded(properties));
  message.traits = *traits;
  return message;
}

}  // namespace pannier::http
