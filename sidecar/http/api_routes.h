// Routes: which call of the API a request is.
//
// Pure. A path that is nothing has the call `none`; one that is something, with another method,
// says which it has. Query parameters that a call does not know are an error.
#pragma once

#include "sidecar/http/request.h"

namespace pannier::http {

enum class Call : std::uint8_t {
  none,
  publish,   // POST /{queue}
  take,      // GET /{queue}
  messages,  // POST /v1/queues/{q}/messages
  purge,     // DELETE of the same
  receive,
  ack,
  nack,
  extend,
  queues,
  queue,
  peek,
  stream,
  openapi,  // GET /v1/openapi.json: the last, for tests
};

struct Route {
  Call call = Call::none;
  std::string queue;
  std::string allow;  // the path's methods, when the request's is none of them
};
Route route_of(const Request& request);
Result<void> check_parameters(const Route& route, const Request& request);

}  // namespace pannier::http
