// container_log: the file that a container's output is appended to: kept short, and its last words.
//
// Free functions; any thread; every call can block on the disk. Limit: kLogBytesMax of it and as
// much again in NAME.log.1, the end of what was there before; what is written while it is cut can
// be lost. Errors are no one's business here: what cannot be cut is cut later.
#pragma once

#include <cstdint>
#include <string>

namespace pannier::local {

inline constexpr std::uint64_t kLogBytesMax = 10u << 20;
inline constexpr std::size_t kLastWordsBytesMax = 300;

std::uint64_t log_bytes(const std::string& file);

// Cuts it in place, because processes have it open to append to it.
void keep_log_short(const std::string& file, std::uint64_t bytes_max = kLogBytesMax);

// Its last line, of what lies behind `from`, for people; of a line of our JSON log what it says.
std::string last_words(const std::string& file, std::uint64_t from);

}  // namespace pannier::local
