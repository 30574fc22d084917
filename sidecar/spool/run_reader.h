// Reading a run of a sealed segment, and making it anew from the segment's records when the run
// itself is damaged: an index that is lost must not lose its messages.
//
// Runs on the pool (a queue paging, compaction) or at start (recovery); blocks on the disk.
#pragma once

#include <optional>
#include <vector>

#include "sidecar/spool/disk.h"
#include "sidecar/spool/footer.h"
#include "sidecar/spool/segment_key.h"

namespace pannier::spool {

struct SealedPart {  // of a sealed segment, what a reader needs
  SegmentHeader header;
  Offset data_end = 0;
  std::shared_ptr<const SegmentKey> key = {};  // null: it is plain
};

struct LoadedRun {
  std::vector<Entry> entries;   // by sequence
  std::optional<Error> damage;  // of the run's record: the entries were found by scanning
};

// Errors: io_error, wrong_version. Fewer entries than info.count: those messages are lost.
Result<LoadedRun> load_run(const File& file, const SealedPart& segment, const RunInfo& info);

}  // namespace pannier::spool
