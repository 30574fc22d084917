// Short forms for tests that look at disks: text in, text out.
//
// Free functions on what the test owns; they end the test program where a call fails that should
// not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/memory_disk.h"

namespace pannier {

inline Result<void> write_text(spool::File& file, std::uint64_t at, std::string_view text) {
  const ByteView piece = as_bytes(text);
  return file.write(at, {&piece, 1});
}

// What can be read from byte `at`, at most `size` bytes.
inline std::string read_text(const spool::File& file, std::uint64_t at, std::size_t size) {
  Bytes into(size);
  into.resize(file.read(at, into).value());
  return std::string(as_text(into));
}

inline std::string text_of(const MemoryDisk& disk, std::string_view name) {
  const Bytes bytes = disk.content(name);
  return std::string(as_text(bytes));
}

inline std::vector<std::string> names_in(const spool::Disk& disk) {
  std::vector<std::string> names;
  const auto files = disk.list();
  for (const auto& file : *files) names.push_back(file.name);
  return names;
}

// Plants a durable file and opens it.
inline std::unique_ptr<spool::File> durable_file(MemoryDisk& disk, std::string_view name,
                                                 std::string_view text) {
  disk.plant(name, as_bytes(text));
  return std::move(disk.open(name).value());
}

}  // namespace pannier
