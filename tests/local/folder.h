// Folder: a folder of a test's own, which goes with it; and waiting for what has a descriptor.
//
// Owned by the test; its thread. The deadline is a safety net: nothing is told from time.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace pannier::local {

inline constexpr int kSafetyNetMs = 60'000;

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/pannier-local-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() {
    std::error_code failed;
    std::filesystem::remove_all(path_, failed);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

inline bool is_readable(int descriptor, int within_ms = kSafetyNetMs) {
  pollfd waited{descriptor, POLLIN, 0};
  return ::poll(&waited, 1, within_ms) > 0;
}

}  // namespace pannier::local
