#include "cli/publish_batch.h"

#include <nlohmann/json.hpp>

#include "common/base64.h"
#include "common/json_text.h"
#include "common/utf8.h"

namespace pannier::cli {
namespace {

void append_member(std::string& out, std::string_view key, std::string_view text) {
  if (out.back() != '{') out += ',';
  out += '"';
  append_json_escaped(out, key);
  out += "\":\"";
  append_json_escaped(out, text);
  out += '"';
}

}  // namespace

bool PublishBatch::add(std::string_view body, const MessageTraits& traits) {
  std::string line = "{";
  // Not "body": that would be kept as compact JSON, and not as it was given.
  if (is_utf8(body))
    append_member(line, "bodyText", body);
  else
    append_member(line, "bodyBase64", to_base64(body));
  append_member(line, "contentType",
                traits.content_type.empty() ? content_type_of(body) : traits.content_type);
  if (!traits.id.empty()) append_member(line, "id", traits.id);
  if (!traits.headers.empty()) {
    line += ",\"headers\":{";
    for (const auto& [name, value] : traits.headers) append_member(line, name, value);
    line += '}';
  }
  line += "}\n";
  if (!empty() && (size_ == kMessagesMax || text_.size() + line.size() > kBytesMax)) return false;
  text_ += line;
  ++size_;
  return true;
}

std::string content_type_of(std::string_view body) {
  if (nlohmann::json::accept(body)) return "application/json";
  return is_utf8(body) ? "text/plain" : "application/octet-stream";
}

}  // namespace pannier::cli
