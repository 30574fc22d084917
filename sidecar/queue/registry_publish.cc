#include <algorithm>

#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {

Result<Published> Registry::publish(std::string_view exchange, std::string_view routing_key,
                                    MessagePtr message) {
  if (const Exchange* found = find_exchange(exchange);
      found != nullptr && found->settings().internal)
    return Error{Errc::access_denied,
                 "cannot publish to internal exchange '" + std::string(exchange) + "'"};
  auto queues = route(exchange, routing_key, *message);
  if (!queues) return queues.error();
  return publish_to(*queues, std::move(message));
}

// What becomes of a message in each of its queues.
struct Registry::Choice {
  std::vector<spool::Target> targets;
  std::vector<Queue*> journaled;
  std::vector<Queue*> in_memory;
  std::vector<Queue*> had;  // it before
  Deduplication::Growth ids;
  std::optional<Error> ending;
  bool waits = false;

  bool is_taken() const { return !targets.empty() || !in_memory.empty(); }
};

// `key` is what to add once the queue takes it. precondition: see Deduplication::key_of.
Result<bool> Registry::has_had(const Queue& queue, const Message& message,
                               const Deduplication::Growth& ids,
                               std::optional<Deduplication::Key>& key) {
  key.reset();
  if (!queue.settings().dedup) return false;
  auto found = dedup_.key_of(queue.id(), message);
  if (!found) return found.error();
  if (!*found) return false;
  if (dedup_.holds(queue.id(), **found, ids)) return true;
  key = *found;
  return false;
}

// Whatever has had it is done with it, full or not.
Result<void> Registry::choose(Queue& queue, const MessagePtr& message, Choice& choice,
                              Published& published) {
  std::optional<Deduplication::Key> key;
  const auto had = has_had(queue, *message, choice.ids, key);
  if (!had) return had.error();
  if (*had) {
    choice.had.push_back(&queue);
    published.commit = std::max(published.commit, dedup_.commit_of(queue.id()));
    return {};
  }
  if (auto may = queue.may_put(message->bytes()); !may) {
    if (may.error().code == Errc::access_denied) {
      choice.ending = may.error();
      return {};
    }
    queue.note_refused();
    if (queue.settings().dead_letters_overflow && queue.settings().dead_letter)
      static_cast<void>(dead_letter(queue, {}, message, Death::max_length, {}));
    published.refused = true;
    published.why = may.error().detail;
    return {};
  }
  if (key) Deduplication::add(queue.id(), *key, choice.ids);
  if (queue.keeps_in_memory(*message)) {
    choice.in_memory.push_back(&queue);
    return {};
  }
  choice.targets.push_back(queue.target_for(*message));
  choice.journaled.push_back(&queue);
  choice.waits = choice.waits || queue.settings().durability != Durability::memory;
  return {};
}

// A queue that is being deleted is as good as unbound, unless nobody else takes the message.
Result<Published> Registry::publish_to(const std::vector<QueuePtr>& queues, MessagePtr message) {
  Published published;
  published.routed = !queues.empty();
  Choice choice;
  for (const QueuePtr& queue : queues)
    if (auto chosen = choose(*queue, message, choice, published); !chosen) return chosen.error();
  published.taken = choice.is_taken();
  if (choice.ending && !published.taken && choice.had.empty() && !published.refused)
    return *choice.ending;
  published.duplicate = !choice.had.empty() && !published.taken && !published.refused;
  if (!choice.targets.empty()) {
    auto commit = journal(choice, message);
    if (!commit) return commit.error();
    if (choice.waits) {
      published.commit = *commit;
      ++context_.journaled_publishes;
    }
  }
  if (!choice.ids.empty()) dedup_.apply(choice.ids, published.commit);
  for (Queue* queue : choice.in_memory) put_in_memory(*queue, message);
  for (Queue* queue : choice.had) queue->note_duplicate();
  return published;
}

Result<Commit> Registry::journal(const Choice& choice, const MessagePtr& message) {
  // Taken for as long as it is used: whoever is handed the message may publish another.
  spool::Group group = std::exchange(group_, {});
  group.clear();
  group.publish(content_of(*message, codec_for(choice.journaled)), choice.targets);
  if (!choice.ids.empty()) dedup_.put(group, choice.ids);
  auto commit = context_.spool.append(group);
  if (!commit) return commit;
  for (std::size_t i = 0; i < choice.journaled.size(); ++i)
    choice.journaled[i]->put(group.entries()[i], message);
  group.clear();
  group_ = std::move(group);
  return commit;
}

// It is journaled nowhere.
void Registry::put_in_memory(Queue& queue, const MessagePtr& message, std::uint16_t delivery_count,
                             bool redelivered) {
  if (queue.is_gone()) return;
  const spool::Target target = queue.target_for(*message);
  spool::Entry entry;
  entry.queue = queue.id();
  entry.sequence = context_.spool.take_sequence(queue.id());
  entry.published = message->published;
  entry.due = target.due;
  entry.expiry = target.expiry;
  entry.group = target.group;
  entry.priority = target.priority;
  entry.message_bytes = static_cast<std::uint32_t>(message->bytes());
  entry.delivery_count = delivery_count;
  entry.redelivered = redelivered;
  entry.transient = true;
  queue.put(entry, message);
}

}  // namespace pannier::queue
