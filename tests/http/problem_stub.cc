// Stands in for problem() where the room has none; the room's own takes its place.
#include "sidecar/http/json_text.h"
#include "sidecar/http/request.h"

namespace pannier::http {

__attribute__((weak)) unsigned status_of(Errc code) {
  switch (code) {
    case Errc::bad_argument: return 400;
    case Errc::access_denied: return 403;
    case Errc::not_found: return 404;
    case Errc::precondition: return 409;
    case Errc::too_large: return 413;
    case Errc::queue_full:
    case Errc::spool_busy:
    case Errc::limit_reached: return 429;
    case Errc::not_supported: return 501;
    case Errc::closed: return 503;
    case Errc::timed_out: return 504;
    case Errc::spool_full:
    case Errc::no_space: return 507;
    default: return 500;
  }
}

__attribute__((weak)) Response problem(unsigned status, std::string_view code,
                                       std::string_view detail, std::string_view) {
  Response response;
  response.status = status;
  std::string body = "{\"code\":";
  append_string(body, code);
  body += ",\"detail\":";
  append_string(body, detail);
  response.body = slice_of(body + '}');
  return response;
}

__attribute__((weak)) Response problem(const Error& error, std::string_view instance) {
  return problem(status_of(error.code), name_of(error.code), error.detail, instance);
}

}  // namespace pannier::http
