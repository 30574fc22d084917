#include "sidecar/queue/queue.h"

namespace pannier::queue {

const spool::Entry* Queue::entry_to_settle(const Receipt& receipt) const {
  const auto found = unacked_.find(receipt.sequence);
  if (gone_ || found == unacked_.end() || found->second.delivery != receipt.delivery)
    return nullptr;
  const Unacked& unacked = found->second;
  return unacked.origin || !is_in_spool(unacked.entry) ? nullptr : &unacked.entry;
}

void Queue::note_settled(const Receipt& receipt) {
  const auto found = find_unacked(receipt);
  observe_ack(found->second);
  const Unacked unacked = take_unacked(found);
  if (unacked.message) context_.message_bytes -= memory_of(*unacked.message);
  context_.forget_change(id_, unacked.entry.sequence);
  if (settings_.keeps_groups) unlock_group(unacked.entry);
  ++counters_.acked;
}

}  // namespace pannier::queue
