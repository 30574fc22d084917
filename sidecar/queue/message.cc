#include "sidecar/queue/message.h"

namespace pannier::queue {
namespace {

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
