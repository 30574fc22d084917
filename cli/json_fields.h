// Reading JSON that others wrote: whatever is missing, or of another type, is nothing.
//
// Pure functions; any thread; no errors. For .cc files only: it brings nlohmann/json.hpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/quantity.h"

namespace pannier::cli {

using Json = nlohmann::ordered_json;

// Null for what is no JSON, or deeper than people write.
Json parse_json(std::string_view text);

// Null where there is nothing at the path.
const Json& field(const Json& json, std::initializer_list<const char*> path);
std::string text_field(const Json& json, std::initializer_list<const char*> path);
std::optional<std::uint64_t> number_field(const Json& json,
                                          std::initializer_list<const char*> path);
bool flag_field(const Json& json, std::initializer_list<const char*> path);
// With or without a fraction of a second, which is dropped.
std::optional<Timestamp> time_field(const Json& json, std::initializer_list<const char*> path);

// One line, ASCII alone: a terminal shows it as it stands.
std::string to_line(const Json& json);

}  // namespace pannier::cli
