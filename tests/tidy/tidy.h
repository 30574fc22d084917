// The layout check: reads a source tree as text and says where it leaves the rules of
// CONTRIBUTING.md.
//
// Rules: line-length, function-length, file-length, head-comment, pragma-once, room-order, listed,
// banned-word, sleep, exceptions. A problem that exceptions.txt expects is dropped; an exception
// that expects nothing is a problem itself, so that the list only gets shorter. No state; any
// thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pannier::tidy {

inline constexpr std::size_t kLineColumnsMax = 100;
inline constexpr std::size_t kFunctionLinesMax = 70;
inline constexpr std::size_t kFileLinesMax = 400;
inline constexpr std::size_t kTestFileLinesMax = 600;

struct Problem {
  std::string rule;
  std::string path;  // relative to the root
  std::size_t line;  // 1 for a whole file
  std::string text;
};

// Which paths belong to a room, and which rooms its files may include.
struct Room {
  std::vector<std::string> prefixes;
  std::vector<std::string> uses;
};
using Rooms = std::map<std::string, Room>;

// The pannier_allow lines of a CMakeLists.txt.
Rooms rooms_of(std::string_view cmake);

// The room with the longest prefix of `path`; empty when there is none.
std::string room_of(const Rooms& rooms, std::string_view path);

// The same text and lines with comments, literals and preprocessor lines blanked out.
std::string code_of(std::string_view text);

// The first and the last line of every function in what code_of gave.
std::vector<std::pair<std::size_t, std::size_t>> functions_of(std::string_view code);

// Every problem of the tree under `root`, minus those that `exceptions` expects. Each of its lines
// is
// "<rule> <path> <reason>"; empty lines and lines with # are skipped.
std::vector<Problem> problems_of(const std::filesystem::path& root, std::string_view exceptions);

}  // namespace pannier::tidy
