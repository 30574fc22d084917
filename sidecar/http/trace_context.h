// TraceContext: W3C's traceparent and tracestate, as HTTP's fields and as AMQP's headers of the
// same names, by which they cross the spool, links and retries.
//
// Pure functions; any thread. What is malformed is ignored, as the specification says; a tracestate
// counts only beside a valid traceparent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http/request.h"
#include "sidecar/queue/table.h"

namespace pannier::http {

struct TraceContext {
  std::string parent;
  std::string state;  // empty: none
};

bool is_traceparent(std::string_view text);
bool is_tracestate(std::string_view text);
std::optional<TraceContext> trace_context(std::string parent, std::string state);
std::optional<TraceContext> trace_context_of(const Request& request);
std::optional<TraceContext> trace_context_in(const queue::Table& headers);
void set_trace_context(queue::Table& headers, const TraceContext& context);

}  // namespace pannier::http
