// Scanner: reads a segment from its start, batch by batch, and says what is whole.
//
// A first pass (survey) checks every record and finds gaps: stretches that are not whole although
// something whole follows, that a batch announced, or that are known to have been there. Whether a
// gap is the unsynced tail of a crash or damage to synced data is for recovery to decide, which
// sees all segments. A second pass (replay) hands out the records. Where a batch's header is broken
// its records are looked for all the same: each names its place in its own checksum. Those are
// seeded with a salt, so that what clients publish cannot pass for a batch or a record. Blocks on
// the disk.
#pragma once

#include <functional>
#include <vector>

#include "sidecar/spool/record_io.h"

namespace pannier::spool {

struct Stretch {  // [begin, end) of the segment file
  Offset begin = 0;
  Offset end = 0;
};

struct Survey {
  Offset data_end = kPageSize;  // where the last whole batch's pages end; not before `known_end`
  Position synced;              // the highest position that a batch here calls synced
  std::vector<Stretch> gaps;    // ascending
};

// `known_end`: batches once reached up to there; 0 if nobody knows. What is encrypted must open
// with the key to be whole.
Result<Survey> survey(const File& file, const SegmentHeader& segment, Offset known_end,
                      std::shared_ptr<const SegmentKey> key = {});

struct Scanned {
  const StoredRecord& record;
  Offset at = 0;
  bool after_gap = false;     // records were lost between this one and the one before
  bool starts_group = false;  // surely; after a gap it may be the rest of a group
};

// Hands out each whole record that ends at or before `cut`, in order.
Result<void> replay(const File& file, const SegmentHeader& segment, Offset known_end, Offset cut,
                    const std::function<void(const Scanned&)>& visit,
                    std::shared_ptr<const SegmentKey> key = {});

// What the first batch of the segment calls synced: the end of the segment before it.
Result<Position> first_synced(const File& file, const SegmentHeader& segment);

}  // namespace pannier::spool
