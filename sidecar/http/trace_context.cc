#include "sidecar/http/trace_context.h"

#include <algorithm>
#include <set>

#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::string_view kParent = "traceparent";
constexpr std::string_view kState = "tracestate";
constexpr std::size_t kParentSize = 55;
constexpr std::size_t kStateMembers = 32;
constexpr std::size_t kMemberPart = 256;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char each) { return (each >= '0' && each <= '9') || (each >= 'a' && each <= 'f'); });
}

bool is_lower(char each) { return (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9'); }

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kMemberPart && is_lower(key.front()) &&
         std::ranges::all_of(key, [](char each) {
           return is_lower(each) || std::string_view("_-*/@").find(each) != std::string_view::npos;
         });
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= kMemberPart && value.back() != ' ' &&
         std::ranges::all_of(value, [](char each) {
           return each >= 0x20 && each <= 0x7E && each != ',' && each != '=';
         });
}

}  // namespace

// version 2 | - | trace id 32 | - | parent id 16 | - | flags 2; later versions may go on behind.
bool is_traceparent(std::string_view text) {
  if (text.size() < kParentSize) return false;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const bool is_shaped = text[2] == '-' && text[35] == '-' && text[52] == '-' && is_hex(version) &&
                         is_hex(trace) && is_hex(parent) && is_hex(text.substr(53, 2));
  const bool ends = text.size() == kParentSize || (version != "00" && text[kParentSize] == '-');
  return is_shaped && ends && version != "ff" && trace != std::string(32, '0') &&
         parent != std::string(16, '0');
}

bool is_tracestate(std::string_view text) {
  std::set<std::string_view> keys;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view member = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (member.empty()) continue;
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos || !is_key(member.substr(0, equals)) ||
        !is_value(member.substr(equals + 1)) || !keys.insert(member.substr(0, equals)).second)
      return false;
  }
  return !keys.empty() && keys.size() <= kStateMembers;
}

std::optional<TraceContext> trace_context(std::string parent, std::string state) {
  if (!is_traceparent(parent)) return {};
  if (!is_tracestate(state)) state.clear();
  return TraceContext{std::move(parent), std::move(state)};
}

// Of traceparent there is one; tracestate may come in several lines.
std::optional<TraceContext> trace_context_of(const Request& request) {
  std::string parent, state;
  for (const auto& [name, value] : request.fields) {
    if (same_name(name, kParent)) {
      if (!parent.empty()) return {};
      parent = value;
    } else if (same_name(name, kState)) {
      state += (state.empty() ? "" : ",") + value;
    }
  }
  return trace_context(std::move(parent), std::move(state));
}

std::optional<TraceContext> trace_context_in(const queue::Table& headers) {
  const auto text = [&headers](std::string_view name) {
    const queue::Value* value = headers.find(name);
    const std::string* found = value == nullptr ? nullptr : value->as_text();
    return found == nullptr ? std::string() : *found;
  };
  return trace_context(text(kParent), text(kState));
}

void set_trace_context(queue::Table& headers, const TraceContext& context) {
  headers.set(std::string(kParent), context.parent);
  headers.erase(kState);
  if (!context.state.empty()) headers.set(std::string(kState), context.state);
}

}  // namespace pannier::http
