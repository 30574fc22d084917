#include "common/code_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "common/files.h"

namespace pannier {
namespace {

struct Mapping {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_read_only_file = false;
};

// "begin-end rights offset device inode path" opens the mapping's lines; others are "Key: value".
std::optional<Mapping> mapping_in(std::string_view line) {
  Mapping found;
  const char* const end = line.data() + line.size();
  const auto begin = std::from_chars(line.data(), end, found.begin, 16);
  if (begin.ec != std::errc() || begin.ptr == end || *begin.ptr != '-') return {};
  const auto to = std::from_chars(begin.ptr + 1, end, found.end, 16);
  if (to.ec != std::errc()) return {};
  const std::string_view rest(to.ptr, static_cast<std::size_t>(end - to.ptr));
  found.is_read_only_file = (rest.starts_with(" r-xp ") || rest.starts_with(" r--p ")) &&
                            rest.find(" /") != std::string_view::npos;
  return found;
}

// A page that was written to, as the loader does before it takes the right to write away, is
// nowhere but in memory: a mapping with a single one of them stays.
bool has_nothing_of_its_own(std::string_view line) {
  constexpr std::string_view kKey = "Anonymous:";
  if (!line.starts_with(kKey)) return false;
  line.remove_prefix(std::min(line.find_first_not_of(' ', kKey.size()), line.size()));
  return line == "0 kB";
}

}  // namespace

std::size_t release_code_pages() {
  const auto maps = read_file("/proc/self/smaps");
  if (!maps) return 0;
  std::size_t released = 0;
  Mapping last;
  for (std::string_view rest = *maps; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (const auto found = mapping_in(line)) last = *found;
    if (!last.is_read_only_file || !has_nothing_of_its_own(line)) continue;
    const std::size_t bytes = last.end - last.begin;
    if (::madvise(reinterpret_cast<void*>(last.begin), bytes, MADV_DONTNEED) == 0)
      released += bytes;
  }
  return released;
}

}  // namespace pannier
