// CloudEvents 1.0: HTTP's binary mode, whose ce-* fields are AMQP headers named cloudEvents:*, and
// its batches. The structured mode needs nothing: it is a body with its type.
//
// Pure functions; any thread. Errors are bad_argument, and name what is missing or wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sidecar/http/batch_reader.h"
#include "sidecar/http/request.h"

namespace pannier::http {

inline constexpr std::string_view kEventsBatchType = "application/cloudevents-batch+json";

// What ce-* fields say. Required attributes are asked for only of what says that it is an event: by
// its ce-specversion.
Result<void> add_event_attributes(const Request& request, queue::Table& headers);
// The fields of headers named cloudEvents:*, cloudEvents_* or ce-*; the first of them wins.
Fields event_fields(const queue::Table& headers);

// A JSON array of events: each is a message, with its own text, without spaces, as the body.
Result<std::vector<BatchItem>> read_events(std::string_view text, std::size_t messages_max);

}  // namespace pannier::http
