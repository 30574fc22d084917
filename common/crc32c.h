// CRC32C (Castagnoli), the checksum of every record on disk.
//
// Uses the CPU's instruction where there is one and a table otherwise; both give the same result
// and a test compares them. Stateless; any thread. Pass the last result as `seed` to go on over
// more bytes.
#pragma once

#include <cstdint>

#include "common/bytes.h"

namespace pannier {

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// The portable twin, public for the test and for machines without the instruction.
std::uint32_t crc32c_portable(ByteView bytes, std::uint32_t seed = 0);

}  // namespace pannier
