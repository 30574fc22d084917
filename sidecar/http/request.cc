#include "sidecar/http/request.h"

#include "common/json_text.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::size_t kInstanceShown = 256;

}  // namespace

std::optional<std::string_view> Request::field(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (same_name(key, name)) return value;
  return {};
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return {};
}

Response problem(const Error& error, std::string_view instance) {
  return problem(status_of(error.code), name_of(error.code), error.detail, instance);
}

// The query is not shown: it may hold what is nobody's business.
Response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::string_view instance) {
  std::string text;
  const auto add = [&text](std::string_view key, std::string_view value) {
    text.append(",\"").append(key).append("\":\"");
    append_json_escaped(text, value);
    text += '"';
  };
  text = "{\"status\":" + std::to_string(status);
  add("title", reason_of(status));
  add("code", code);
  add("detail", detail);
  if (!instance.empty())
    add("instance", instance.substr(0, std::min(instance.find('?'), kInstanceShown)));
  text += "}\n";
  Response response;
  response.status = status;
  response.fields.emplace_back("Content-Type", "application/problem+json");
  if (status == 429) response.fields.emplace_back("Retry-After", "1");
  if (status == 507) response.fields.emplace_back("Retry-After", "5");
  if (status == 401) response.fields.emplace_back("WWW-Authenticate", "Basic realm=\"pannier\"");
  response.body = Slice::copy_of(text);
  return response;
}

unsigned status_of(Errc code) {
  switch (code) {
    case Errc::bad_argument:
    case Errc::bad_syntax: return 400;
    case Errc::not_authenticated: return 401;
    case Errc::access_denied: return 403;
    case Errc::not_found: return 404;
    case Errc::precondition:
    case Errc::in_use: return 409;
    case Errc::too_large: return 413;
    case Errc::locked: return 423;
    case Errc::queue_full:
    case Errc::spool_busy:
    case Errc::limit_reached: return 429;
    case Errc::not_supported: return 501;
    case Errc::closed: return 503;
    case Errc::timed_out: return 504;
    case Errc::spool_full:
    case Errc::no_space: return 507;
    case Errc::bad_config:
    case Errc::io_error:
    case Errc::sync_failed:
    case Errc::spool_locked:
    case Errc::wrong_version:
    case Errc::corrupt:
    case Errc::bad_frame:
    case Errc::unexpected: return 500;
  }
  return 500;
}

}  // namespace pannier::http
