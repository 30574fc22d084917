// Bodies in parts, put together again at start: which parts there are, and which live messages need
// them. One pass over the runs of a segment, and only of segments that have such messages. Blocks.
#pragma once

#include <functional>
#include <string>

#include "sidecar/spool/bodies.h"

namespace pannier::spool {

// `lost`: something of a message of that segment is missing. Errors: io_error, wrong_version.
Result<void> recover_bodies(
    Index& index, Bodies& bodies,
    const std::function<void(SegmentNumber, const std::string& what)>& lost);

}  // namespace pannier::spool
