#include "tests/tidy/tidy.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

namespace pannier::tidy {
namespace {

namespace fs = std::filesystem;

// Folders of ours; anything else at the root is not looked at.
constexpr std::string_view kFolders[] = {"bench",    "cli",      "cmake",   "common", "e2e",
                                         "examples", "operator", "sidecar", "tests"};
constexpr std::string_view kRoomFolders[] = {"cli/", "common/", "operator/", "sidecar/"};

struct File {
  std::string path;
  std::string text;
  std::vector<std::string> lines;

  bool ends(std::string_view suffix) const { return path.ends_with(suffix); }
  bool is_header() const { return ends(".h"); }
  bool is_cpp() const { return ends(".h") || ends(".cc"); }
  bool is_test() const { return path.starts_with("tests/"); }
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<File> files_under(const fs::path& root) {
  const std::set<std::string> suffixes = {".h", ".cc", ".cmake", ".py", ".sh"};
  std::vector<File> files;
  for (const std::string_view folder : kFolders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (!entry.is_regular_file()) continue;
      if (!suffixes.contains(path.extension()) && path.filename() != "CMakeLists.txt") continue;
      File file{path.lexically_relative(root), read(path), {}};
      file.lines = lines_of(file.text);
      files.push_back(std::move(file));
    }
  }
  std::ranges::sort(files, {}, &File::path);
  return files;
}

class Checker {
 public:
  Checker(const fs::path& root, Rooms rooms) : root_(root), rooms_(std::move(rooms)) {}

  std::vector<Problem> run() {
    for (const File& file : files_under(root_)) {
      check_words(file);
      if (file.is_cpp()) check_cpp(file);
    }
    return std::move(problems_);
  }

 private:
  void add(std::string rule, const File& file, std::size_t line, std::string text) {
    problems_.push_back({std::move(rule), file.path, line, std::move(text)});
  }

  void check_words(const File& file) {
    static const std::regex banned(R"(\b(TODO|FIXME|XXX|HACK)\b)");
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch found;
      if (std::regex_search(file.lines[i], found, banned))
        add("banned-word", file, i + 1,
            found.str() + ": finish it, or write it where work is planned");
    }
  }

  void check_cpp(const File& file) {
    check_sizes(file);
    check_functions(file);
    check_sleep(file);
    check_includes(file);
    if (file.is_header()) check_head(file);
    if (file.ends(".cc")) check_listed(file);
  }

  void check_sizes(const File& file) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto columns = std::ranges::count_if(
          file.lines[i], [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
      if (static_cast<std::size_t>(columns) > kLineColumnsMax)
        add("line-length", file, i + 1, std::to_string(columns) + " columns");
    }
    if (file.lines.size() > (file.is_test() ? kTestFileLinesMax : kFileLinesMax))
      add("file-length", file, 1, std::to_string(file.lines.size()) + " lines");
  }

  void check_head(const File& file) {
    const auto is_comment = [](const std::string& line) { return line.starts_with("//"); };
    const auto head = std::ranges::find_if_not(file.lines, is_comment) - file.lines.begin();
    if (head < 2) add("head-comment", file, 1, "say what it is, who owns it, on which thread");
    if (std::ranges::find(file.lines, "#pragma once") == file.lines.end())
      add("pragma-once", file, 1, "missing");
  }

  void check_listed(const File& file) {
    const fs::path path = file.path;
    std::string list = read(root_ / path.parent_path() / "CMakeLists.txt");
    std::ranges::replace_if(
        list, [](char c) { return c == '(' || c == ')' || c == '"'; }, ' ');
    const auto words = words_of(list);
    if (std::ranges::find(words, path.filename().string()) == words.end())
      add("listed", file, 1, "not named in its folder's CMakeLists.txt");
  }

  void check_sleep(const File& file) {
    static const std::regex anywhere(R"(this_thread::sleep)");
    static const std::regex in_tests(R"(\b(sleep_for|sleep_until|usleep|nanosleep)\s*\()");
    const auto lines = lines_of(code_of(file.text));
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (std::regex_search(lines[i], anywhere) ||
          (file.is_test() && std::regex_search(lines[i], in_tests)))
        add("sleep", file, i + 1, "wait for what happens, or turn a clock by hand");
  }

  void check_includes(const File& file) {
    const bool in_room = std::ranges::any_of(
        kRoomFolders, [&](std::string_view folder) { return file.path.starts_with(folder); });
    const std::string room = room_of(rooms_, file.path);
    if (in_room && room.empty())
      add("room-order", file, 1, "in no room of the root CMakeLists.txt");
    if (room.empty()) return;  // tests and benchmarks may include what they like

    static const std::regex include(R"rx(^\s*#\s*include\s+"([^"]+)")rx");
    const auto& uses = rooms_.at(room).uses;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch found;
      if (!std::regex_search(file.lines[i], found, include)) continue;
      const std::string other = room_of(rooms_, found.str(1));
      if (other != room && std::ranges::find(uses, other) == uses.end())
        add("room-order", file, i + 1, room + " may not include " + found.str(1));
    }
  }

  void check_functions(const File& file) {
    for (const auto& [begin, end] : functions_of(code_of(file.text)))
      if (const std::size_t size = end - begin + 1; size > kFunctionLinesMax)
        add("function-length", file, begin, std::to_string(size) + " lines");
  }

  fs::path root_;
  Rooms rooms_;
  std::vector<Problem> problems_;
};

// Drops what the exceptions expect, and adds what is wrong with the exceptions themselves.
std::vector<Problem> without_expected(std::vector<Problem> problems, std::string_view exceptions) {
  std::vector<Problem> wrong;
  const auto lines = lines_of(std::string(exceptions));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto words = words_of(lines[i]);
    if (words.empty() || words[0].starts_with('#')) continue;
    const auto complain = [&](std::string text) {
      wrong.push_back({"exceptions", "tests/tidy/exceptions.txt", i + 1, std::move(text)});
    };
    if (words.size() < 4) {
      complain("write: rule, path, and a reason of some words");
      continue;
    }
    const auto dropped = std::erase_if(problems, [&](const Problem& problem) {
      return problem.rule == words[0] && problem.path == words[1];
    });
    if (dropped == 0) complain("expects nothing any more: remove it");
  }
  problems.insert(problems.end(), wrong.begin(), wrong.end());
  return problems;
}

}  // namespace

Rooms rooms_of(std::string_view cmake) {
  static const std::regex line(R"(pannier_allow\((\w+)\s+IN\s+([^)]*)\))");
  const std::string text(cmake);
  Rooms rooms;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    Room& room = rooms[at->str(1)];
    auto* into = &room.prefixes;
    for (const std::string& word : words_of(at->str(2))) {
      if (word == "USES")
        into = &room.uses;
      else
        into->push_back(word);
    }
  }
  return rooms;
}

std::string room_of(const Rooms& rooms, std::string_view path) {
  std::string best;
  std::size_t longest = 0;
  for (const auto& [name, room] : rooms)
    for (const std::string& prefix : room.prefixes)
      if (path.starts_with(prefix) && prefix.size() > longest) best = name, longest = prefix.size();
  return best;
}

std::vector<Problem> problems_of(const fs::path& root, std::string_view exceptions) {
  Checker checker(root, rooms_of(read(root / "CMakeLists.txt")));
  return without_expected(checker.run(), exceptions);
}

}  // namespace pannier::tidy
