#include "sidecar/queue/definition.h"

#include <algorithm>
#include <optional>

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

Error invalid_argument(std::string_view key, std::string_view wanted) {
  return {Errc::precondition,
          "invalid arg '" + std::string(key) + "': " + std::string(wanted) + " is expected"};
}

// Answers for all arguments at once: the first that is wrong.
class Arguments {
 public:
  explicit Arguments(const Table& table) : table_(table) {}

  std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least = 0,
                                      std::uint64_t most = UINT64_MAX) {
    const Value* value = table_.find(key);
    if (value == nullptr) return {};
    const auto found = value->as_integer();
    if (found && *found >= 0 && static_cast<std::uint64_t>(*found) >= least &&
        static_cast<std::uint64_t>(*found) <= most)
      return static_cast<std::uint64_t>(*found);
    fail(key, least == 0 && most == UINT64_MAX
                  ? "a number that is not negative"
                  : "a number from " + std::to_string(least) + " to " + std::to_string(most));
    return {};
  }
  std::optional<std::chrono::milliseconds> time(std::string_view key, std::uint64_t least = 0) {
    const auto found = number(key, least);
    if (!found) return {};
    constexpr auto kMax =
        static_cast<std::uint64_t>(std::chrono::milliseconds(kTimeoutMax).count());
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*found, kMax)));
  }
  std::optional<std::string> text(std::string_view key) {
    const Value* value = table_.find(key);
    if (value == nullptr) return {};
    if (const std::string* found = value->as_text()) return *found;
    fail(key, "a text");
    return {};
  }
  bool flag(std::string_view key) {
    const Value* value = table_.find(key);
    if (value == nullptr) return false;
    if (const bool* found = value->as_bool()) return *found;
    fail(key, "true or false");
    return false;
  }
  void fail(std::string_view key, std::string_view wanted) {
    if (!wrong_) wrong_ = invalid_argument(key, wanted);
  }
  const std::optional<Error>& wrong() const { return wrong_; }

 private:
  const Table& table_;
  std::optional<Error> wrong_;
};

void read_overflow(Arguments& arguments, QueueSettings& settings) {
  const auto overflow = arguments.text("x-overflow");
  if (!overflow || *overflow == "drop-head") return;
  settings.overflow = Overflow::reject_publish;
  settings.dead_letters_overflow = *overflow == "reject-publish-dlx";
  if (*overflow != "reject-publish" && !settings.dead_letters_overflow)
    arguments.fail("x-overflow", "drop-head, reject-publish or reject-publish-dlx");
}

// A classic queue has no limit of deliveries unless it asks for one; a quorum queue has 20.
void read_deliveries(Arguments& arguments, QueueSettings& settings) {
  constexpr std::uint64_t kDeliveryLimitMax = 65'000;
  constexpr std::uint32_t kQuorumDeliveryLimit = 20;
  const auto type = arguments.text("x-queue-type");
  if (type && *type != "classic" && *type != "quorum" && *type != "stream")
    arguments.fail("x-queue-type", "classic, quorum or stream");
  const auto limit = arguments.number("x-delivery-limit", 0, kDeliveryLimitMax);
  if (limit)
    settings.deliveries_max = static_cast<std::uint32_t>(*limit) + 1;
  else if (type && *type == "quorum")
    settings.deliveries_max = kQuorumDeliveryLimit + 1;
}

void read_dead_letter(Arguments& arguments, QueueSettings& settings) {
  const auto exchange = arguments.text("x-dead-letter-exchange");
  auto key = arguments.text("x-dead-letter-routing-key");
  if (exchange)
    settings.dead_letter = DeadLetterTarget{*exchange, std::move(key)};
  else if (key)
    arguments.fail("x-dead-letter-routing-key", "x-dead-letter-exchange beside it");
}

}  // namespace

Result<QueueSettings> settings_from(const QueueDefinition& definition) {
  constexpr std::uint64_t kPriorityMax = 255;
  Arguments arguments(definition.arguments);
  QueueSettings settings;
  settings.name = definition.name;
  settings.durability = definition.durable ? Durability::disk : Durability::memory;
  settings.messages_max = arguments.number("x-max-length").value_or(0);
  settings.bytes_max = arguments.number("x-max-length-bytes").value_or(0);
  read_overflow(arguments, settings);
  settings.ack_timeout = arguments.time("x-consumer-timeout").value_or(settings.ack_timeout);
  settings.priority_max =
      static_cast<spool::Priority>(arguments.number("x-max-priority", 0, kPriorityMax).value_or(0));
  settings.message_ttl = arguments.time("x-message-ttl");
  settings.expires = arguments.time("x-expires", 1).value_or(settings.expires);
  read_dead_letter(arguments, settings);
  read_deliveries(arguments, settings);
  settings.single_active_consumer = arguments.flag("x-single-active-consumer");
  if (arguments.wrong()) return *arguments.wrong();
  return settings;
}

// maxDeliveries counts all of them, priorities the levels from 0 on.
QueueSettings settings_from(const PolicyQueue& queue) {
  const QueueDelivery& delivery = queue.delivery;
  QueueSettings settings;
  settings.name = queue.name;
  settings.durability = queue.durability;
  settings.bytes_max = queue.storage.bytes_max;
  settings.messages_max = queue.storage.messages_max;
  settings.overflow = queue.storage.overflow;
  settings.limits_count_unacked = true;
  settings.ack_timeout = delivery.ack_timeout.value_or(std::chrono::milliseconds(0));
  settings.priority_max = static_cast<spool::Priority>(std::min(delivery.priorities, 255u));
  if (delivery.message_ttl.count() > 0) settings.message_ttl = delivery.message_ttl;
  // Nothing is thrown away for having failed: without a place for it, it is tried again for ever.
  if (delivery.dead_letter) settings.deliveries_max = delivery.deliveries_max;
  settings.backoff = delivery.backoff.initial;
  settings.backoff_max = delivery.backoff.max;
  if (const auto& dead = delivery.dead_letter)
    settings.dead_letter = dead->queue.empty()
                               ? DeadLetterTarget{dead->exchange, dead->routing_key.empty()
                                                                      ? std::optional<std::string>()
                                                                      : dead->routing_key}
                               : DeadLetterTarget{"", dead->queue};
  settings.single_active_consumer = delivery.single_active_consumer;
  settings.keeps_groups = delivery.group_by == GroupBy::header;
  settings.expires = delivery.expires;
  settings.dedup = delivery.dedup;
  settings.compression = queue.storage.compression;
  settings.paused = queue.paused;
  settings.ending = queue.ending;
  return settings;
}

}  // namespace pannier::queue
