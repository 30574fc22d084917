// FoundSegments: the segment files of a folder, and what each of them says, before anything of it
// is believed.
//
// find_segments() reads headers, trailers and the cores of sealed segments. scan_segments() reads
// those that were not sealed, or whose footer is damaged: it tells damage to synced data, around
// which everything is kept, from the tail that a crash cut off, and takes the records that are
// left. Neither changes anything on disk. Whether a segment is alive is for recovery to decide.
// Blocks; at start.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sidecar/spool/key_ring.h"
#include "sidecar/spool/scanner.h"
#include "sidecar/spool/segment.h"

namespace pannier::spool {

struct FoundSegment {
  SegmentFile file;
  std::uint64_t size = 0;
  SegmentHeader header;
  std::optional<SegmentTrailer> trailer;
  std::optional<Core> core;               // of a sealed segment whose footer can be read
  std::shared_ptr<const SegmentKey> key;  // of its records, if they are encrypted
  std::string locked;                     // why they cannot be opened: nothing below is known then
  Position first_synced;  // the end of the segment before, as the first batch here says

  // Of a scanned one.
  bool is_scanned = false;
  Offset known_end = 0;  // synced data ends there, or later; 0: nobody says
  Offset survey_end = kPageSize;
  Offset cut = kPageSize;  // end of what is kept
  bool is_cut = false;     // something behind it was never synced
  std::uint32_t next_ordinal = 0;
  std::vector<Entry> entries;  // until the queues are known
  std::vector<BodyInfo> bodies;
  std::vector<PartInfo> parts;
  std::map<SegmentNumber, SettleTarget> settles;
  std::vector<StateItem> states;

  // What is wrong with it; counts only if the segment is alive.
  std::vector<Stretch> damage;
  std::vector<std::string> losses;
  std::uint64_t cut_bytes = 0;
  std::uint64_t lost_entries = 0;

  const std::vector<StateItem>& said() const { return core ? core->states : states; }
};

struct FoundFiles {
  std::map<SegmentNumber, FoundSegment> segments;
  std::vector<SegmentFile> unused;  // spares, and what is left of files that were never finished
  std::vector<FileInfo> others;     // not the journal's: left alone, but they take up bytes
  SegmentNumber last_number = 0;
};

// Errors: io_error, wrong_version. A key that is missing is none: see FoundSegment::locked.
Result<FoundFiles> find_segments(Disk& disk, const Uuid& spool_id, std::uint32_t segment_bytes,
                                 const KeyRing* keys = nullptr);

Result<void> scan_segments(FoundFiles& found);

// Of a segment that is alive: bad_config if it cannot be opened, or is plain and must not be.
Result<void> check_key(const FoundSegment& segment, bool requires_encryption);

}  // namespace pannier::spool
