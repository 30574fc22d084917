#include "sidecar/spool/index.h"

#include <algorithm>
#include <cassert>

namespace pannier::spool {

bool QueueState::is_purged(Sequence sequence) const {
  return sequence <= purged_up_to &&
         !std::binary_search(purge_kept.begin(), purge_kept.end(), sequence);
}

Segment& Index::add_segment(const SegmentHeader& header, SegmentFile file,
                            std::shared_ptr<const SegmentKey> key) {
  auto& held = segments_[header.number];
  held = std::make_unique<Segment>(header, std::move(file), std::move(key));
  return *held;
}

Segment* Index::segment(SegmentNumber number) {
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : found->second.get();
}

void Index::remove_segment(SegmentNumber number) {
  Segment* gone = segment(number);
  assert(gone != nullptr && gone->live_entries() == 0);
  for (const Run& run : gone->runs()) {
    QueueState* state = queue(run.info.lane.queue);
    if (state == nullptr) continue;
    std::erase(lane(run.info.lane).segments, number);
  }
  segments_.erase(number);
}

bool Index::is_oldest(SegmentNumber number) const {
  return !segments_.empty() && segments_.begin()->first == number;
}

std::vector<SegmentNumber> Index::numbers() const {
  std::vector<SegmentNumber> numbers;
  for (const auto& [number, segment] : segments_)
    if (segment->state != Segment::State::leaving) numbers.push_back(number);
  return numbers;
}

QueueState* Index::queue(QueueId id) {
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : &found->second;
}

LaneState& Index::lane(Lane lane) { return queues_.at(lane.queue).lanes[lane.priority]; }

template <typename Change>
void Index::tracked(Segment& segment, Run& run, Change&& change) {
  const std::uint64_t bytes_before = segment.live_bytes();
  const std::uint32_t live_before = run.live;
  const std::uint64_t message_before = run.live_message_bytes;
  change();
  live_bytes_ = live_bytes_ + segment.live_bytes() - bytes_before;
  if (queues_.contains(run.info.lane.queue)) {
    LaneState& state = lane(run.info.lane);
    state.live = state.live + run.live - live_before;
    state.message_bytes = state.message_bytes + run.live_message_bytes - message_before;
  }
}

void Index::add(Segment& segment, const Entry& entry) {
  const std::uint64_t bytes_before = segment.live_bytes();
  segment.add(entry);
  live_bytes_ += segment.live_bytes() - bytes_before;
  QueueState& state = queues_.at(entry.queue);
  state.last_sequence = std::max(state.last_sequence, entry.sequence);
  LaneState& held = state.lanes[entry.priority];
  ++held.live;
  held.message_bytes += entry.message_bytes;
  if (held.segments.empty() || held.segments.back() != segment.number())
    held.segments.push_back(segment.number());
}

void Index::add_sealed(Segment& segment, const RunInfo& info) {
  QueueState* state = queue(info.lane.queue);
  if (state == nullptr) return;
  const std::uint64_t bytes_before = segment.live_bytes();
  segment.add_sealed(info);
  live_bytes_ += segment.live_bytes() - bytes_before;
  state->last_sequence = std::max(state->last_sequence, info.last);
  LaneState& held = state->lanes[info.lane.priority];
  held.live += info.count;
  held.message_bytes += info.message_bytes;
  held.segments.push_back(segment.number());
}

bool Index::settle(const Entry& entry) {
  Segment* held = segment(entry.segment);
  if (held == nullptr) return false;
  Run* run = held->find(lane_of(entry));
  if (run == nullptr) return false;
  bool was_live = false;
  tracked(*held, *run, [&] { was_live = held->settle(entry); });
  return was_live;
}

void Index::purge(QueueId id, Sequence up_to, const std::vector<Entry>& kept) {
  QueueState& state = queues_.at(id);
  state.purged_up_to = up_to;
  state.purge_kept.clear();
  for (const Entry& entry : kept) state.purge_kept.push_back(entry.sequence);
  std::sort(state.purge_kept.begin(), state.purge_kept.end());
  struct Left {
    std::uint32_t count = 0;
    std::uint64_t share = 0;
    std::uint64_t message = 0;
  };
  std::map<std::pair<SegmentNumber, Priority>, Left> left;
  for (const Entry& entry : kept) {
    Left& at = left[{entry.segment, entry.priority}];
    ++at.count;
    at.share += entry.share_bytes;
    at.message += entry.message_bytes;
  }
  for (auto& [priority, lane_state] : state.lanes) {
    for (const SegmentNumber number : lane_state.segments) {
      Segment& held = *segment(number);
      Run& run = *held.find({id, priority});
      const Left& stays = left[{number, priority}];
      tracked(held, run, [&] { held.drop(run, stays.count, stays.share, stays.message); });
    }
  }
}

void Index::drop_queue(QueueId id) {
  if (!queues_.contains(id)) return;
  purge(id, ~Sequence{0}, {});
  queues_.erase(id);
}

bool Index::is_live(const Segment& segment, const Entry& entry) const {
  const QueueState* state = queue(entry.queue);
  return state != nullptr && !segment.is_settled(entry.ordinal) &&
         !state->is_purged(entry.sequence);
}

void Index::recount(Segment& segment, Run& run, const std::vector<Entry>& entries) {
  std::uint32_t live = 0;
  std::uint64_t share = 0;
  std::uint64_t message = 0;
  for (const Entry& entry : entries) {
    if (!is_live(segment, entry)) continue;
    ++live;
    share += entry.share_bytes;
    message += entry.message_bytes;
  }
  tracked(segment, run, [&] { segment.drop(run, live, share, message); });
}

void Index::add_part_bytes(Segment& segment, std::int64_t bytes) {
  const auto change = static_cast<std::uint64_t>(bytes);  // wraps for a negative change
  segment.part_bytes += change;
  live_bytes_ += change;
}

}  // namespace pannier::spool
