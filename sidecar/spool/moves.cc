#include "sidecar/spool/moves.h"

#include <algorithm>

namespace pannier::spool {

void Moves::note(SegmentNumber from, Ordinal ordinal, const Place& to, bool is_held) {
  std::vector<Source> sources;
  if (const auto pointing = sources_.find({from, ordinal}); pointing != sources_.end()) {
    sources = std::move(pointing->second);
    sources_.erase(pointing);
  }
  if (is_held) sources.emplace_back(from, ordinal);
  if (sources.empty()) return;
  for (const Source& source : sources) by_segment_[source.first][source.second] = to;
  auto& at = sources_[{to.segment, to.ordinal}];
  at.insert(at.end(), sources.begin(), sources.end());
}

Entry Moves::resolved(Entry entry) const {
  const auto moves = by_segment_.find(entry.segment);
  if (moves == by_segment_.end()) return entry;
  const auto found = moves->second.find(entry.ordinal);
  if (found == moves->second.end()) return entry;
  const Place& place = found->second;
  entry.segment = place.segment;
  entry.offset = place.offset;
  entry.record_bytes = place.record_bytes;
  entry.share_bytes = place.share_bytes;
  entry.ordinal = place.ordinal;
  return entry;
}

void Moves::segment_left(SegmentNumber segment, std::uint32_t outstanding) {
  if (outstanding == 0)
    forget(segment);
  else
    outstanding_[segment] = outstanding;
}

void Moves::given_back(SegmentNumber segment) {
  const auto left = outstanding_.find(segment);
  if (left == outstanding_.end() || --left->second > 0) return;
  outstanding_.erase(left);
  forget(segment);
}

void Moves::forget(SegmentNumber segment) {
  const auto moves = by_segment_.find(segment);
  if (moves == by_segment_.end()) return;
  for (const auto& [ordinal, place] : moves->second) {
    const auto at = sources_.find({place.segment, place.ordinal});
    if (at == sources_.end()) continue;
    std::erase(at->second, Source{segment, ordinal});
    if (at->second.empty()) sources_.erase(at);
  }
  by_segment_.erase(moves);
}

}  // namespace pannier::spool
