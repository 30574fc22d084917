// Compactor: moves what is still alive in one old segment to the end of the journal, so that the
// segment's file can be used again.
//
// One segment at a time, a chunk at a time: reads a chunk's records on the pool, then, on the loop,
// appends copies of those that are still alive and the settles of their old places as one group, so
// that a crash finds one or the other. Goes on when the chunk is synced. Owned by Spool; loop
// thread.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "sidecar/spool/spool.h"

namespace pannier::spool {

class Compactor {
 public:
  static constexpr std::uint32_t kChunkBytes = 512u << 10;

  explicit Compactor(Spool::Impl& spool);
  ~Compactor();

  bool is_busy() const { return victim_ != 0; }
  // Picks a victim, if there is one worth it, and starts.
  void start();
  // A commit was synced: goes on if it waited for it.
  void on_synced(Commit synced);
  // A segment that could be moved has another key than new ones get.
  bool has_old_keys() const;
  std::uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  struct Record {  // one record of the victim with live entries, or a part
    Offset offset = 0;
    std::uint32_t bytes = 0;
    std::vector<Entry> entries;  // empty: a part
  };
  std::uint64_t occupancy(const Segment& segment) const;
  bool has_old_key(const Segment& segment) const;
  static bool may_move(const Segment& segment);
  static bool is_copy_of_living(const Segment& segment);
  static std::uint64_t need_of(const Record& record);
  Segment* pick() const;
  void load_runs();
  void list_records();
  void read_chunk();
  void on_chunk(std::vector<std::pair<Record, Result<StoredRecord>>> chunk);
  void move_chunk(std::vector<std::pair<Record, Result<StoredRecord>>>& chunk);
  void stop();

  Spool::Impl& spool_;
  SegmentNumber victim_ = 0;
  std::vector<Lane> lanes_left_;
  std::vector<Entry> live_;
  std::deque<Record> records_;
  Commit waits_for_ = 0;
  Clock::time_point retry_at_{};  // after there was no room
  std::uint64_t moved_bytes_ = 0;
  std::shared_ptr<Compactor*> alive_;
};

}  // namespace pannier::spool
