// Frames of a WebSocket as its client writes and reads them, for tests.
//
// Pure; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sidecar/http/web_socket.h"

namespace pannier::http {

inline std::string client_frame(Opcode opcode, std::string_view payload, bool is_last = true) {
  std::string frame;
  append_frame(frame, opcode, payload);
  if (!is_last) frame[0] = static_cast<char>(frame[0] & 0x7F);
  frame[1] = static_cast<char>(frame[1] | 0x80);
  const std::size_t head = frame.size() - payload.size();
  const std::string mask = "\x11\x22\x33\x44";
  for (std::size_t i = 0; i < payload.size(); ++i)
    frame[head + i] = static_cast<char>(frame[head + i] ^ mask[i % 4]);
  return frame.insert(head, mask);
}

// Whole frames of a server's.
inline std::vector<std::pair<Opcode, std::string>> server_frames(std::string_view bytes) {
  std::vector<std::pair<Opcode, std::string>> frames;
  const auto octet = [&bytes](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  while (bytes.size() >= 2) {
    std::size_t size = octet(1);
    std::size_t head = 2;
    if (size >= 126) {
      head = size == 126 ? 4 : 10;
      size = 0;
      for (std::size_t i = 2; i < head; ++i) size = size << 8 | octet(i);
    }
    frames.emplace_back(static_cast<Opcode>(octet(0) & 0xF), bytes.substr(head, size));
    bytes.remove_prefix(std::min(head + size, bytes.size()));
  }
  return frames;
}

}  // namespace pannier::http
