// Printing: results to standard output, everything else to standard error.
//
// Free functions; one thread.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace pannier::cli {

// All of it has been taken (by a terminal, a file, a pipe), or an io_error.
Result<void> print(std::string_view text);

// "pannierctl: ..."; made harmless.
void warn(std::string_view text);

}  // namespace pannier::cli
