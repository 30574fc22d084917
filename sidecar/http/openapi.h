// The OpenAPI document of the HTTP API: openapi.json, compiled in.
//
// Pure; any thread.
#pragma once

#include <string_view>

#include "sidecar/http/request.h"

namespace pannier::http {

std::string_view openapi_text();
Response openapi_answer();

}  // namespace pannier::http
