#include "common/log.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

Result<void> Spool::Impl::recover_and_start() {
  auto recovered = recover(
      disk, id,
      {index, states, bodies, files, quarantine, options.keys.get(), options.requires_encryption});
  if (!recovered) return recovered.error();
  recovery = std::move(recovered->report);
  last_queue = recovered->last_queue;
  journal.use_keys(options.keys);
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

// That they are enough for the segments that there are.
Result<void> Spool::Impl::check_keys(const KeyRing* keys) const {
  if (options.requires_encryption && (keys == nullptr || keys->current() == 0))
    return Error{Errc::bad_config, "encryption is required, and no key is named to encrypt with"};
  for (const auto& [number, segment] : index.segments()) {
    const std::uint32_t key = segment->header().key_id;
    if (key == 0) continue;
    if (keys == nullptr || !keys->has(key))
      return Error{Errc::bad_config, "key " + std::to_string(key) +
                                         " is still needed and is not among the keys: put it back"};
    if (!keys->agrees_with(*options.keys, key))
      return Error{Errc::bad_config, "key " + std::to_string(key) +
                                         " is in use and has become another one: put the first one "
                                         "back, and give the new one a number of its own"};
  }
  return {};
}

Result<void> Spool::Impl::use_keys(std::shared_ptr<const KeyRing> keys) {
  if (auto fit = check_keys(keys.get()); !fit) return fit;
  const std::uint32_t before = journal.current_key();
  options.keys = keys;
  journal.use_keys(std::move(keys));
  check_dead = true;
  // A group begins the new segment; when there is no room now, a later one does.
  if (journal.is_open() && !closed && journal.current_key() != before)
    static_cast<void>(append_list());
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
