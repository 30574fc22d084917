#include "cli/print.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/people.h"

namespace pannier::cli {

Result<void> print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return {};
  return Error{Errc::io_error,
               "standard output takes no more: " + std::generic_category().message(errno)};
}

void warn(std::string_view text) {
  std::fprintf(stderr, "pannierctl: %s\n", harmless(text).c_str());
}

}  // namespace pannier::cli
