// SegmentFiles: the spool's supply of files to journal into, and its limit on bytes.
//
// Spare files are made ahead of need on the pool, blocks reserved and zero-filled, so that
// fdatasync has no metadata to write; files of segments that are gone come back as spares, and what
// is too many is removed. A few spares are a reserve that publishing does not touch: with a full
// spool or a full volume there is still room for settles, compaction and state. Owned by Spool;
// loop thread, file work on the pool. A spare holds nothing; whether one exists after a crash does
// not matter.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/executor.h"
#include "sidecar/spool/segment.h"

namespace pannier::spool {

struct SegmentFilesLimits {
  std::uint32_t segment_bytes = kSegmentBytesDefault;
  std::uint64_t bytes_max = 1ull << 30;            // over all files of the folder
  std::uint64_t free_space_reserve = 64ull << 20;  // left to others on the volume
  std::uint32_t reserve = 4;                       // spares that publishing leaves alone
  std::uint32_t ahead = 2;                         // spares beyond the reserve
};

enum class Use : std::uint8_t {
  publish,  // refused when only the reserve is left
  urgent,   // compaction, state, groups that free what they take: may use the reserve, but for
            // kForStart and one
  vital,    // settles, and giving up segments: one more
  start,    // the first segment of a run: there is one after make_first_spares
};

class SegmentFiles {
 public:
  // Of the reserve, for the next starts: nothing can be given up before there is an open segment.
  static constexpr std::size_t kForStart = 2;

  // "journal-" digits ".seg": a file of any other name is never touched.
  static bool is_segment_name(std::string_view name);

  SegmentFiles(Disk& disk, Executor& loop, Executor& pool, const SegmentFilesLimits& limits,
               std::function<void()> on_more);
  ~SegmentFiles();

  // Recovery: a file that nothing needs, and a file that a live segment has.
  void adopt_spare(SegmentFile file);
  void adopt_used(const SegmentFile& file);
  // A file that looks like a segment but is not this spool's: its name is taken.
  void adopt_other(const std::string& name) { note_name(name); }
  // Bytes of other files in the folder (quarantined ones): they count against the limit.
  void set_other_bytes(std::uint64_t bytes) { other_bytes_ = bytes; }
  void add_other_bytes(std::uint64_t bytes) { other_bytes_ += bytes; }
  void take_other_bytes(std::uint64_t bytes) { other_bytes_ -= bytes; }
  // So many bytes of other files leave the segments in use and the reserve their place.
  bool has_room_for_other(std::uint64_t bytes) const;
  // One more file would stay within the limit.
  bool has_room_for_spare() const;
  // Makes spares until there is one at least: at start, before the loop runs. Blocks.
  Result<void> make_first_spares();

  // spool_full: the limit or the free-space reserve is reached. spool_busy: a spare is being made.
  Result<void> may_take(Use use) const;
  Result<SegmentFile> take(Use use);
  void give_back(SegmentFile file);
  // Makes or removes spares as needed, on the pool. Called at each change and now and then.
  void refill();

  std::uint64_t disk_bytes() const;
  std::uint64_t bytes_max() const { return limits_.bytes_max; }
  std::size_t in_use() const { return in_use_; }
  std::size_t spares() const { return spares_.size(); }
  bool is_low_on_space() const { return low_on_space_; }
  const SegmentFilesLimits& limits() const { return limits_; }

 private:
  struct Shared;
  std::uint64_t segments_max() const;
  bool is_full() const;
  std::string next_name();
  void note_name(const std::string& name);
  void remove_extra(std::size_t wanted);
  void on_made(Result<SegmentFile> made);

  Disk& disk_;
  Executor& loop_;
  Executor& pool_;
  SegmentFilesLimits limits_;
  std::function<void()> on_more_;
  std::shared_ptr<SegmentFiles*> alive_;  // null inside once this is gone: for jobs that come back
  std::vector<SegmentFile> spares_;
  std::size_t in_use_ = 0;
  std::size_t making_ = 0;
  std::size_t removing_ = 0;
  std::uint64_t other_bytes_ = 0;
  std::uint64_t last_name_ = 0;
  bool low_on_space_ = false;
};

}  // namespace pannier::spool
