// The file `spool.id`: which spool a folder is, in which format, with segments of which size.
//
// Three lines of text that people can read, made once with the folder. Loading it is the version
// check: a folder that a later release wrote is refused before anything of it is touched. Blocks;
// at start.
#pragma once

#include "sidecar/spool/disk.h"
#include "sidecar/spool/format.h"

namespace pannier::spool {

struct SpoolFile {
  std::uint16_t version = kFormatVersion;
  Uuid id{};
  std::uint32_t segment_bytes = 0;
};

// Errors: wrong_version, corrupt (unreadable although segments exist), io_error, bad_argument (a
// segment size out of bounds). A folder without segments and without the file becomes a new spool.
Result<SpoolFile> load_or_make_spool_file(Disk& disk, std::uint32_t segment_bytes);

}  // namespace pannier::spool
