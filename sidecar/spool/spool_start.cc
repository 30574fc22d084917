#include "common/log.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

Result<void> Spool::Impl::recover_and_start() {
  auto recovered = recover(disk, id, {index, states, bodies, files, quarantine});
  if (!recovered) return recovered.error();
  recovery = std::move(recovered->report);
  last_queue = recovered->last_queue;
  if (auto made = files.make_first_spares(); !made) return made;
  if (auto begun = journal.start(recovered->last_number, recovered->end); !begun) return begun;
  std::vector<StateItem> items;
  items.push_back({StateKind::run_state, false, {}, {std::byte{1}}});
  restore_horizons(items);
  restore_sequences();
  if (!recovery.losses.empty()) widen_horizons(items);
  auto commit = append_states(std::move(items));
  if (!commit) return commit.error();
  started = *commit;
  for (PendingHorizon& pending : pending_horizons) pending.commit = *commit;
  check_dead = true;
  flush();
  return {};
}

StateItem Spool::Impl::horizon_item(Lane lane, Sequence horizon, Sequence suspect) {
  StateItem item{StateKind::horizon, false, key_of_lane(lane), {}};
  ByteWriter writer(item.value);
  writer.le(horizon);
  writer.le(suspect);
  return item;
}

void Spool::Impl::restore_horizons(std::vector<StateItem>& items) {
  states.for_each(StateKind::horizon, [&](ByteView key, ByteView value) {
    ByteReader name(key);
    ByteReader in(value);
    const auto queue_id = name.le<std::uint32_t>();
    const Priority priority = name.u8();
    const auto horizon = in.le<std::uint64_t>();
    auto suspect = in.le<std::uint64_t>();
    QueueState* queue = index.queue(queue_id);
    if (queue == nullptr || !name.done() || !in.done()) return;
    if (!recovery.was_clean) suspect = std::max(suspect, horizon);
    LaneState& lane = queue->lanes[priority];
    lane.horizon = lane.horizon_wanted = horizon;
    lane.suspect = suspect;
    queue->last_sequence = std::max(queue->last_sequence, horizon);
    if (!recovery.was_clean) items.push_back(horizon_item({queue_id, priority}, horizon, suspect));
  });
}

void Spool::Impl::restore_sequences() {
  states.for_each(StateKind::sequence, [&](ByteView key, ByteView value) {
    if (key.size() != sizeof(QueueId) || value.size() != sizeof(Sequence)) return;
    QueueState* queue = index.queue(load_le<std::uint32_t>(key.data()));
    if (queue == nullptr) return;
    queue->last_sequence = std::max(queue->last_sequence, load_le<std::uint64_t>(value.data()));
  });
}

// Messages or horizons are lost, and nobody knows which sequences they had: no number is used that
// may have been one of them, and whatever is left may have been delivered.
void Spool::Impl::widen_horizons(std::vector<StateItem>& items) {
  const Sequence lost_max = recovery.losses.size() * Sequence{kEntriesPerSegmentMax};
  for (auto& [number, queue] : index.queues()) {
    const Sequence was_last = queue.last_sequence;
    queue.last_sequence += lost_max;
    queue.lanes.try_emplace(0);
    for (auto& [priority, lane] : queue.lanes) {
      lane.suspect = was_last;
      lane.horizon_wanted = queue.last_sequence;
      pending_horizons.push_back({0, {number, priority}, lane.horizon_wanted});
      items.push_back(horizon_item({number, priority}, lane.horizon_wanted, lane.suspect));
    }
  }
}

void Spool::Impl::on_damage(SegmentNumber number, Stretch stretch, const Error& why) {
  if (!quarantine.copy(number, stretch)) return;
  ++corrupt_records;
  log::error("spool: a record is damaged on disk",
             {{"segment", number}, {"offset", stretch.begin}, {"error", why.detail}});
}

}  // namespace pannier::spool
