// Web sockets (RFC 6455), the server's side: the upgrade, and frames as bytes, both ways.
//
// Pure but for WebSocketReader, which is owned by one stream; loop thread. No extensions. What the
// client may send is limited before it is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "sidecar/http/request.h"

namespace pannier::http {

inline constexpr std::string_view kWebSocketProtocol = "pannier.v1";

bool asks_for_web_socket(const Request& request);
// With status 101, or the problem: what is wrong with the request.
Response web_socket_answer(const Request& request);

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  not_utf8 = 1007,
  policy = 1008,
  too_big = 1009,
};

// Appends one frame: whole, and without a mask, as a server's are.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
std::string close_frame(CloseCode code, std::string_view reason);
// What a close of the client's is answered with: its own code, or what is wrong with it.
std::string answer_to_close(std::string_view payload);

class WebSocketReader {
 public:
  explicit WebSocketReader(std::size_t message_bytes_max) : bytes_max_(message_bytes_max) {}

  // A message that is whole, whatever the fragments it came in, or a control frame; or the fault
  // that the connection is to be closed with. Nothing: all bytes are used up.
  struct Event {
    Opcode opcode = Opcode::text;
    std::string payload;
    std::optional<CloseCode> fault;
  };
  // Takes off the front of `bytes` what it uses.
  std::optional<Event> next(ByteView& bytes);

 private:
  std::optional<Event> on_head();
  std::optional<Event> on_frame();
  std::size_t head_size() const;
  bool is_control() const { return (head_[0] & 8) != 0; }

  const std::size_t bytes_max_;
  std::string head_;         // of a frame, with its mask
  bool in_payload_ = false;  // the head is whole
  std::uint64_t left_ = 0;   // of the payload
  std::size_t mask_at_ = 0;
  std::string message_;  // its fragments so far
  std::string control_;
  std::optional<Opcode> opcode_;  // of the message whose fragments are coming
};

}  // namespace pannier::http
