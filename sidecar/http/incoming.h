// Incoming: the request that a session is reading, once its head is whole.
//
// Owned by HttpSession and private to it; loop thread.
#pragma once

#include <memory>

#include "sidecar/http/body_intake.h"
#include "sidecar/http/http_session.h"
#include "sidecar/http/request_parser.h"

namespace pannier::http {

struct HttpSession::Incoming {
  explicit Incoming(std::size_t overhead_bytes) : parser(overhead_bytes) {}

  RequestParser parser;
  std::shared_ptr<HttpExchange> exchange;
  Plan plan;
  std::optional<BodyIntake> body;
  bool expects_continue = false;  // and has not been told
  bool is_rejected = false;       // answered already: the body is read and dropped
};

}  // namespace pannier::http
