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

// A queue that is being deleted is as good as unbound, unless nobody else takes the message.
Result<Published> Registry::publish_to(const std::vector<QueuePtr>& queues, MessagePtr message) {
  Published published;
  published.routed = !queues.empty();
  const auto size = static_cast<std::uint32_t>(message->bytes());
  std::vector<spool::Target> targets;
  std::vector<Queue*> journaled;
  std::vector<Queue*> in_memory;
  std::optional<Error> ending;
  bool waits = false;
  for (const QueuePtr& queue : queues) {
    if (auto may = queue->may_put(size); !may) {
      if (may.error().code == Errc::access_denied) {
        ending = may.error();
        continue;
      }
      queue->note_refused();
      if (queue->settings().dead_letters_overflow && queue->settings().dead_letter)
        static_cast<void>(dead_letter(*queue, {}, message, Death::max_length));
      published.refused = true;
      published.why = may.error().detail;
      continue;
    }
    if (queue->keeps_in_memory(*message)) {
      in_memory.push_back(queue.get());
      continue;
    }
    const bool is_memory = queue->settings().durability == Durability::memory;
    targets.push_back(queue->target_for(*message));
    journaled.push_back(queue.get());
    waits = waits || !is_memory;
  }
  if (ending && targets.empty() && in_memory.empty() && !published.refused) return *ending;
  published.taken = !targets.empty() || !in_memory.empty();
  if (!targets.empty()) {
    // Taken for as long as it is used: whoever is handed the message may publish another.
    spool::Group group = std::exchange(group_, {});
    group.clear();
    group.publish(content_of(*message, codec_for(journaled)), targets);
    auto commit = context_.spool.append(group);
    if (!commit) return commit.error();
    if (waits) {
      published.commit = *commit;
      ++context_.journaled_publishes;
    }
    for (std::size_t i = 0; i < journaled.size(); ++i)
      journaled[i]->put(group.entries()[i], message);
    group.clear();
    group_ = std::move(group);
  }
  for (Queue* queue : in_memory) put_in_memory(*queue, message);
  return published;
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
