// Reply: what an Error is in AMQP's terms: a reply code, a text, and whether the channel or the
// whole connection is closed (AMQP 0-9-1, 1.2; texts and choices as RabbitMQ's, but for
// resource_error, which costs the channel only).
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace pannier::amqp {

enum class ReplyCode : std::uint16_t {
  success = 200,
  content_too_large = 311,
  no_route = 312,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

std::string_view name_of(ReplyCode code);  // "PRECONDITION_FAILED"

struct Reply {
  ReplyCode code = ReplyCode::internal_error;
  std::string text;  // "NOT_FOUND - no queue 'orders' in vhost '/'", cut to 255 bytes
  Scope scope = Scope::channel;
};

Reply reply_to(const Error& error);
// The other way round: what a peer's close says, with its text as the detail.
Error error_of_reply(std::uint16_t code, std::string_view text);
Reply make_reply(ReplyCode code, std::string_view detail, Scope scope);

}  // namespace pannier::amqp
