// Journal: appends groups to the open segment and goes on to the next one when it is full.
//
// It sits on the Committer (batches, sync) and SegmentFiles (files), keeps the open segment's index
// entries up to date for what it appends besides messages (settles, states, parts), and begins
// every segment with the list of live ones. Owned by Spool; loop thread. What is durable: see
// Committer.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "sidecar/spool/committer.h"
#include "sidecar/spool/compression.h"
#include "sidecar/spool/index.h"
#include "sidecar/spool/key_ring.h"
#include "sidecar/spool/segment_files.h"
#include "sidecar/spool/state_store.h"

namespace pannier::spool {

// What a record takes on disk beyond its payload, at most.
inline constexpr std::uint32_t kRecordOverhead =
    RecordHeader::kSize + kRecordAlignment + RecordHeader::kSealSize;

// What a group adds to the open segment's index, beside the entries that the spool adds itself.
struct GroupIndex {
  std::uint32_t entries = 0;       // ordinals that its messages take
  std::uint64_t footer_bytes = 0;  // upper bound
};

class Journal {
 public:
  Journal(Committer& committer, SegmentFiles& files, Index& index, StateStore& states,
          const Clock& clock, const Uuid& spool_id, std::function<void(Segment&)> on_closed);

  // What segments are encrypted with from the next one on, which begins with the next group, or as
  // soon as there is room for one. Null: they are plain.
  void use_keys(std::shared_ptr<const KeyRing> keys) { keys_ = std::move(keys); }
  std::uint32_t current_key() const { return keys_ ? keys_->current() : 0; }

  // Opens the first segment of this run; numbers go on after `last`. `end`: of what was recovered.
  Result<void> start(SegmentNumber last, Position end);

  // Makes sure that the open segment has room for a group; begins the next one otherwise.
  // too_large for a group that no segment could hold; spool_full and spool_busy as SegmentFiles
  // says. `needs`: what a reader of the segment must know for it (SegmentHeader); from the first
  // time on, every segment of this run says so.
  Result<void> make_room(std::uint32_t bytes, const GroupIndex& adds, Use use,
                         std::uint16_t needs = 0);

  // Appends a group for which there is room, and notes its settles and states in the index. Offsets
  // are in `group` afterwards.
  Commit append(std::span<StagedRecord> group, std::span<const SettleTarget> settles,
                std::span<const StateItem> states);

  Segment& open_segment() { return *open_; }
  bool is_open() const { return open_ != nullptr; }
  std::uint32_t group_bytes_max() const;
  // Ends the open segment; nothing is appended until start() or make_room() begins another.
  void close();

 private:
  Result<void> begin_segment(Use use);
  bool has_room(std::uint32_t bytes, const GroupIndex& adds) const;
  bool says_what_it_needs() const;
  bool has_current_key() const;

  Committer& committer_;
  SegmentFiles& files_;
  Index& index_;
  StateStore& states_;
  const Clock& clock_;
  Uuid spool_id_;
  std::function<void(Segment&)> on_closed_;
  Segment* open_ = nullptr;
  SegmentNumber last_ = 0;
  std::uint16_t needs_ = 0;
  std::shared_ptr<const KeyRing> keys_;
};

// Records of settles and states, ready to be appended; checksums and keys are the open segment's.
StagedRecord stage(RecordType type, Bytes meta, Slice head, Slice body, const RecordKeys& keys);
StagedRecord stage_content(RecordType type, Bytes meta, StoredContent content,
                           const RecordKeys& keys);
StateItem segments_item(const std::vector<SegmentNumber>& numbers);
Result<std::vector<SegmentNumber>> segments_from(ByteView value);
Bytes key_of(SegmentNumber number);
Bytes key_of_queue(QueueId queue);
Bytes key_of_lane(Lane lane);

}  // namespace pannier::spool
