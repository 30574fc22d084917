#include "sidecar/amqp/reply.h"

#include <cstdlib>

namespace pannier::amqp {
namespace {

ReplyCode code_of(Errc code) {
  switch (code) {
    case Errc::not_found: return ReplyCode::not_found;
    case Errc::access_denied:
    case Errc::not_authenticated: return ReplyCode::access_refused;
    case Errc::locked: return ReplyCode::resource_locked;
    case Errc::precondition:
    case Errc::in_use:
    case Errc::too_large: return ReplyCode::precondition_failed;
    case Errc::no_space:
    case Errc::spool_full:
    case Errc::spool_busy:
    case Errc::queue_full: return ReplyCode::resource_error;
    case Errc::bad_frame: return ReplyCode::frame_error;
    case Errc::bad_syntax: return ReplyCode::syntax_error;
    case Errc::bad_argument: return ReplyCode::command_invalid;
    case Errc::unexpected: return ReplyCode::unexpected_frame;
    case Errc::not_supported: return ReplyCode::not_implemented;
    case Errc::limit_reached: return ReplyCode::not_allowed;
    case Errc::timed_out:
    case Errc::closed: return ReplyCode::connection_forced;
    case Errc::bad_config:
    case Errc::io_error:
    case Errc::sync_failed:
    case Errc::spool_locked:
    case Errc::wrong_version:
    case Errc::corrupt: return ReplyCode::internal_error;
  }
  std::abort();
}

}  // namespace

std::string_view name_of(ReplyCode code) {
  switch (code) {
    case ReplyCode::success: return "OK";
    case ReplyCode::content_too_large: return "CONTENT_TOO_LARGE";
    case ReplyCode::no_route: return "NO_ROUTE";
    case ReplyCode::connection_forced: return "CONNECTION_FORCED";
    case ReplyCode::invalid_path: return "INVALID_PATH";
    case ReplyCode::access_refused: return "ACCESS_REFUSED";
    case ReplyCode::not_found: return "NOT_FOUND";
    case ReplyCode::resource_locked: return "RESOURCE_LOCKED";
    case ReplyCode::precondition_failed: return "PRECONDITION_FAILED";
    case ReplyCode::frame_error: return "FRAME_ERROR";
    case ReplyCode::syntax_error: return "SYNTAX_ERROR";
    case ReplyCode::command_invalid: return "COMMAND_INVALID";
    case ReplyCode::channel_error: return "CHANNEL_ERROR";
    case ReplyCode::unexpected_frame: return "UNEXPECTED_FRAME";
    case ReplyCode::resource_error: return "RESOURCE_ERROR";
    case ReplyCode::not_allowed: return "NOT_ALLOWED";
    case ReplyCode::not_implemented: return "NOT_IMPLEMENTED";
    case ReplyCode::internal_error: return "INTERNAL_ERROR";
  }
  std::abort();
}

Reply make_reply(ReplyCode code, std::string_view detail, Scope scope) {
  constexpr std::size_t kTextMax = 255;
  Reply reply{code, std::string(name_of(code)) + " - " + std::string(detail), scope};
  if (reply.text.size() > kTextMax) reply.text.resize(kTextMax);
  return reply;
}

Reply reply_to(const Error& error) {
  const ReplyCode code = code_of(error.code);
  // A message that was not taken, on a channel without confirms, costs the channel.
  const bool is_soft = code < ReplyCode::frame_error && code != ReplyCode::connection_forced;
  return make_reply(
      code, error.detail,
      is_soft || code == ReplyCode::resource_error ? Scope::channel : Scope::connection);
}

Error error_of_reply(std::uint16_t code, std::string_view text) {
  const auto error_code = [code] {
    switch (static_cast<ReplyCode>(code)) {
      case ReplyCode::success:
      case ReplyCode::connection_forced: return Errc::closed;
      case ReplyCode::content_too_large: return Errc::too_large;
      case ReplyCode::no_route:
      case ReplyCode::not_found: return Errc::not_found;
      case ReplyCode::access_refused: return Errc::access_denied;
      case ReplyCode::resource_locked: return Errc::locked;
      case ReplyCode::precondition_failed: return Errc::precondition;
      case ReplyCode::frame_error: return Errc::bad_frame;
      case ReplyCode::syntax_error: return Errc::bad_syntax;
      case ReplyCode::invalid_path:
      case ReplyCode::command_invalid: return Errc::bad_argument;
      case ReplyCode::not_implemented: return Errc::not_supported;
      case ReplyCode::resource_error:
      case ReplyCode::not_allowed: return Errc::limit_reached;
      case ReplyCode::channel_error:
      case ReplyCode::unexpected_frame:
      case ReplyCode::internal_error: return Errc::unexpected;
    }
    return Errc::unexpected;  // a code of its own
  }();
  return {error_code, "the server says: " + std::to_string(code) + " " + std::string(text)};
}

}  // namespace pannier::amqp
