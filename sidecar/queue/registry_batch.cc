#include <algorithm>

#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {

// A memory queue keeps all of them in memory or none: so they stay in order.
Result<Commit> Registry::publish_batch(const QueuePtr& queue,
                                       std::span<const MessagePtr> messages) {
  if (queue->is_gone()) return no_queue(queue->name());
  Deduplication::Growth ids;
  std::vector<MessagePtr> left;
  if (queue->settings().dedup) {
    auto fresh = leave_out_duplicates(*queue, messages, ids);
    if (!fresh) return fresh.error();
    left = std::move(*fresh);
  }
  const std::span<const MessagePtr> taken = queue->settings().dedup ? left : messages;
  auto commit = taken.empty() ? Result<Commit>(Commit{0}) : put_batch(*queue, taken, ids);
  if (!commit) return commit;
  if (taken.size() < messages.size()) {
    for (std::size_t i = taken.size(); i < messages.size(); ++i) queue->note_duplicate();
    return std::max(*commit, dedup_.commit_of(queue->id()));
  }
  return messages.empty() ? context_.spool.synced_commit() : *commit;
}

// What the queue has not had; `ids` are theirs.
Result<std::vector<MessagePtr>> Registry::leave_out_duplicates(const Queue& queue,
                                                               std::span<const MessagePtr> messages,
                                                               Deduplication::Growth& ids) {
  std::vector<MessagePtr> left;
  for (const MessagePtr& message : messages) {
    std::optional<Deduplication::Key> key;
    const auto had = has_had(queue, *message, ids, key);
    if (!had) return had.error();
    if (*had) continue;
    if (key) Deduplication::add(queue.id(), *key, ids);
    left.push_back(message);
  }
  return left;
}

Result<Commit> Registry::put_batch(Queue& queue, std::span<const MessagePtr> messages,
                                   const Deduplication::Growth& ids) {
  std::uint64_t bytes = 0;
  std::uint64_t memory = 0;
  for (const MessagePtr& message : messages) {
    bytes += message->bytes();
    memory += memory_of(*message);
  }
  if (auto may = queue.may_put(bytes, messages.size()); !may) {
    if (may.error().code == Errc::queue_full) queue.note_refused(messages.size());
    return may.error();
  }
  const bool is_memory = queue.settings().durability == Durability::memory;
  if (queue.keeps_in_memory(*messages.front()) && context_.affords(memory)) {
    if (!ids.empty()) dedup_.apply(ids, 0);
    for (const MessagePtr& message : messages) put_in_memory(queue, message);
    return Commit{0};
  }
  // Taken for as long as it is used, as in publish_to.
  spool::Group group = std::exchange(group_, {});
  group.clear();
  for (const MessagePtr& message : messages) {
    const spool::Target target = queue.target_for(*message);
    group.publish(content_of(*message, codec_of(queue)), {&target, 1});
  }
  if (!ids.empty()) dedup_.put(group, ids);
  auto commit = context_.spool.append(group);
  if (!commit) return commit.error();
  if (!is_memory) context_.journaled_publishes += messages.size();
  if (!ids.empty()) dedup_.apply(ids, is_memory ? Commit{0} : *commit);
  for (std::size_t i = 0; i < messages.size(); ++i) queue.put(group.entries()[i], messages[i]);
  group.clear();
  group_ = std::move(group);
  return is_memory ? Commit{0} : *commit;
}

}  // namespace pannier::queue
