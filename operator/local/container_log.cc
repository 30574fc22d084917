#include "operator/local/container_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/descriptor.h"
#include "operator/local/status_json.h"

#include <nlohmann/json.hpp>

namespace pannier::local {
namespace {

constexpr std::uint64_t kLookedAtMax = 8'192;  // of the end of a log, for its last line
constexpr std::size_t kPieceBytes = 64u << 10;

std::uint64_t bytes_of(int file) {
  struct stat found {};
  return ::fstat(file, &found) == 0 && found.st_size > 0 ? static_cast<std::uint64_t>(found.st_size)
                                                         : 0;
}

bool copy_from(int from, std::uint64_t at, int to) {
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const ssize_t got = ::pread(from, piece.data(), piece.size(), static_cast<off_t>(at));
    if (got <= 0) return got == 0;
    if (::write(to, piece.data(), static_cast<std::size_t>(got)) != got) return false;
    at += static_cast<std::uint64_t>(got);
  }
}

// Control characters would do things to the terminal.
std::string for_people(std::string text) {
  for (char& each : text)
    if (static_cast<unsigned char>(each) < ' ' || each == 0x7f) each = ' ';
  if (text.size() <= kLastWordsBytesMax) return text;
  std::size_t end = kLastWordsBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

std::uint64_t log_bytes(const std::string& file) {
  struct stat found {};
  return ::stat(file.c_str(), &found) == 0 && found.st_size > 0
             ? static_cast<std::uint64_t>(found.st_size)
             : 0;
}

void keep_log_short(const std::string& file, std::uint64_t bytes_max) {
  const std::uint64_t bytes = log_bytes(file);
  if (bytes <= bytes_max) return;
  const Descriptor log(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!log) return;
  const std::string before = file + ".1";
  ::unlink(before.c_str());
  const Descriptor kept(
      ::open(before.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  // Where the disk has no room for a copy, it needs the room all the more.
  if (!kept || !copy_from(log.get(), bytes - bytes_max, kept.get())) ::unlink(before.c_str());
  while (::ftruncate(log.get(), 0) != 0 && errno == EINTR) {}
}

std::string last_words(const std::string& file, std::uint64_t from) {
  const Descriptor log(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!log) return {};
  const std::uint64_t bytes = bytes_of(log.get());
  if (bytes < from) from = 0;  // it has been cut meanwhile
  from = std::max(from, bytes - std::min(bytes, kLookedAtMax));
  std::string text(bytes - from, '\0');
  const ssize_t got = ::pread(log.get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  text.erase(text.find_last_not_of(" \r\n") + 1);
  const std::string line = text.substr(text.rfind('\n') + 1);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  const std::string message = text_in(json, "msg");
  if (message.empty()) return for_people(line);
  const std::string error = text_in(json, "error");
  return for_people(error.empty() ? message : message + ": " + error);
}

}  // namespace pannier::local
