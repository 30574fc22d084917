// Sealer: writes the footer of a closed segment: runs, core, and at last the trailer.
//
// prepare() takes from a segment, on the loop thread, what the footer says; write() puts it on
// disk, on the pool or at start. The segment is sealed once write() has synced; until then recovery
// scans it.
#pragma once

#include "sidecar/spool/segment.h"

namespace pannier::spool {

struct Footer {
  SegmentTrailer trailer;   // core's place and size are filled in by write
  std::vector<Lane> lanes;  // of the runs, in order
  std::vector<std::vector<Entry>> runs;
  RecordKeys keys;
  Core core;  // its runs' places are filled in by write
};

// Sorts the segment's runs. Entries are copied: the loop goes on using its own.
Footer prepare_footer(Segment& segment);

// Returns the directory with every run's place.
Result<std::vector<RunInfo>> write_footer(Footer footer, File& file);

}  // namespace pannier::spool
