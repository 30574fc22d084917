// parse_yaml: the text of a file that people write, as a tree in which every node knows its place.
//
// The tree is ours: nothing of yaml-cpp leaves yaml_reader.cc, neither a type nor an exception. The
// functions are pure; any thread. Input may be hostile: bytes, depth, nodes and documents have
// limits, and aliases are paid for as the copies they become. Errors are bad_config, one line each:
// "file:line:column: path: expected ..., found ...: what to do". Lines and columns count from 1;
// columns count bytes. What yaml_map.h reads from the tree is checked there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace pannier {

struct YamlLimits {
  std::size_t bytes_max =
      4u << 20;  // of input; the text that aliases multiply may reach it once more
  std::size_t nodes_max = 200'000;
  std::size_t depth_max = 32;
  std::size_t documents_max = 1'000;
};

struct YamlMark {
  int line = 1;  // 0: not from a text, and left out of errors
  int column = 1;
};

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Key {
    std::string text;
    YamlMark mark;
  };

  Kind kind = Kind::null;
  bool quoted = false;  // a scalar in quotes, a block or tagged !!str: text whatever it looks like
  YamlMark mark;
  std::string text;             // of a scalar
  std::vector<Key> keys;        // of a map, in the file's order, each once
  std::vector<YamlNode> items;  // of a list; of a map, beside its keys

  // The value under `key` of a map, null when it has none.
  const YamlNode* find(std::string_view key) const;
};

// What a plain scalar is to Kubernetes (YAML 1.1: yes, no, on and off are booleans too). Quoted:
// text.
enum class YamlScalar : std::uint8_t { null, boolean, integer, number, text };
YamlScalar scalar_type(const YamlNode& node);

// "a list", "the number 123", "the text "abc"": what was found, for an error message.
std::string found_text(const YamlNode& node);

// The documents of a file that are not empty, in order.
Result<std::vector<YamlNode>> parse_yaml(std::string_view text, std::string_view file,
                                         const YamlLimits& limits = {});

// The one document of a file; none or a second one is an error.
Result<YamlNode> parse_yaml_document(std::string_view text, std::string_view file,
                                     const YamlLimits& limits = {});

// What is wrong with a document, gathered so that one run shows all of it, up to 20 lines.
class YamlProblems {
 public:
  explicit YamlProblems(std::string file) : file_(std::move(file)) {}

  // `what` reads "expected ..., found ...: what to do".
  void add(YamlMark mark, std::string_view path, std::string_view what);

  // All of it as one bad_config, in the file's order; success when there was nothing.
  Result<void> result() const;

 private:
  struct Problem {
    YamlMark mark;
    std::string line;
  };
  std::string file_;
  std::vector<Problem> problems_;  // the first thousand that were found
  std::size_t count_ = 0;
};

}  // namespace pannier
