// Files: whole small files, read and written so that nobody sees half of one.
//
// Free functions; any thread; every call can block. Errors are io_error, not_found or too_large;
// details name the path and never its contents.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"

namespace pannier {

inline constexpr std::size_t kFileBytesMax = 64u << 20;

Result<std::string> read_file(const std::string& path, std::size_t bytes_max = kFileBytesMax);

// Replaces the file whole, or leaves it as it was; after a crash it is the old or the new one.
Result<void> write_file(const std::string& path, std::string_view text, mode_t mode);

// With the folders around it, which get the same mode; one that is there is left as it is.
Result<void> make_folders(const std::string& path, mode_t mode);

}  // namespace pannier
