#include "sidecar/spool/state_store.h"

namespace pannier::spool {
namespace {

std::string name_of(ByteView key) { return std::string(as_text(key)); }

Bytes key_from(const std::string& name) {
  const ByteView view = as_bytes(name);
  return {view.begin(), view.end()};
}

}  // namespace

void StateStore::count(const Items::value_type& item, bool comes) {
  const std::uint64_t size =
      StateItem{}.encoded_size() + item.first.second.size() + item.second.value.size();
  std::uint64_t& in_segment = bytes_in_[item.second.segment];
  bytes_ = comes ? bytes_ + size : bytes_ - size;
  in_segment = comes ? in_segment + size : in_segment - size;
  if (in_segment == 0) bytes_in_.erase(item.second.segment);
}

std::uint64_t StateStore::bytes_in(SegmentNumber segment) const {
  const auto found = bytes_in_.find(segment);
  return found == bytes_in_.end() ? 0 : found->second;
}

StateStore::Items::iterator StateStore::erase(Items::iterator at) {
  count(*at, false);
  return items_.erase(at);
}

void StateStore::note(const StateItem& item, SegmentNumber segment) {
  const auto [at, is_new] = items_.try_emplace({item.kind, name_of(item.key)});
  Held& held = at->second;
  if (is_new)
    held.first = segment;
  else
    count(*at, false);
  held.value = item.erased ? Bytes{} : item.value;
  held.segment = segment;
  held.erased = item.erased;
  count(*at, true);
  // It came and went in one segment, which says so itself. Of a queue there may be messages.
  if (item.erased && held.first == segment && item.kind != StateKind::queue) erase(at);
}

void StateStore::end_recovery() {
  for (auto at = items_.begin(); at != items_.end();) {
    const StateKind kind = at->first.first;
    if (kind == StateKind::queue) at->second.first = 0;
    const bool is_of_queue =
        kind == StateKind::horizon || kind == StateKind::purge || kind == StateKind::sequence;
    const auto queue =
        !is_of_queue ? items_.end()
                     : items_.find({StateKind::queue, at->first.second.substr(0, sizeof(QueueId))});
    const bool is_gone = is_of_queue && (queue == items_.end() || queue->second.erased);
    at = is_gone ? erase(at) : std::next(at);
  }
}

void StateStore::forget_queue(ByteView key, bool had_messages) {
  const std::string name = name_of(key);
  erase_item(StateKind::purge, key);
  erase_item(StateKind::sequence, key);
  for (auto at = items_.lower_bound({StateKind::horizon, name});
       at != items_.end() && at->first.first == StateKind::horizon &&
       at->first.second.starts_with(name);)
    at = erase(at);
  const auto tombstone = items_.find({StateKind::queue, name});
  if (tombstone != items_.end() && !had_messages &&
      tombstone->second.first == tombstone->second.segment)
    erase(tombstone);
}

const Bytes* StateStore::find(StateKind kind, ByteView key) const {
  const auto found = items_.find({kind, name_of(key)});
  return found == items_.end() || found->second.erased ? nullptr : &found->second.value;
}

void StateStore::for_each(StateKind kind,
                          const std::function<void(ByteView key, ByteView value)>& visit) const {
  for (auto at = items_.lower_bound({kind, {}}); at != items_.end() && at->first.first == kind;
       ++at)
    if (!at->second.erased) visit(as_bytes(at->first.second), at->second.value);
}

std::optional<SegmentNumber> StateStore::segment_of(StateKind kind, ByteView key) const {
  const auto found = items_.find({kind, name_of(key)});
  if (found == items_.end()) return {};
  return found->second.segment;
}

std::vector<SegmentNumber> StateStore::snapshots_in(SegmentNumber segment) const {
  std::vector<SegmentNumber> numbers;
  const auto end = items_.lower_bound({StateKind::counters, {}});
  for (auto at = items_.lower_bound({StateKind::snapshot, {}}); at != end; ++at)
    if (at->second.segment == segment && at->first.second.size() == sizeof(SegmentNumber))
      numbers.push_back(load_le<std::uint64_t>(as_bytes(at->first.second).data()));
  return numbers;
}

void StateStore::erase_item(StateKind kind, ByteView key) {
  const auto found = items_.find({kind, name_of(key)});
  if (found != items_.end()) erase(found);
}

std::vector<StateItem> StateStore::held_by(SegmentNumber segment, const AnyIn& any_in) const {
  std::vector<StateItem> items;
  if (!bytes_in_.contains(segment)) return items;
  for (const auto& [name, held] : items_) {
    if (held.segment != segment || (held.erased && !any_in(held.first, segment))) continue;
    items.push_back({name.first, held.erased, key_from(name.second), held.value});
  }
  return items;
}

void StateStore::forget_erased(SegmentNumber segment) {
  if (!bytes_in_.contains(segment)) return;
  for (auto at = items_.begin(); at != items_.end();)
    at = at->second.erased && at->second.segment == segment ? erase(at) : std::next(at);
}

}  // namespace pannier::spool
