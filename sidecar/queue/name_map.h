// NameMap, NameSet: hash tables by name that are searched without making a std::string.
//
// Value types without a thread of their own.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace pannier::queue {

struct AnyNameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const {
    return std::hash<std::string_view>()(name);
  }
};

template <typename T>
using NameMap = std::unordered_map<std::string, T, AnyNameHash, std::equal_to<>>;
using NameSet = std::unordered_set<std::string, AnyNameHash, std::equal_to<>>;

}  // namespace pannier::queue
