// Reading what a status has kept: every field may be missing, or be something else.
//
// Pure functions; any thread; no errors: what cannot be read is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "common/quantity.h"

namespace pannier::local {

const nlohmann::json& field_in(const nlohmann::json& json, std::string_view name);  // or null
std::string text_in(const nlohmann::json& json, std::string_view name);
std::uint64_t number_in(const nlohmann::json& json, std::string_view name);
std::optional<Timestamp> time_in(const nlohmann::json& json, std::string_view name);
// Of a list of maps: the one whose field `name` says `value`, or null.
const nlohmann::json& item_named(const nlohmann::json& list, std::string_view name,
                                 std::string_view value);

}  // namespace pannier::local
