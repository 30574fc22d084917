// Recovery: from the files of a folder to the index, and a report of what was found and lost.
//
// Reads headers, trailers and the cores of sealed segments; scans only what was not sealed. Cuts the
// unsynced tail at its first broken record, keeps what lies around damage to synced data and says what
// is missing, and seals what it scanned. Runs at start on the caller's thread, before the loop; blocks.
// It changes nothing on disk that it could not do again after a crash in its middle.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "sidecar/spool/bodies.h"
#include "sidecar/spool/index.h"
#include "sidecar/spool/segment_files.h"
#include "sidecar/spool/state_store.h"

namespace pannier::spool {

struct RecoveryReport {
  std::uint64_t segments = 0;
  std::uint64_t scanned_segments = 0;
  std::uint64_t messages = 0;       // live entries
  std::uint64_t cut_bytes = 0;      // of the tail: never confirmed
  std::uint64_t corrupt_bytes = 0;  // below what was synced: lost
  std::uint64_t lost_entries = 0;   // at least so many, by the ordinals that are missing
  bool was_clean = true;            // the last run ended with close()
  std::vector<std::string> losses;  // for people: which file, which bytes, how many messages
  std::uint64_t quarantined_bytes = 0;
};

struct Recovered {
  RecoveryReport report;
  SegmentNumber last_number = 0;
  QueueId last_queue = 0;
};

struct RecoveryInto {
  Index& index;
  StateStore& states;
  Bodies& bodies;
  SegmentFiles& files;
};

// Damage is reported, not an error. Errors: io_error, wrong_version.
Result<Recovered> recover(Disk& disk, const Uuid& spool_id, RecoveryInto into);

}  // namespace pannier::spool
