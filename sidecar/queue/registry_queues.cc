#include <array>

#include "common/log.h"
#include "common/random.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {
namespace {

// What a declare must repeat; of other arguments RabbitMQ takes no notice.
constexpr std::array kComparedArguments{
    "x-expires",      "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
    "x-max-length",   "x-overflow",    "x-max-length-bytes",     "x-single-active-consumer",
    "x-max-priority", "x-queue-mode",  "x-delivery-limit",
};

// Accepted without meaning, but only what RabbitMQ knows.
Result<void> check_choice(const QueueDefinition& definition, const char* argument,
                          std::initializer_list<const char*> choices) {
  const Value* value = definition.arguments.find(argument);
  if (value == nullptr) return {};
  const std::string* text = value->as_text();
  for (const char* choice : choices)
    if (text != nullptr && *text == choice) return {};
  return Error{Errc::precondition, "invalid arg " + quoted(argument) + " for queue " +
                                       quoted(definition.name) + " in vhost '/': " + shown(value)};
}

Result<void> check_arguments(const QueueDefinition& definition) {
  if (auto valid = check_choice(definition, "x-queue-type", {"classic", "quorum", "stream"});
      !valid)
    return valid;
  return check_choice(definition, "x-queue-mode", {"default", "lazy"});
}

std::string type_of(const Table& arguments) {
  const Value* type = arguments.find("x-queue-type");
  return type == nullptr || type->as_text() == nullptr ? "classic" : *type->as_text();
}

Result<void> same_queue(const QueueDefinition& asked, const QueueDefinition& held) {
  if (!held.uid.empty()) return {};  // a MessageQueue governs it: the declare changes nothing
  if (asked.exclusive != held.exclusive) return locked(asked.name);
  if (asked.durable != held.durable)
    return inequivalent("durable", "queue", asked.name, asked.durable, held.durable);
  if (asked.auto_delete != held.auto_delete)
    return inequivalent("auto_delete", "queue", asked.name, asked.auto_delete, held.auto_delete);
  if (type_of(asked.arguments) != type_of(held.arguments))
    return same_argument("x-queue-type", asked.arguments, held.arguments, "queue", asked.name);
  for (const char* argument : kComparedArguments)
    if (auto same = same_argument(argument, asked.arguments, held.arguments, "queue", asked.name);
        !same)
      return same;
  return {};
}

}  // namespace

Result<QueuePtr> Registry::find_queue(std::string_view name, OwnerId asking) const {
  const auto found = queues_.find(name);
  if (found == queues_.end() ? other_queues_.contains(name) : found->second.parked)
    return not_served(name);
  if (found == queues_.end()) return no_queue(name);
  if (found->second.owner != 0 && found->second.owner != asking) return locked(name);
  return found->second.queue;
}

Result<Registry::Declared> Registry::declare_queue(QueueDefinition definition, OwnerId owner) {
  if (definition.name.empty()) {
    definition.name = "amq.gen-" + random_hex(12);
  } else if (const auto found = queues_.find(definition.name); found != queues_.end()) {
    const Held& held = found->second;
    if (held.parked) return not_served(definition.name);
    const bool is_governed = !held.definition.uid.empty();
    if (!is_governed && definition.name.starts_with("amq."))
      return reserved("queue", definition.name);  // also its own, as in RabbitMQ
    if (held.owner != 0 && held.owner != owner) return locked(definition.name);
    if (auto same = same_queue(definition, held.definition); !same) return same.error();
    held.queue->note_use();
    return Declared{held.queue, context_.spool.last_commit(), false};
  } else if (definition.name.starts_with("amq.")) {
    return reserved("queue", definition.name);
  } else if (other_queues_.contains(definition.name)) {
    return not_served(definition.name);
  }
  if (definition.name.size() > kNameSizeMax) return too_long(definition.name);
  if (queues_.size() >= limits_.queues)
    return Error{Errc::limit_reached, "no more than " + std::to_string(limits_.queues) + " queues"};
  if (auto valid = check_arguments(definition); !valid) return valid.error();
  auto settings = settings_from(definition);
  if (!settings) return settings.error();
  if (definition.exclusive) settings->durability = Durability::memory;
  const Bytes encoded = encode(definition);
  if (encoded.size() > kDefinitionBytesMax) return too_large("queue", definition.name);
  spool::Group group;
  const QueueId id = context_.spool.create_queue(group, encoded);
  auto commit = append(group);
  if (!commit) return commit.error();
  auto queue = std::make_shared<Queue>(context_, id, std::move(*settings));
  const bool lasts = definition.durable && !definition.exclusive;
  const OwnerId held_by = definition.exclusive ? owner : 0;
  const std::string name = definition.name;
  if (held_by != 0) owned_[held_by].insert(name);
  queues_.emplace(name, Held{queue, std::move(definition), held_by, false, {}});
  return Declared{std::move(queue), lasts ? *commit : 0, true};
}

// Journals that the queue goes with its bindings, and then lets it go. An error has changed
// nothing.
Result<Commit> Registry::drop(Queues::iterator at) {
  Removal removal;
  removal.destinations.push_back({Destination::Kind::queue, at->first});
  plan(removal);
  spool::Group group;
  const QueueId id = at->second.queue->id();
  context_.spool.drop_queue(group, id);
  marks_.put_drop(group, id);
  auto commit = append(removal, group);
  if (!commit) return commit.error();
  marks_.drop(id);
  dedup_.drop(id);
  forget(at, removal);
  return commit;
}

void Registry::forget(Queues::iterator at, const Removal& removal) {
  const QueuePtr queue = at->second.queue;
  if (!at->second.definition.uid.empty()) by_uid_.erase(at->second.definition.uid);
  if (const auto owned = owned_.find(at->second.owner); owned != owned_.end()) {
    owned->second.erase(at->first);
    if (owned->second.empty()) owned_.erase(owned);
  }
  queues_.erase(at);
  carry_out(removal);
  queue->be_gone();
}

// For queues that end with something that is gone already: should the spool have no room to note
// it, it is told later.
void Registry::drop_for_sure(const std::string& name) {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return;
  const QueueId id = found->second.queue->id();
  if (auto dropped = drop(found); dropped) return;
  Removal removal;
  removal.destinations.push_back({Destination::Kind::queue, name});
  plan(removal);
  left_over_.push_back(id);
  forget(found, removal);
}

Result<Registry::Deleted> Registry::delete_queue(std::string_view name, OwnerId asking,
                                                 bool if_unused, bool if_empty) {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return Deleted{0, context_.spool.synced_commit()};
  const Held& held = found->second;
  if (held.owner != 0 && held.owner != asking) return locked(name);
  if (!held.definition.uid.empty())
    return Error{Errc::access_denied,
                 "queue " + quoted(name) + " is governed by a MessageQueue: delete that instead"};
  if (if_unused && held.queue->consumers() > 0)
    return Error{Errc::precondition, "queue " + quoted(name) + " in vhost '/' in use"};
  if (if_empty && held.queue->ready() > 0)  // what is unacknowledged does not count, as there
    return Error{Errc::precondition, "queue " + quoted(name) + " in vhost '/' is not empty"};
  const std::uint64_t messages = held.queue->status().ready;
  auto commit = drop(found);
  if (!commit) return commit.error();
  return Deleted{messages, *commit};
}

void Registry::drop_owner(OwnerId owner) {
  const auto owned = owned_.find(owner);
  if (owned == owned_.end()) return;
  const std::set<std::string> names = owned->second;
  for (const std::string& name : names) drop_for_sure(name);
}

void Registry::consumer_left(const QueuePtr& queue) {
  const auto found = queues_.find(queue->name());
  if (found == queues_.end() || found->second.queue != queue) return;
  if (found->second.definition.auto_delete && queue->consumers() == 0) drop_for_sure(found->first);
}

}  // namespace pannier::queue
