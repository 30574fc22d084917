// RecoveryHarness: a journal with everything in it, to be damaged one place at a time, and what has
// to be left of it.
//
// make_journal() publishes to two queues, settles, brings back, fans out, puts values and publishes
// a body in parts, over several segments, sealed or not; its last batch holds nothing that a test
// asks for, so that all the rest is known to be synced. check_kept() opens a spool on a copy.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/spool/journal_places.h"
#include "tests/spool/spool_harness.h"

namespace pannier::spool {

inline SpoolOptions tiny_options() {
  SpoolOptions options = small_options();
  options.files.segment_bytes = kSegmentBytesMin;
  options.files.bytes_max = 8u << 20;
  return options;
}

struct MadeMessage {
  QueueId queue = 0;
  Sequence sequence = 0;
  std::string body;
  Position at;  // its record
  bool is_settled = false;
  std::uint16_t delivery_count = 0;
};

struct MadeJournal {
  std::unique_ptr<MemoryDisk> disk;
  std::vector<MadeMessage> messages;
  std::string large_body;  // in parts, in `first`
  QueueId first = 0;
  QueueId second = 0;
  Offset tail = 0;  // where the last batch begins, in the segment `last`
  SegmentNumber last = 0;

  std::unique_ptr<MemoryDisk> copy() const { return disk->restart(1, Keep::everything); }
};

// `sealed`: footers are written as the journal goes on; else every segment is left unsealed.
MadeJournal make_journal(bool sealed);

struct Kept {
  std::set<std::size_t> missing;   // of `messages`, by their place in it; not those settled
  std::set<std::size_t> corrupt;   // found, but reading says so
  std::set<std::size_t> back;      // settled, and there again
  std::vector<std::string> wrong;  // promises that do not hold whatever the damage, as sentences
  RecoveryReport report;
  std::uint64_t quarantine_files = 0;
  std::uint64_t corrupt_records = 0;  // met while the spool was open
  std::vector<QueueId> queues;
};

// Opens a spool on the disk, reads everything and compares.
Kept kept_of(MemoryDisk& disk, const MadeJournal& made);

}  // namespace pannier::spool
