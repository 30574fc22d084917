#include "sidecar/http/response_head.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <string>

namespace pannier::http {
namespace {

constexpr std::array<std::string_view, 6> kOurs = {"Content-Length",    "Date",   "Connection",
                                                   "Transfer-Encoding", "Server", "Keep-Alive"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && c != '\t') || octet == 0x7f;
  });
}

}  // namespace

std::string_view reason_of(unsigned status) {
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {reason.data(), reason.size()};
}

bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           marks.find(c) != std::string_view::npos;
  });
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_sendable(const Response& response) {
  return response.status >= 200 && response.status <= 599 &&
         std::all_of(response.fields.begin(), response.fields.end(), [](const auto& field) {
           return is_token(field.first) && is_value(field.second);
         });
}

std::string response_head(const Response& response, const HeadOptions& options) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += reason_of(response.status);
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append("\r\n").append(name).append(": ").append(value);
  };
  add("Date", options.date);
  add("Server", "pannier");
  for (const auto& [name, value] : response.fields)
    if (std::none_of(kOurs.begin(), kOurs.end(),
                     [&name = name](std::string_view ours) { return same_name(ours, name); }))
      add(name, value);
  if (options.content_length) add("Content-Length", std::to_string(*options.content_length));
  if (options.is_in_chunks) add("Transfer-Encoding", "chunked");
  if (!options.upgrade.empty()) add("Upgrade", options.upgrade), add("Connection", "Upgrade");
  if (options.closes) add("Connection", "close");
  if (!options.closes && options.says_keep_alive) add("Connection", "keep-alive");
  return head + "\r\n\r\n";
}

}  // namespace pannier::http
