#include "sidecar/http/web_socket.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "common/base64.h"
#include "common/utf8.h"
#include "sidecar/http/login.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::string_view kKeyEnd = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kControlBytesMax = 125;

// Whether a list field has that element, in any of its lines.
bool lists(const Request& request, std::string_view name, std::string_view element) {
  for (const auto& [key, value] : request.fields) {
    if (!same_name(key, name)) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (same_name(trimmed(rest.substr(0, end)), element)) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

std::string accept_of(std::string_view key) {
  const std::string text = std::string(key) + std::string(kKeyEnd);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
    return {};
  return to_base64({reinterpret_cast<const char*>(digest.data()), size});
}

// RFC 6455, 7.4: what may stand in a close frame.
bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

WebSocketReader::Event fault(CloseCode code, std::string why) {
  return {Opcode::close, std::move(why), code};
}

unsigned octet(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

}  // namespace

bool asks_for_web_socket(const Request& request) {
  const auto upgrade = request.field("Upgrade");
  return upgrade && same_name(*upgrade, "websocket");
}

// A page of another host may ask for a socket, and its browser would log it in: it never gets one.
Response web_socket_answer(const Request& request) {
  const auto bad = [&](std::string_view what) {
    return problem(400, "bad_argument", what, request.target);
  };
  if (!lists(request, "Connection", "Upgrade"))
    return bad("Connection: expected Upgrade, with Upgrade: websocket");
  if (request.field("Sec-WebSocket-Version") != "13") {
    Response response =
        problem(426, "not_supported", "Sec-WebSocket-Version: expected 13", request.target);
    response.fields.emplace_back("Sec-WebSocket-Version", "13");
    return response;
  }
  const auto key = request.field("Sec-WebSocket-Key");
  const auto bytes = key ? from_base64(*key) : std::nullopt;
  if (!bytes || bytes->size() != kKeyBytes)
    return bad("Sec-WebSocket-Key: expected 16 bytes as base64");
  const auto origin = request.field("Origin");
  if (origin && !is_same_host(*origin, request.field("Host").value_or("")))
    return problem(403, "access_denied", "pages of other hosts have no access", request.target);
  Response response;
  response.status = 101;
  if (request.field("Sec-WebSocket-Protocol")) {
    if (!lists(request, "Sec-WebSocket-Protocol", kWebSocketProtocol))
      return bad("Sec-WebSocket-Protocol: expected " + std::string(kWebSocketProtocol));
    response.fields.emplace_back("Sec-WebSocket-Protocol", kWebSocketProtocol);
  }
  response.fields.emplace_back("Sec-WebSocket-Accept", accept_of(*key));
  return response;
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  const auto append = [&out](std::uint64_t size, int bytes) {
    while (bytes-- > 0) out += static_cast<char>(size >> (8 * bytes) & 0xFF);
  };
  if (payload.size() < 126) {
    append(payload.size(), 1);
  } else if (payload.size() <= 0xFFFF) {
    out += '\x7E';
    append(payload.size(), 2);
  } else {
    out += '\x7F';
    append(payload.size(), 8);
  }
  out += payload;
}

std::string close_frame(CloseCode code, std::string_view reason) {
  std::string payload;
  payload += static_cast<char>(static_cast<unsigned>(code) >> 8);
  payload += static_cast<char>(static_cast<unsigned>(code) & 0xFF);
  payload += reason.substr(0, utf8_fault_at(reason.substr(0, kControlBytesMax - 2)));
  std::string frame;
  append_frame(frame, Opcode::close, payload);
  return frame;
}

std::string answer_to_close(std::string_view payload) {
  std::string frame;
  if (payload.empty()) return append_frame(frame, Opcode::close, {}), frame;
  if (payload.size() == 1 || !is_close_code(octet(payload, 0) << 8 | octet(payload, 1)))
    return close_frame(CloseCode::protocol_error, "a close without a valid code");
  if (!is_utf8(payload.substr(2))) return close_frame(CloseCode::not_utf8, "no valid UTF-8");
  append_frame(frame, Opcode::close, payload.substr(0, 2));
  return frame;
}

// opcode and flags | mask flag and length | length 0, 2 or 8 | mask 4
std::size_t WebSocketReader::head_size() const {
  if (head_.size() < 2) return 2;
  const unsigned length = octet(head_, 1) & 0x7F;
  return 2 + (length == 127 ? 8 : length == 126 ? 2 : 0) + 4;
}

std::optional<WebSocketReader::Event> WebSocketReader::next(ByteView& bytes) {
  while (!bytes.empty() || (in_payload_ && left_ == 0)) {
    if (!in_payload_) {
      head_ += static_cast<char>(bytes.front());
      bytes = bytes.subspan(1);
      if (head_.size() == 2 && (octet(head_, 1) & 0x80) == 0)
        return fault(CloseCode::protocol_error, "a frame without a mask");
      if (head_.size() < head_size()) continue;
      if (auto wrong = on_head()) return wrong;
      continue;
    }
    std::string& into = is_control() ? control_ : message_;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    const std::string_view mask = std::string_view(head_).substr(head_.size() - 4);
    for (const std::byte each : bytes.first(size))
      into += static_cast<char>(std::to_integer<unsigned>(each) ^ octet(mask, mask_at_++ % 4));
    bytes = bytes.subspan(size);
    left_ -= size;
    if (left_ > 0) return {};
    in_payload_ = false;
    if (auto event = on_frame()) return event;
  }
  return {};
}

std::optional<WebSocketReader::Event> WebSocketReader::on_head() {
  const unsigned first = octet(head_, 0);
  const auto opcode = static_cast<Opcode>(first & 0xF);
  const bool is_last = (first & 0x80) != 0;
  left_ = 0;
  const unsigned length = octet(head_, 1) & 0x7F;
  const std::size_t length_end = head_.size() - 4;
  for (std::size_t i = 2; i < length_end; ++i) left_ = left_ << 8 | octet(head_, i);
  if (length < 126) left_ = length;
  if ((first & 0x70) != 0) return fault(CloseCode::protocol_error, "a reserved bit is set");
  if ((length == 126 && left_ < 126) || (length == 127 && (left_ <= 0xFFFF || left_ >> 63 != 0)))
    return fault(CloseCode::protocol_error, "a length that is not the shortest");
  switch (opcode) {
    case Opcode::continuation:
      if (!opcode_) return fault(CloseCode::protocol_error, "a fragment of nothing");
      break;
    case Opcode::text:
    case Opcode::binary:
      if (opcode_) return fault(CloseCode::protocol_error, "a message within a message");
      opcode_ = opcode;
      break;
    case Opcode::close:
    case Opcode::ping:
    case Opcode::pong:
      if (!is_last || left_ > kControlBytesMax)
        return fault(CloseCode::protocol_error, "a control frame in parts, or too long");
      break;
    default: return fault(CloseCode::protocol_error, "an unknown opcode");
  }
  if (!is_control() && left_ > bytes_max_ - message_.size())
    return fault(CloseCode::too_big,
                 "a message has at most " + std::to_string(bytes_max_) + " bytes");
  in_payload_ = true;
  mask_at_ = 0;
  return {};
}

std::optional<WebSocketReader::Event> WebSocketReader::on_frame() {
  const unsigned first = octet(std::exchange(head_, {}), 0);
  const auto opcode = static_cast<Opcode>(first & 0xF);
  if ((first & 8) != 0) return Event{opcode, std::exchange(control_, {}), {}};
  if ((first & 0x80) == 0) return {};
  Event event{*std::exchange(opcode_, {}), std::exchange(message_, {}), {}};
  if (event.opcode == Opcode::text && !is_utf8(event.payload))
    return fault(CloseCode::not_utf8, "no valid UTF-8");
  return event;
}

}  // namespace pannier::http
