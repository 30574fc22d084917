#include "sidecar/queue/message.h"

#include <algorithm>
#include <charconv>

namespace pannier::queue {
namespace {

// FNV-1a: the same in every run, as it is in the spool. Keys that share one are kept in order with
// each other, which does no harm.
std::uint64_t hash_of(std::string_view key) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char byte : key) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  return hash == 0 ? 1 : hash;
}

// RabbitMQ's largest, too.
constexpr std::int64_t kDelayMax = 0xFFFFFFFF;

Error invalid(std::string_view what, std::string_view value, std::string_view wanted) {
  return {Errc::precondition, "invalid " + std::string(what) + " '" + std::string(value) +
                                  "': " + std::string(wanted) + " is expected"};
}

// The head was checked when it was made, or by its checksum: what does not fit reads as empty.
struct Head {
  explicit Head(ByteView bytes) {
    ByteReader in(bytes);
    exchange = as_text(in.bytes(in.u8()));
    routing_key = as_text(in.bytes(in.u8()));
    properties = in.rest();
  }
  std::string_view exchange;
  std::string_view routing_key;
  ByteView properties;
};

}  // namespace

std::string_view Message::exchange() const { return Head(head.view()).exchange; }
std::string_view Message::routing_key() const { return Head(head.view()).routing_key; }
ByteView Message::properties() const { return Head(head.view()).properties; }

Result<Traits> traits_of(const Properties& properties) {
  Traits traits;
  traits.priority = properties.priority.value_or(0);
  if (properties.expiration) {
    const std::string& text = *properties.expiration;
    std::int64_t ttl = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ttl);
    if (error != std::errc() || end != text.data() + text.size() || ttl < 0 || ttl > kDelayMax)
      return invalid("expiration", text, "a number of milliseconds");
    traits.ttl = std::chrono::milliseconds(ttl);
  }
  if (!properties.headers) return traits;
  if (const Value* delay = properties.headers->find("x-delay")) {
    const auto number = delay->as_integer();
    // Negative is what RabbitMQ's delaying exchange makes of one that it has delayed.
    if (!number || *number > kDelayMax)
      return invalid("x-delay", "header", "a number of milliseconds");
    traits.delay = std::chrono::milliseconds(std::max<std::int64_t>(0, *number));
  }
  if (const Value* group = properties.headers->find("x-group")) {
    const std::string* key = group->as_text();
    if (key == nullptr) return invalid("x-group", "header", "a text");
    if (!key->empty()) traits.group = hash_of(*key);
  }
  return traits;
}

Slice make_head(std::string_view exchange, std::string_view routing_key, ByteView properties) {
  Bytes bytes;
  bytes.reserve(2 + exchange.size() + routing_key.size() + properties.size());
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(exchange.size()));
  out.bytes(as_bytes(exchange));
  out.u8(static_cast<std::uint8_t>(routing_key.size()));
  out.bytes(as_bytes(routing_key));
  out.bytes(properties);
  return Slice::copy_of(bytes);
}

MessagePtr message_from(spool::StoredMessage stored) {
  Message message;
  message.published = stored.meta.published;
  message.head = std::move(stored.head);
  message.body = std::move(stored.body);
  message.body_id = stored.meta.body_id;
  message.parts = stored.meta.parts;
  message.body_size = stored.meta.body_size;
  message.attributes = std::move(stored.meta.attributes);
  return std::make_shared<const Message>(std::move(message));
}

spool::Content content_of(const Message& message) {
  spool::Content content;
  content.published = message.published;
  content.head = message.head;
  content.body = message.body;
  content.body_id = message.body_id;
  content.parts = message.parts;
  content.body_size = message.body_size;
  content.attributes = message.attributes;
  return content;
}

}  // namespace pannier::queue
