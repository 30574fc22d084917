#include "sidecar/http/web_socket.h"

#include <gtest/gtest.h>

#include "common/bytes.h"
#include "tests/http/socket_frames.h"

namespace pannier::http {
namespace {

struct Read {
  std::vector<WebSocketReader::Event> events;
  std::optional<CloseCode> fault;
};

Read read(std::string_view bytes, std::size_t chunk = 1u << 20, std::size_t max = 1'000) {
  WebSocketReader reader(max);
  Read read;
  for (std::size_t at = 0; at < bytes.size(); at += chunk) {
    ByteView view = as_bytes(bytes.substr(at, chunk));
    while (auto event = reader.next(view)) {
      read.fault = event->fault;
      if (read.fault) return read;
      read.events.push_back(std::move(*event));
    }
  }
  return read;
}

Request upgrade(Fields changed = {}) {
  Request request;
  request.target = "/v1/queues/q/stream";
  request.fields = {{"Host", "localhost"},
                    {"Upgrade", "websocket"},
                    {"Connection", "keep-alive, Upgrade"},
                    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                    {"Sec-WebSocket-Version", "13"}};
  for (auto& [name, value] : changed) {
    std::erase_if(request.fields, [&name = name](auto& each) { return each.first == name; });
    request.fields.emplace_back(name, value);
  }
  return request;
}

std::string field(const Response& response, std::string_view name) {
  for (const auto& [each, value] : response.fields)
    if (each == name) return value;
  return "";
}

TEST(WebSocket, AnswersTheUpgradeAsTheStandardSays) {
  const Response answer = web_socket_answer(upgrade());
  EXPECT_EQ(answer.status, 101u);
  EXPECT_EQ(field(answer, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(field(answer, "Sec-WebSocket-Protocol"), "");
  EXPECT_EQ(field(web_socket_answer(upgrade({{"Sec-WebSocket-Protocol", "other, pannier.v1"}})),
                  "Sec-WebSocket-Protocol"),
            "pannier.v1");
}

TEST(WebSocket, RefusesUpgradesThatAreNone) {
  const auto status = [](std::string name, std::string value) {
    return web_socket_answer(upgrade({{std::move(name), std::move(value)}})).status;
  };
  EXPECT_EQ(status("Connection", "keep-alive"), 400u);
  EXPECT_EQ(status("Sec-WebSocket-Version", "8"), 426u);
  EXPECT_EQ(status("Sec-WebSocket-Key", "short"), 400u);
  EXPECT_EQ(status("Sec-WebSocket-Key", "c2hvcnQ="), 400u);
  EXPECT_EQ(status("Sec-WebSocket-Protocol", "chat"), 400u);
  EXPECT_EQ(status("Origin", "https://evil.example"), 403u);
  EXPECT_EQ(status("Origin", "null"), 403u);
  EXPECT_EQ(status("Origin", "http://localhost"), 101u);
  EXPECT_EQ(
      field(web_socket_answer(upgrade({{"Sec-WebSocket-Version", "8"}})), "Sec-WebSocket-Version"),
      "13");
}

TEST(WebSocket, ReadsMessagesInAnyFragmentsAndPieces) {
  const std::string bytes =
      client_frame(Opcode::text, "hello") + client_frame(Opcode::text, "a\xC3", false) +
      client_frame(Opcode::ping, "p") + client_frame(Opcode::continuation, "", false) +
      client_frame(Opcode::continuation, "\xA4z") +
      client_frame(Opcode::binary, std::string(300, 'x')) + client_frame(Opcode::close, "");
  for (const std::size_t chunk : {1u, 2u, 3u, 7u, 1'000u}) {
    const Read got = read(bytes, chunk);
    ASSERT_FALSE(got.fault);
    ASSERT_EQ(got.events.size(), 5u) << chunk;
    EXPECT_EQ(got.events[0].payload, "hello");
    EXPECT_EQ(got.events[1].opcode, Opcode::ping);
    EXPECT_EQ(got.events[2].payload, "a\xC3\xA4z");
    EXPECT_EQ(got.events[3].payload.size(), 300u);
    EXPECT_EQ(got.events[4].opcode, Opcode::close);
  }
}

TEST(WebSocket, NamesWhatIsWrongWithAFrame) {
  const auto fault = [](std::string bytes, std::size_t max = 1'000) {
    return read(bytes, 1u << 20, max).fault;
  };
  std::string unmasked;
  append_frame(unmasked, Opcode::text, "hello");
  EXPECT_EQ(fault(unmasked), CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(Opcode::continuation, "x")), CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(Opcode::text, "x", false) + client_frame(Opcode::text, "y")),
            CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(Opcode::ping, "x", false)), CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(Opcode::ping, std::string(126, 'x'))), CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(static_cast<Opcode>(3), "x")), CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(static_cast<Opcode>(11), "x")), CloseCode::protocol_error);
  EXPECT_EQ(fault("\xC1\x81"
                  "aaaax"),
            CloseCode::protocol_error)
      << "compressed";
  EXPECT_EQ(fault(std::string("\x81\xFE\x00\x05"
                              "aaaa",
                              8)),
            CloseCode::protocol_error)
      << "a length in two bytes that fits into one";
  EXPECT_EQ(fault(std::string("\x81\xFF\x80\0\0\0\0\0\0\0"
                              "aaaa",
                              14)),
            CloseCode::protocol_error);
  EXPECT_EQ(fault(client_frame(Opcode::text, "\xC3(")), CloseCode::not_utf8);
  EXPECT_EQ(fault(client_frame(Opcode::text, std::string(1'001, 'x'))), CloseCode::too_big);
  EXPECT_EQ(fault(client_frame(Opcode::text, std::string(600, 'x'), false) +
                  client_frame(Opcode::continuation, std::string(600, 'x'))),
            CloseCode::too_big);
  const std::string announced(
      "\x81\xFF\0\0\0\x7F\xFF\xFF\xFF\xFF"
      "aaaa",
      14);
  EXPECT_EQ(fault(announced), CloseCode::too_big) << "known by its head alone";
}

TEST(WebSocket, AnswersACloseWithItsCode) {
  EXPECT_EQ(answer_to_close(""), std::string("\x88\x00", 2));
  EXPECT_EQ(answer_to_close("\x03\xE8"
                            "bye"),
            "\x88\x02\x03\xE8");
  EXPECT_EQ(answer_to_close("\x03"),
            close_frame(CloseCode::protocol_error, "a close without a valid code"));
  EXPECT_EQ(answer_to_close("\x03\xED").substr(2, 2), "\x03\xEA") << "1005 is never sent";
  EXPECT_EQ(answer_to_close("\x03\xE8\xFF").substr(2, 2), "\x03\xEF");
  EXPECT_EQ(close_frame(CloseCode::normal, std::string(122, 'x') + "\xC3\xA4").size(), 2u + 124u)
      << "cut before a letter, not within it";
}

TEST(WebSocket, WritesLengthsInTheirThreeForms) {
  for (const std::size_t size : {0u, 125u, 126u, 65'535u, 65'536u}) {
    std::string frame;
    append_frame(frame, Opcode::text, std::string(size, 'x'));
    EXPECT_EQ(server_frames(frame).at(0).second.size(), size);
    EXPECT_EQ(frame.size(), size + (size < 126 ? 2 : size <= 65'535 ? 4 : 10));
  }
}

}  // namespace
}  // namespace pannier::http
