#include "sidecar/spool/state_store.h"

namespace pannier::spool {

void StateStore::note(const StateItem& item, SegmentNumber segment) {
  items_.insert_or_assign({item.kind, item.key},
                          Held{item.erased ? Bytes{} : item.value, segment, item.erased});
}

const Bytes* StateStore::find(StateKind kind, ByteView key) const {
  const auto found = items_.find({kind, Bytes(key.begin(), key.end())});
  return found == items_.end() || found->second.erased ? nullptr : &found->second.value;
}

void StateStore::for_each(StateKind kind,
                          const std::function<void(ByteView key, ByteView value)>& visit) const {
  for (auto at = items_.lower_bound({kind, {}}); at != items_.end() && at->first.first == kind;
       ++at)
    if (!at->second.erased) visit(at->first.second, at->second.value);
}

std::optional<SegmentNumber> StateStore::segment_of(StateKind kind, ByteView key) const {
  const auto found = items_.find({kind, Bytes(key.begin(), key.end())});
  if (found == items_.end()) return {};
  return found->second.segment;
}

std::vector<SegmentNumber> StateStore::snapshots_in(SegmentNumber segment) const {
  std::vector<SegmentNumber> numbers;
  const auto end = items_.lower_bound({StateKind::counters, {}});
  for (auto at = items_.lower_bound({StateKind::snapshot, {}}); at != end; ++at)
    if (at->second.segment == segment && at->first.second.size() == sizeof(SegmentNumber))
      numbers.push_back(load_le<std::uint64_t>(at->first.second.data()));
  return numbers;
}

void StateStore::erase_item(StateKind kind, ByteView key) {
  items_.erase({kind, Bytes(key.begin(), key.end())});
}

std::vector<StateItem> StateStore::held_by(SegmentNumber segment, bool is_oldest) const {
  std::vector<StateItem> items;
  for (const auto& [name, held] : items_) {
    if (held.segment != segment || (held.erased && is_oldest)) continue;
    items.push_back({name.first, held.erased, name.second, held.value});
  }
  return items;
}

void StateStore::forget_erased(SegmentNumber segment) {
  std::erase_if(items_, [segment](const auto& item) {
    return item.second.erased && item.second.segment == segment;
  });
}

}  // namespace pannier::spool
