// Definitions: queues, exchanges and bindings as the journal keeps them.
//
// Each is a Table, so that fields can be added and old ones stay readable. Pure functions; decoders
// answer corrupt for what does not add up. Any thread.
#pragma once

#include <string>

#include "sidecar/queue/exchange.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {

// Kinds of state items that are this room's; see spool::StateKind. Never renumbered.
inline constexpr auto kExchangeState = static_cast<spool::StateKind>(64);
inline constexpr auto kBindingState = static_cast<spool::StateKind>(65);
inline constexpr auto kPushMarkState = static_cast<spool::StateKind>(66);
inline constexpr auto kDedupState = static_cast<spool::StateKind>(67);

// A name goes into a short string; a definition is kept in memory and in the journal.
inline constexpr std::size_t kNameSizeMax = 255;
inline constexpr std::size_t kDefinitionBytesMax = 16'384;

struct QueueDefinition {
  std::string name;
  bool durable = true;  // false: it ends with the agent, and so do its messages
  bool auto_delete = false;
  bool exclusive = false;
  Table arguments;  // as the client gave them
  std::string uid;  // of the MessageQueue that governs it; empty: a client declared it
  std::uint64_t generation = 0;
};

Bytes encode(const QueueDefinition& definition);
Result<QueueDefinition> decode_queue(ByteView value);

Bytes encode(const ExchangeSettings& settings);
Result<ExchangeSettings> decode_exchange(ByteView value);

// A binding is all key; its value is one byte if a MessageQueue governs it, else empty.
Bytes encode(std::string_view exchange, const Binding& binding);
Bytes value_of(const Binding& binding);
Result<std::pair<std::string, Binding>> decode_binding(ByteView key, ByteView value);

// What a client's arguments ask of a queue. Errors: precondition, with the argument's name and what
// it may be, as RabbitMQ words it.
Result<QueueSettings> settings_from(const QueueDefinition& definition);
QueueSettings settings_from(const PolicyQueue& queue);

}  // namespace pannier::queue
