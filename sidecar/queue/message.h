// Message: an immutable message, shared by the journal, the memory copy and every delivery.
//
// Head and body are slices of shared bytes, so that copies are cheap. The head is what the spool
// keeps in front of the body: exchange u8+bytes | routing key u8+bytes | properties as on the wire.
// A large body lies in parts in the spool and is read part by part. A value type; any thread once
// it is made.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "common/buffer.h"
#include "sidecar/queue/properties.h"
#include "sidecar/spool/spool.h"

namespace pannier::queue {

using spool::Commit;
using spool::Milliseconds;
using spool::QueueId;
using spool::Sequence;

// What a publisher asks of the queues that take the message.
struct Traits {
  spool::Priority priority = 0;
  std::optional<std::chrono::milliseconds> ttl;  // from the moment it is due
  std::chrono::milliseconds delay{0};            // until it is due
  std::uint64_t group = 0;                       // of the group's key; 0: it is in none
};
// precondition: an expiration, x-delay or x-group that cannot be one.
Result<Traits> traits_of(const Properties& properties);

struct Message {
  Milliseconds published = 0;
  Slice head;
  Slice body;  // empty when it lies in parts
  spool::BodyId body_id = 0;
  std::uint32_t parts = 0;
  std::uint64_t body_size = 0;
  Bytes attributes;  // see spool::AttributeTag
  Traits traits;     // of one that is being published; its entries have them afterwards

  std::string_view exchange() const;
  std::string_view routing_key() const;
  ByteView properties() const;
  std::uint64_t bytes() const { return head.size() + body_size; }  // what limits count
};

// What a copy costs beside its bytes: the message, its place in a queue, allocations.
inline constexpr std::uint64_t kCopyOverhead = 384;
inline std::uint64_t memory_of(const Message& message) {
  return message.head.size() + message.body.size() + message.attributes.size() + kCopyOverhead;
}

using MessagePtr = std::shared_ptr<const Message>;

Slice make_head(std::string_view exchange, std::string_view routing_key, ByteView properties);

MessagePtr message_from(spool::StoredMessage stored);
spool::Content content_of(const Message& message);

}  // namespace pannier::queue
