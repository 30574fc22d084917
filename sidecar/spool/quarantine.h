// Quarantine: copies of damaged bytes, for people to look at, before their segment's file is used
// again.
//
// One file a stretch, `quarantine-<segment>-<begin>.bin`, whole once it has that name. They count
// against the spool's limit on bytes, are bounded in all, and stay until somebody removes them;
// damage that finds no room is only reported. That such a file is there also tells a later recovery
// that the stretch was synced. Owned by Spool; loop thread, files on the pool; recovery's calls
// block.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/executor.h"
#include "sidecar/spool/index.h"
#include "sidecar/spool/scanner.h"
#include "sidecar/spool/segment_files.h"

namespace pannier::spool {

class Quarantine {
 public:
  static constexpr std::uint64_t kBytesMax = 64u
                                             << 20;  // and at most an eighth of the spool's limit
  static constexpr std::size_t kPlacesMax = 65'536;  // remembered

  Quarantine(Disk& disk, Executor& loop, Executor& pool, Index& index, SegmentFiles& files);
  ~Quarantine();

  // A file of the folder, at start. True if it is one of these; what was never finished is removed.
  Result<bool> adopt(const FileInfo& info);
  std::vector<Position> places() const { return {places_.begin(), places_.end()}; }

  // Copies the stretch, once; 0 if it is there already or has no room. Blocks.
  Result<std::uint64_t> copy_now(const File& file, SegmentNumber segment, Stretch stretch);
  // The same on the pool. The segment is not given up meanwhile. False if it was done before.
  bool copy(SegmentNumber segment, Stretch stretch);

  std::uint64_t bytes() const { return bytes_; }

 private:
  bool has_room(std::uint64_t bytes) const;
  void on_copied(SegmentNumber segment, std::uint64_t bytes, const Result<void>& done);

  Disk& disk_;
  Executor& loop_;
  Executor& pool_;
  Index& index_;
  SegmentFiles& files_;
  std::set<Position> places_;  // copied, or tried
  std::uint64_t bytes_ = 0;
  std::shared_ptr<Quarantine*> alive_;
};

}  // namespace pannier::spool
