// EventStream: messages as server-sent events (WHATWG HTML, 9.2).
//
// Owned as ApiStream is; loop thread. Settled by other requests, or by being written.
#pragma once

#include "sidecar/http/api_stream.h"

namespace pannier::http {

class EventStream final : public ApiStream {
 public:
  using ApiStream::ApiStream;

  static Response head();
  void on_bytes(ByteView) override {}

 protected:
  std::string framed(std::string_view receipt, std::string json) override;
  std::string first_words() override { return ": pannier\n\n"; }  // so that the head leaves
  std::string beat() override { return ": beat\n\n"; }
  void say_goodbye(const Error& why) override;
};

}  // namespace pannier::http
