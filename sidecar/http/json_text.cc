#include "sidecar/http/json_text.h"

#include <nlohmann/json.hpp>

namespace pannier::http {
namespace {

using Json = nlohmann::json;

// Looks at the structure only.
class DepthCheck final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return --depth_, true; }
  bool start_array(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool end_array() override { return --depth_, true; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  std::size_t depth_ = 0;
};

}  // namespace

void append_string(std::string& out, std::string_view text) {
  out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_key(std::string& out, std::string_view key) {
  append_string(out, key);
  out += ':';
}

bool is_json(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return false;  // within a document it would be an error
  DepthCheck check;
  return Json::sax_parse(text.begin(), text.end(), &check);
}

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  for (char& each : type)
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + 32);
  return type;
}

bool is_json_type(std::string_view content_type) {
  const std::string type = media_type(content_type);
  return type == "application/json" || type.ends_with("+json");
}

Slice slice_of(std::string text) {
  if (text.empty()) return {};
  const auto kept = std::make_shared<const std::string>(std::move(text));
  const auto* bytes = reinterpret_cast<const std::byte*>(kept->data());
  return Slice(std::shared_ptr<const std::byte[]>(kept, bytes), 0, kept->size());
}

}  // namespace pannier::http
