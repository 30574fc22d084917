// MessageText: a message as agents answer it (receive, peek), shown to people or as a line of JSON.
//
// Pure; any thread. Bodies and names are of others: nothing of them drives a terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity.h"
#include "common/result.h"

namespace pannier::cli {

struct ShownMessage {
  std::string agent;
  std::string id, content_type, receipt;
  std::uint64_t delivery_count = 0;
  std::optional<Timestamp> enqueued;
  std::string body;  // for people, harmless
  std::string line;  // of JSON, with the agent's name; ends in a line break
};

// What is no such answer is unexpected.
Result<std::vector<ShownMessage>> parse_messages(std::string_view json, const std::string& agent);

// Bodies are cut at `body_width` columns, 0: never.
std::string messages_table(const std::vector<ShownMessage>& messages, bool with_agent,
                           std::size_t body_width, Timestamp now);

}  // namespace pannier::cli
