#include "sidecar/http/event_stream.h"

#include <algorithm>

#include "sidecar/http/socket_stream.h"

namespace pannier::http {

Response EventStream::head() {
  Response head;
  head.fields = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
  return head;
}

// A line break ends a line of `data`. Within JSON it can only be a space: a body is passed on as
// its publisher wrote it.
std::string EventStream::framed(std::string_view receipt, std::string json) {
  std::ranges::replace_if(
      json, [](char each) { return each == '\n' || each == '\r'; }, ' ');
  std::string event = "event: message\nid: ";
  event += receipt;
  event += "\ndata: ";
  event += json;
  return event + "\n\n";
}

void EventStream::say_goodbye(const Error& why) {
  put("event: gone\ndata: {" + reason_text(why) + "}\n\n");
  exchange()->finish();
}

}  // namespace pannier::http
