// JSON as text: strings, and the check of a value that is passed on as it stands.
//
// Pure functions; any thread. What is checked is never kept as a tree.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/buffer.h"

namespace pannier::http {

inline constexpr std::size_t kJsonDepthMax = 64;

// With its quotes. What is no UTF-8 is replaced.
void append_string(std::string& out, std::string_view text);
// "key":
void append_key(std::string& out, std::string_view key);
// One JSON value, no deeper than kJsonDepthMax, that can stand within another document.
bool is_json(std::string_view text);
// "application/json; charset=utf-8" is application/json; so is what ends in +json.
std::string media_type(std::string_view content_type);
bool is_json_type(std::string_view content_type);

// Keeps the text: nothing is copied.
Slice slice_of(std::string text);

}  // namespace pannier::http
