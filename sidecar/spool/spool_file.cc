#include "sidecar/spool/spool_file.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace pannier::spool {
namespace {

constexpr std::string_view kName = "spool.id";
constexpr std::string_view kNewName = "spool.id.new";
constexpr std::size_t kSizeMax = 512;

std::string render(const SpoolFile& file) {
  return "pannier-spool-version: " + std::to_string(file.version) + "\nid: " + to_text(file.id) +
         "\nsegmentBytes: " + std::to_string(file.segment_bytes) + "\n";
}

std::string_view value_of(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + key.size());
  return rest.substr(0, rest.find('\n'));
}

template <typename T>
bool number_of(std::string_view text, T& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool uuid_of(std::string_view text, Uuid& id) {
  std::string digits(text);
  std::erase(digits, '-');
  if (digits.size() != 2 * id.size()) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    unsigned value = 0;
    const char* at = digits.data() + 2 * i;
    if (std::from_chars(at, at + 2, value, 16).ptr != at + 2) return false;
    id[i] = static_cast<std::byte>(value);
  }
  return true;
}

Result<SpoolFile> parse(std::string_view text) {
  SpoolFile file;
  if (!number_of(value_of(text, "pannier-spool-version: "), file.version))
    return Error{Errc::corrupt,
                 "spool.id is damaged: it names no version. Restore it, or move the "
                 "folder aside to start with an empty spool"};
  if (file.version > kFormatVersion)
    return Error{Errc::wrong_version,
                 "the spool has format version " + std::to_string(file.version) +
                     ", this release reads up to " + std::to_string(kFormatVersion) +
                     ": run the release that wrote it"};
  if (!uuid_of(value_of(text, "\nid: "), file.id) ||
      !number_of(value_of(text, "segmentBytes: "), file.segment_bytes))
    return Error{Errc::corrupt,
                 "spool.id is damaged. Restore it, or move the folder aside to start "
                 "with an empty spool"};
  return file;
}

Result<SpoolFile> make(Disk& disk, std::uint32_t segment_bytes) {
  SpoolFile file{kFormatVersion, random_uuid(), segment_bytes};
  if (auto listed = disk.list(); listed)
    for (const FileInfo& info : *listed)
      if (info.name == kNewName)
        if (auto removed = disk.remove(kNewName); !removed) return removed.error();
  auto created = disk.create(kNewName);
  if (!created) return created.error();
  const std::string text = render(file);
  const ByteView view = as_bytes(text);
  Result<void> done = (*created)->write(0, {&view, 1});
  if (done) done = (*created)->sync();
  if (done) done = disk.rename(kNewName, kName);
  if (done) done = disk.sync_folder();
  if (!done) return done.error();
  return file;
}

}  // namespace

Result<SpoolFile> load_or_make_spool_file(Disk& disk, std::uint32_t segment_bytes) {
  if (segment_bytes < kSegmentBytesMin || segment_bytes > kSegmentBytesMax ||
      segment_bytes % kPageSize != 0)
    return Error{Errc::bad_argument, "segments of " + std::to_string(segment_bytes) +
                                         " bytes; they have " + std::to_string(kSegmentBytesMin) +
                                         " to " + std::to_string(kSegmentBytesMax) +
                                         " in whole pages of " + std::to_string(kPageSize)};
  auto files = disk.list();
  if (!files) return files.error();
  bool has_segments = false;
  bool has_file = false;
  for (const FileInfo& info : *files) {
    has_segments = has_segments || info.name.ends_with(".seg");
    has_file = has_file || info.name == kName;
  }
  if (!has_file && has_segments)
    return Error{Errc::corrupt,
                 "the folder has journal segments but no spool.id: it is not whole. "
                 "Restore the file, or move the folder aside"};
  if (!has_file) return make(disk, segment_bytes);
  auto opened = disk.open(kName);
  if (!opened) return opened.error();
  std::string text(kSizeMax, '\0');
  auto got = (*opened)->read(0, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error();
  text.resize(*got);
  return parse(text);
}

}  // namespace pannier::spool
