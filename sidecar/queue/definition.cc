#include "sidecar/queue/definition.h"

#include <algorithm>

namespace pannier::queue {
namespace {

Bytes bytes_of(const Table& table) {
  Bytes bytes;
  ByteWriter writer(bytes);
  table.encode(writer);
  return bytes;
}

Result<Table> table_of(ByteView bytes) {
  ByteReader in(bytes);
  auto table = Table::decode(in);
  if (!table || !in.done()) return Error{Errc::corrupt, "a definition in the journal is damaged"};
  return table;
}

std::string text_in(const Table& table, std::string_view key) {
  const Value* value = table.find(key);
  const std::string* text = value == nullptr ? nullptr : value->as_text();
  return text == nullptr ? std::string() : *text;
}

bool flag_in(const Table& table, std::string_view key) {
  const Value* value = table.find(key);
  const bool* flag = value == nullptr ? nullptr : value->as_bool();
  return flag != nullptr && *flag;
}

Table table_in(const Table& table, std::string_view key) {
  const Value* value = table.find(key);
  const Table* nested = value == nullptr ? nullptr : value->as_table();
  return nested == nullptr ? Table() : *nested;
}

std::int64_t number_in(const Table& table, std::string_view key) {
  const Value* value = table.find(key);
  return value == nullptr ? 0 : value->as_integer().value_or(0);
}

}  // namespace

Bytes encode(const QueueDefinition& definition) {
  Table table;
  table.set("name", definition.name);
  table.set("durable", definition.durable);
  table.set("auto-delete", definition.auto_delete);
  table.set("exclusive", definition.exclusive);
  table.set("arguments", definition.arguments);
  table.set("uid", definition.uid);
  table.set("generation", static_cast<std::int64_t>(definition.generation));
  return bytes_of(table);
}

Result<QueueDefinition> decode_queue(ByteView value) {
  auto table = table_of(value);
  if (!table) return table.error();
  QueueDefinition definition;
  definition.name = text_in(*table, "name");
  definition.durable = flag_in(*table, "durable");
  definition.auto_delete = flag_in(*table, "auto-delete");
  definition.exclusive = flag_in(*table, "exclusive");
  definition.arguments = table_in(*table, "arguments");
  definition.uid = text_in(*table, "uid");
  definition.generation = static_cast<std::uint64_t>(number_in(*table, "generation"));
  return definition;
}

Bytes encode(const ExchangeSettings& settings) {
  Table table;
  table.set("name", settings.name);
  table.set("type", static_cast<std::int64_t>(settings.type));
  table.set("auto-delete", settings.auto_delete);
  table.set("internal", settings.internal);
  table.set("arguments", settings.arguments);
  return bytes_of(table);
}

Result<ExchangeSettings> decode_exchange(ByteView value) {
  auto table = table_of(value);
  if (!table) return table.error();
  ExchangeSettings settings;
  settings.name = text_in(*table, "name");
  settings.type = static_cast<ExchangeType>(number_in(*table, "type"));
  settings.durable = true;
  settings.auto_delete = flag_in(*table, "auto-delete");
  settings.internal = flag_in(*table, "internal");
  settings.arguments = table_in(*table, "arguments");
  if (settings.type > ExchangeType::headers)
    return Error{Errc::corrupt, "an exchange of a type that this release does not know"};
  return settings;
}

Bytes encode(std::string_view exchange, const Binding& binding) {
  Table table;
  table.set("exchange", std::string(exchange));
  table.set("kind", static_cast<std::int64_t>(binding.destination.kind));
  table.set("destination", binding.destination.name);
  table.set("routing-key", binding.routing_key);
  table.set("arguments", binding.arguments);
  return bytes_of(table);
}

Bytes value_of(const Binding& binding) { return binding.governed ? Bytes{std::byte{1}} : Bytes{}; }

Result<std::pair<std::string, Binding>> decode_binding(ByteView key, ByteView value) {
  auto table = table_of(key);
  if (!table) return table.error();
  Binding binding;
  binding.destination = {static_cast<Destination::Kind>(number_in(*table, "kind")),
                         text_in(*table, "destination")};
  binding.routing_key = text_in(*table, "routing-key");
  binding.arguments = table_in(*table, "arguments");
  binding.durable = true;
  binding.governed = !value.empty() && value.front() != std::byte{0};
  if (binding.destination.kind > Destination::Kind::exchange)
    return Error{Errc::corrupt, "a binding to what this release does not know"};
  return std::pair{text_in(*table, "exchange"), std::move(binding)};
}

namespace {

Result<std::uint64_t> limit_in(const Table& arguments, std::string_view key) {
  const Value* value = arguments.find(key);
  if (value == nullptr) return std::uint64_t{0};
  const auto number = value->as_integer();
  if (!number || *number < 0)
    return Error{Errc::precondition, "invalid arg '" + std::string(key) +
                                         "': a number that is not negative is expected"};
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

Result<QueueSettings> settings_from(const QueueDefinition& definition) {
  QueueSettings settings;
  settings.name = definition.name;
  settings.durability = definition.durable ? Durability::disk : Durability::memory;
  auto messages = limit_in(definition.arguments, "x-max-length");
  if (!messages) return messages.error();
  settings.messages_max = *messages;
  auto bytes = limit_in(definition.arguments, "x-max-length-bytes");
  if (!bytes) return bytes.error();
  settings.bytes_max = *bytes;
  if (const Value* overflow = definition.arguments.find("x-overflow")) {
    const std::string* text = overflow->as_text();
    if (text != nullptr && *text == "reject-publish")
      settings.overflow = Overflow::reject_publish;
    else if (text == nullptr || *text != "drop-head")
      return Error{Errc::precondition,
                   "invalid arg 'x-overflow': it is drop-head or reject-publish"};
  }
  auto timeout = limit_in(definition.arguments, "x-consumer-timeout");
  if (!timeout) return timeout.error();
  const auto longest = static_cast<std::uint64_t>(std::chrono::milliseconds(kTimeoutMax).count());
  settings.ack_timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*timeout, longest)));
  return settings;
}

QueueSettings settings_from(const PolicyQueue& queue) {
  QueueSettings settings;
  settings.name = queue.name;
  settings.durability = queue.durability;
  settings.bytes_max = queue.storage.bytes_max;
  settings.messages_max = queue.storage.messages_max;
  settings.overflow = queue.storage.overflow;
  settings.limits_count_unacked = true;
  settings.ack_timeout = queue.delivery.ack_timeout.value_or(std::chrono::milliseconds(0));
  settings.paused = queue.paused;
  settings.ending = queue.ending;
  return settings;
}

}  // namespace pannier::queue
