#include "sidecar/http/cloud_events.h"

#include <algorithm>
#include <map>
#include <optional>

#include "common/base64.h"
#include "common/clock.h"
#include "common/quantity.h"
#include "common/utf8.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::string_view kField = "ce-";
constexpr std::string_view kHeader = "cloudEvents:";
constexpr std::string_view kOtherHeader = "cloudEvents_";
constexpr std::size_t kNameMax = 128;

int hex_of(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// A quoted string is what it quotes; then, once, percent signs are taken for what they stand for.
std::string decoded(std::string_view value) {
  std::string plain;
  const bool is_quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  if (is_quoted) value = value.substr(1, value.size() - 2);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool is_escape = is_quoted && value[i] == '\\' && i + 1 < value.size();
    plain += value[is_escape ? ++i : i];
  }
  std::string text;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const int high = plain[i] == '%' && i + 2 < plain.size() ? hex_of(plain[i + 1]) : -1;
    const int low = high >= 0 ? hex_of(plain[i + 2]) : -1;
    if (low < 0) {
      text += plain[i];
      continue;
    }
    text += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return text;
}

std::string encoded_field(std::string_view text) {
  std::string value;
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte > 0x20 && byte < 0x7F && each != '"' && each != '%') {
      value += each;
    } else {
      value += '%';
      value += "0123456789ABCDEF"[byte >> 4];
      value += "0123456789ABCDEF"[byte & 15];
    }
  }
  return value;
}

bool is_attribute(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char each) {
    return (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') || each == '-' ||
           each == '_' || each == '.';
  });
}

std::optional<std::string> text_of(const queue::Value& value) {
  if (const std::string* text = value.as_text()) return *text;
  if (const bool* flag = value.as_bool()) return *flag ? "true" : "false";
  if (const auto number = value.as_integer()) return std::to_string(*number);
  if (const auto* bytes = std::get_if<queue::ByteArray>(&value.held))
    return to_base64(as_text(bytes->bytes));
  if (const auto* time = std::get_if<queue::Timestamp>(&value.held))
    return timestamp_text(Timestamp(std::chrono::seconds(time->seconds)));
  return {};
}

Result<void> check_attributes(const queue::Table& headers) {
  const auto find = [&headers](std::string_view name) {
    return headers.find(std::string(kHeader) + std::string(name));
  };
  const queue::Value* version = find("specversion");
  if (version == nullptr) return {};
  if (*version != queue::Value(std::string("1.0")))
    return Error{Errc::bad_argument, "ce-specversion: expected 1.0"};
  std::string missing;
  for (const std::string_view name : {"id", "source", "type"})
    if (find(name) == nullptr) missing += (missing.empty() ? "ce-" : ", ce-") + std::string(name);
  if (!missing.empty())
    return Error{Errc::bad_argument, "an event of CloudEvents needs " + missing};
  if (find("datacontenttype") != nullptr)
    return Error{Errc::bad_argument, "ce-datacontenttype: it is Content-Type here"};
  return {};
}

}  // namespace

Result<void> add_event_attributes(const Request& request, queue::Table& headers) {
  for (const auto& [field, value] : request.fields) {
    if (field.size() < kField.size() || !same_name(field.substr(0, kField.size()), kField))
      continue;
    std::string name = field.substr(kField.size());
    for (char& each : name)
      if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + 32);
    if (!is_attribute(name))
      return Error{Errc::bad_argument, quoted_for_people(field) +
                                           ": expected letters and digits, "
                                           "at most 128"};
    std::string text = decoded(value);
    if (!is_utf8(text)) return Error{Errc::bad_argument, "ce-" + name + ": no valid UTF-8"};
    if (!text.empty()) headers.set(std::string(kHeader) + name, std::move(text));
  }
  return check_attributes(headers);
}

Fields event_fields(const queue::Table& headers) {
  std::map<std::string, std::string> found;
  for (const std::string_view prefix : {kHeader, kOtherHeader, kField}) {
    for (const auto& [key, value] : headers.fields()) {
      if (!key.starts_with(prefix)) continue;
      const std::string name = key.substr(prefix.size());
      const auto text = text_of(value);
      if (!text || text->empty() || !is_utf8(*text) || !is_attribute(name) ||
          name == "datacontenttype")
        continue;
      found.emplace(std::string(kField) + name, encoded_field(*text));
    }
  }
  return {found.begin(), found.end()};
}

}  // namespace pannier::http
