#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {

// A memory queue keeps all of them in memory or none: so they stay in order.
Result<Commit> Registry::publish_batch(const QueuePtr& queue,
                                       std::span<const MessagePtr> messages) {
  if (queue->is_gone()) return no_queue(queue->name());
  if (messages.empty()) return context_.spool.synced_commit();
  std::uint64_t bytes = 0;
  std::uint64_t memory = 0;
  for (const MessagePtr& message : messages) {
    bytes += message->bytes();
    memory += memory_of(*message);
  }
  if (auto may = queue->may_put(bytes, messages.size()); !may) {
    if (may.error().code == Errc::queue_full) queue->note_refused(messages.size());
    return may.error();
  }
  const bool is_memory = queue->settings().durability == Durability::memory;
  if (queue->keeps_in_memory(*messages.front()) && context_.affords(memory)) {
    for (const MessagePtr& message : messages) put_in_memory(*queue, message);
    return Commit{0};
  }
  // Taken for as long as it is used, as in publish_to.
  spool::Group group = std::exchange(group_, {});
  group.clear();
  for (const MessagePtr& message : messages) {
    const spool::Target target = queue->target_for(*message);
    group.publish(content_of(*message, codec_of(*queue)), {&target, 1});
  }
  auto commit = context_.spool.append(group);
  if (!commit) return commit.error();
  if (!is_memory) context_.journaled_publishes += messages.size();
  for (std::size_t i = 0; i < messages.size(); ++i) queue->put(group.entries()[i], messages[i]);
  group.clear();
  group_ = std::move(group);
  return is_memory ? Commit{0} : *commit;
}

}  // namespace pannier::queue
