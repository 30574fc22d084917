// Recovery: from the files of a folder to the index, and a report of what was found and lost.
//
// found_segments.h reads the files; here is decided which of them are alive, and what they say is
// put into the rooms. Keeps what lies around damage to synced data, says what is missing and keeps
// a copy of the damaged bytes (quarantine.h); wipes the unsynced tail and seals what was scanned.
// Runs at start on the caller's thread, before the loop; blocks. It changes nothing on disk that it
// could not do again after a crash in its middle. Of what is sealed it holds one run at a time.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "sidecar/spool/bodies.h"
#include "sidecar/spool/index.h"
#include "sidecar/spool/key_ring.h"
#include "sidecar/spool/quarantine.h"
#include "sidecar/spool/segment_files.h"
#include "sidecar/spool/state_store.h"

namespace pannier::spool {

struct RecoveryReport {
  std::uint64_t segments = 0;
  std::uint64_t scanned_segments = 0;
  std::uint64_t messages = 0;           // live entries
  std::uint64_t cut_bytes = 0;          // of the tail: never confirmed
  std::uint64_t corrupt_bytes = 0;      // below what was synced: lost
  std::uint64_t lost_entries = 0;       // at least so many, by the ordinals that are missing
  bool was_clean = true;                // the last run ended with close(), and nothing is missing
  std::vector<std::string> losses;      // for people: which file, which bytes, how many messages
  std::uint64_t quarantined_bytes = 0;  // in all quarantine files of the folder

  static constexpr std::size_t kLossesMax = 1000;  // beyond that only in the log
};

struct Recovered {
  RecoveryReport report;
  SegmentNumber last_number = 0;
  Position end;  // of what is alive; all of it is synced
  QueueId last_queue = 0;
};

struct RecoveryInto {
  Index& index;
  StateStore& states;
  Bodies& bodies;
  SegmentFiles& files;
  Quarantine& quarantine;
  const KeyRing* keys = nullptr;
  bool requires_encryption = false;
};

// Damage is reported, not an error. Errors: io_error, wrong_version; and bad_config, before
// anything is changed, for a live segment whose key is not there or is another one, or that is
// plain and must not be.
Result<Recovered> recover(Disk& disk, const Uuid& spool_id, RecoveryInto into);

}  // namespace pannier::spool
