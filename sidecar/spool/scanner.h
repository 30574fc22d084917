// Scanner: reads an unsealed segment from its start, batch by batch, and says what is whole.
//
// A first pass (survey) checks every record and finds gaps: stretches that are not whole although
// something whole follows, or that a batch announced. Whether a gap is the unsynced tail of a crash or
// damage to synced data is for recovery to decide, which sees all segments. A second pass (replay)
// hands out the records. Blocks on the disk; at start only, before any thread runs. One page that is a
// batch by its checksum cannot be forged by what clients publish: checksums are seeded with a salt.
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
  Offset data_end = kPageSize;  // where the last whole batch's pages end
  Position synced;              // the highest position that a batch here calls synced
  std::vector<Stretch> gaps;    // ascending
  std::vector<Offset> batches;  // where whole batch headers stand, ascending
  std::uint32_t records = 0;
};

Result<Survey> survey(const File& file, const SegmentHeader& segment);

// Hands out each whole record that ends at or before `cut`, in order. `after_gap`: records were lost
// between this one and the one before.
Result<void> replay(const File& file, const SegmentHeader& segment, Offset cut,
                    const std::function<void(const StoredRecord&, Offset at, bool after_gap)>& visit);

}  // namespace pannier::spool
