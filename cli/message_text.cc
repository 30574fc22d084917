#include "cli/message_text.h"

#include <algorithm>

#include "cli/json_fields.h"
#include "cli/people.h"
#include "cli/show.h"
#include "cli/table.h"
#include "common/base64.h"
#include "common/utf8.h"

namespace pannier::cli {
namespace {

std::string shown(std::string_view body) { return body.empty() ? "(empty)" : harmless(body); }

// Text as it is, also where its sender named no type; everything else as base64.
std::string body_of(const Json& message) {
  if (const Json& body = field(message, {"body"}); message.contains("body"))
    return harmless(body.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (message.contains("bodyText")) return shown(text_field(message, {"bodyText"}));
  if (const auto size = number_field(message, {"bodySize"}))
    return "(" + size_text(*size) + " bytes, too large to be shown)";
  const std::string base64 = text_field(message, {"bodyBase64"});
  const auto bytes = from_base64(base64);
  const bool is_text = bytes && is_utf8(*bytes) && bytes->find('\0') == std::string::npos;
  return is_text ? shown(*bytes) : "(base64) " + harmless(base64);
}

}  // namespace

Result<std::vector<ShownMessage>> parse_messages(std::string_view text, const std::string& agent) {
  const Json json = parse_json(text);
  const Json& list = field(json, {"messages"});
  const auto is_object = [](const Json& each) { return each.is_object(); };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_object))
    return Error{Errc::unexpected, "agent '" + agent + "' answers no list of messages"};
  std::vector<ShownMessage> messages;
  for (const Json& each : list) {
    ShownMessage& message = messages.emplace_back();
    message.agent = agent;
    message.id = text_field(each, {"id"});
    message.content_type = text_field(each, {"contentType"});
    message.receipt = text_field(each, {"receipt"});
    message.delivery_count = number_field(each, {"deliveryCount"}).value_or(0);
    message.enqueued = time_field(each, {"enqueuedAt"});
    message.body = body_of(each);
    Json line{{"agent", agent}};
    line.update(each);
    line.erase("receipt");  // good for nobody else
    message.line = to_line(line);
  }
  return messages;
}

std::string messages_table(const std::vector<ShownMessage>& messages, bool with_agent,
                           std::size_t body_width, Timestamp now) {
  constexpr auto kRight = Column::Align::right;
  std::vector<Column> columns{{"ID"}, {"AGE", kRight}, {"DELIVERIES", kRight}, {"TYPE"}, {"BODY"}};
  if (with_agent) columns.insert(columns.begin(), {"AGENT"});
  Table table(columns);
  for (const ShownMessage& message : messages) {
    const std::string body = body_width == 0 ? message.body : cut(message.body, body_width);
    std::vector<std::string> row{message.id, age_of(message.enqueued, now),
                                 std::to_string(message.delivery_count), message.content_type,
                                 body};
    if (with_agent) row.insert(row.begin(), message.agent);
    table.add(row);
  }
  return table.text();
}

}  // namespace pannier::cli
