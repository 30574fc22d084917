#include <algorithm>

#include "common/log.h"
#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {

// Where it would go: not found is nowhere, as in RabbitMQ; what this agent does not serve is worth
// waiting for.
Result<std::vector<QueuePtr>> Registry::route_dead(const DeadLetter& letter) {
  const std::string exchange(letter.message.exchange());
  std::vector<QueuePtr> queues;
  for (const std::string& key : letter.routing_keys) {
    auto found = route(exchange, key, letter.message);
    if (!found && found.error().code == Errc::not_found) continue;
    if (!found) return found.error();
    queues.insert(queues.end(), found->begin(), found->end());
  }
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  const auto properties = Properties::decode(letter.message.properties());
  if (properties && properties->headers)
    std::erase_if(queues, [&](const QueuePtr& queue) {
      return is_cycle(*properties->headers, queue->name());
    });
  return queues;
}

// One group: the message is never in both, nor in neither. A queue that is full does not keep the
// others from it; if all are, it stays where it is.
Result<void> Registry::dead_letter(Queue& from, const spool::Entry& entry,
                                   const MessagePtr& message, Death why,
                                   std::string_view nack_reason) {
  DeadLetter letter = dead_letter_of(*message, from.name(), *from.settings().dead_letter, why,
                                     context_.clock.now_ms(), nack_reason);
  auto queues = route_dead(letter);
  if (!queues) return queues.error();
  // A MessageQueue's wait for a place that is not there yet; a client's go nowhere, as in RabbitMQ.
  const QueueDefinition* const definition = definition_of(from.name());
  const bool is_governed = definition != nullptr && !definition->uid.empty();
  const DeadLetterTarget& target = *from.settings().dead_letter;
  if (is_governed && target.exchange.empty() && !queues_.contains(target.routing_key.value_or("")))
    return no_queue(target.routing_key.value_or(""));
  if (is_governed && !target.exchange.empty() && !exchanges_.contains(target.exchange))
    return no_exchange(target.exchange);
  const auto dead = std::make_shared<const Message>(std::move(letter.message));
  std::vector<spool::Target> targets;
  std::vector<QueuePtr> journaled;
  std::vector<QueuePtr> in_memory;
  std::optional<Error> refusal;
  for (const QueuePtr& queue : *queues) {
    if (auto may = queue->may_put(dead->bytes()); !may) {
      if (may.error().code == Errc::queue_full || is_governed) refusal = may.error();
    } else if (queue->keeps_in_memory(*dead)) {
      in_memory.push_back(queue);
    } else {
      targets.push_back(queue->target_for(*dead));
      journaled.push_back(queue);
    }
  }
  if (refusal && journaled.empty() && in_memory.empty()) return *refusal;
  spool::Group group;
  // As compressed as it was: in a full spool a dead letter has the room that it leaves behind.
  const spool::Codec codec = std::max(codec_for(journaled), codec_of(from));
  if (!targets.empty()) group.publish(content_of(*dead, codec), targets);
  if (entry.segment != 0) group.settle(entry);
  if (!group.empty())
    if (auto commit = context_.spool.append(group); !commit) return commit.error();
  for (std::size_t i = 0; i < journaled.size(); ++i) journaled[i]->put(group.entries()[i], dead);
  for (const QueuePtr& queue : in_memory) put_in_memory(*queue, dead);
  return {};
}

}  // namespace pannier::queue
