#include "common/code_pages.h"

#include <sys/mman.h>

#include <charconv>
#include <string_view>

#include "common/files.h"

namespace pannier {
namespace {

struct Mapping {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_code_of_file = false;
};

// "begin-end rights offset device inode path", where only code that nobody can write will do: a
// page that was written to is nowhere but in memory.
Mapping mapping_in(std::string_view line) {
  Mapping found;
  const char* const end = line.data() + line.size();
  const auto begin = std::from_chars(line.data(), end, found.begin, 16);
  if (begin.ec != std::errc() || begin.ptr == end || *begin.ptr != '-') return {};
  const auto to = std::from_chars(begin.ptr + 1, end, found.end, 16);
  if (to.ec != std::errc()) return {};
  const std::string_view rest(to.ptr, static_cast<std::size_t>(end - to.ptr));
  found.is_code_of_file = rest.starts_with(" r-xp ") && rest.find(" /") != std::string_view::npos;
  return found;
}

}  // namespace

std::size_t release_code_pages() {
  const auto maps = read_file("/proc/self/maps");
  if (!maps) return 0;
  std::size_t released = 0;
  for (std::string_view rest = *maps; !rest.empty();) {
    const std::size_t line = rest.find('\n');
    const Mapping found = mapping_in(rest.substr(0, line));
    if (found.is_code_of_file && ::madvise(reinterpret_cast<void*>(found.begin),
                                           found.end - found.begin, MADV_DONTNEED) == 0)
      released += found.end - found.begin;
    if (line == std::string_view::npos) break;
    rest.remove_prefix(line + 1);
  }
  return released;
}

}  // namespace pannier
