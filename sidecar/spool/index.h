// Index: which messages the spool holds, by queue, priority and segment; counts for all of them and
// entries for those that are not yet in a footer.
//
// Owned by Spool; loop thread; no I/O. A lane's messages lie in the runs of several segments, and
// compaction carries old messages into new segments: the next one is the lowest sequence, whatever
// segment it is in.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sidecar/spool/segment.h"

namespace pannier::spool {

struct LaneState {
  std::vector<SegmentNumber> segments;  // with a run of the lane, ascending
  std::uint64_t live = 0;
  std::uint64_t message_bytes = 0;

  // Delivery horizon: see Spool::may_deliver.
  Sequence horizon_wanted = 0;
  Sequence horizon = 0;  // synced
  Sequence suspect = 0;  // may have been delivered before an unclean stop
};

struct QueueState {
  Sequence last_sequence = 0;
  Sequence purged_up_to = 0;
  std::vector<Sequence> purge_kept;  // sorted; survive the purge
  std::map<Priority, LaneState> lanes;

  bool is_purged(Sequence sequence) const;
};

class Index {
 public:
  Segment& add_segment(const SegmentHeader& header, SegmentFile file,
                       std::shared_ptr<const SegmentKey> key = {});
  Segment* segment(SegmentNumber number);
  void remove_segment(SegmentNumber number);
  std::map<SegmentNumber, std::unique_ptr<Segment>>& segments() { return segments_; }
  const std::map<SegmentNumber, std::unique_ptr<Segment>>& segments() const { return segments_; }
  bool is_oldest(SegmentNumber number) const;
  std::vector<SegmentNumber> numbers() const;

  QueueState& add_queue(QueueId id) { return queues_[id]; }
  QueueState* queue(QueueId id);
  const QueueState* queue(QueueId id) const { return const_cast<Index*>(this)->queue(id); }
  std::map<QueueId, QueueState>& queues() { return queues_; }
  const std::map<QueueId, QueueState>& queues() const { return queues_; }

  // An entry of the open segment. Its queue exists.
  void add(Segment& segment, const Entry& entry);
  // A run of a sealed segment, counted whole; recount() corrects it. Unknown queues are left out.
  void add_sealed(Segment& segment, const RunInfo& info);
  // False if it was settled before or its segment is gone.
  bool settle(const Entry& entry);
  // Everything of the queue but `kept` is gone: ready messages only, or all with the queue.
  void purge(QueueId queue, Sequence up_to, const std::vector<Entry>& kept);
  void drop_queue(QueueId queue);

  // The entry is neither settled nor purged, and its queue exists.
  bool is_live(const Segment& segment, const Entry& entry) const;
  // Counts the live ones of a run anew, from its entries: recovery.
  void recount(Segment& segment, Run& run, const std::vector<Entry>& entries);

  std::uint64_t live_bytes() const { return live_bytes_; }
  void add_part_bytes(Segment& segment, std::int64_t bytes);

 private:
  // Applies a change of a segment's counts to its lane and to the sums.
  template <typename Change>
  void tracked(Segment& segment, Run& run, Change&& change);
  LaneState& lane(Lane lane);

  std::map<SegmentNumber, std::unique_ptr<Segment>> segments_;
  std::map<QueueId, QueueState> queues_;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace pannier::spool
