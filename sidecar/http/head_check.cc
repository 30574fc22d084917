#include "sidecar/http/head_check.h"

#include <algorithm>
#include <array>

#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::array<std::string_view, 7> kSingle = {
    "Host",   "Content-Length", "Transfer-Encoding", "Authorization",
    "Origin", "Expect",         "Content-Type"};
constexpr std::size_t kLengthDigits = 18;

Refusal bad(std::string detail) { return {400, "bad_syntax", std::move(detail)}; }

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class HeadCheck {
 public:
  explicit HeadCheck(const HeadLimits& limits) : limits_(limits) {}

  std::optional<Refusal> on_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
      return bad("the request line is not a method, a target and a version");
    const std::string_view target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    method_ = line.substr(0, first);
    if (!is_token(method_)) return bad("the method is not a token");
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' ||
        !is_digits(version.substr(5, 1)) || !is_digits(version.substr(7)))
      return bad("the request line does not end with a version");
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
      return Refusal{505, "not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here"};
    is_http10_ = version == "HTTP/1.0";
    if (target.size() > limits_.target_bytes)
      return Refusal{
          414, "too_large",
          "the target is longer than " + std::to_string(limits_.target_bytes) + " bytes"};
    if (target.empty() || target.find(' ') != std::string_view::npos)
      return bad("the target is empty or holds a space");
    return {};
  }

  std::optional<Refusal> on_field(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t')
      return bad("a field is continued on a second line");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
      return bad("a field's name is not a token");
    if (++fields_ > limits_.fields_max)
      return Refusal{431, "too_large",
                     "more than " + std::to_string(limits_.fields_max) + " fields"};
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trimmed(line.substr(colon + 1));
    for (const char c : value)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f')
        return bad("a field holds a control character");
    for (std::size_t i = 0; i < kSingle.size(); ++i) {
      if (!same_name(name, kSingle[i])) continue;
      if (seen_[i]) return bad("more than one field " + std::string(kSingle[i]));
      seen_[i] = value.data() == nullptr ? std::string_view("") : value;
    }
    if (same_name(name, "Upgrade") && !same_name(value.substr(0, 2), "h2") &&
        !same_name(value, "websocket"))
      return Refusal{501, "not_supported", "no other protocol is spoken here"};
    return {};
  }

  std::optional<Refusal> on_end() const {
    const auto& [host, length, coding, authorization, origin, expect, type] = seen_;
    if (method_ == "CONNECT") return Refusal{501, "not_supported", "there are no tunnels here"};
    if (!host && !is_http10_) return bad("a field Host is missing");
    if (host && host->find_first_of(" \t,/@?#") != std::string_view::npos)
      return bad("the field Host is not a host");
    if (length && (!is_digits(*length) || length->size() > kLengthDigits))
      return bad("the field Content-Length is not a number");
    if (coding) {
      if (length) return bad("both Content-Length and Transfer-Encoding");
      if (is_http10_) return bad("HTTP/1.0 has no Transfer-Encoding");
      if (same_name(*coding, "chunked")) return {};
      if (coding->empty() || coding->find(',') != std::string_view::npos)
        return bad("the field Transfer-Encoding is not just 'chunked'");
      return Refusal{501, "not_supported", "the only transfer coding here is 'chunked'"};
    }
    return {};
  }

 private:
  const HeadLimits& limits_;
  std::string_view method_;
  bool is_http10_ = false;
  std::size_t fields_ = 0;
  std::array<std::optional<std::string_view>, kSingle.size()> seen_;
};

}  // namespace

std::optional<Refusal> check_head(std::string_view head, const HeadLimits& limits) {
  HeadCheck check(limits);
  bool is_first = true;
  for (;;) {
    const std::size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return bad("the head does not end");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (line.find('\r') != std::string_view::npos || line.find('\n') != std::string_view::npos ||
        line.find('\0') != std::string_view::npos)
      return bad("a line does not end with CRLF, or holds a zero byte");
    if (line.empty() && !is_first) return check.on_end();
    auto refused = is_first ? check.on_request_line(line) : check.on_field(line);
    if (refused) return refused;
    is_first = false;
  }
}

}  // namespace pannier::http
