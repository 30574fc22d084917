// ApiLimits: what the HTTP API keeps, waits for and gives out at most.
//
// A value, owned by ApiHandler and copied by what it makes; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pannier::http {

struct ApiLimits {
  std::uint64_t message_bytes_max = 16u << 20;
  std::uint64_t properties_bytes_max = 64u << 10;
  std::uint64_t batch_bytes_max = 4u << 20;  // the request
  std::size_t batch_messages_max = 4'096;
  std::uint64_t request_bytes_max = 256u << 10;  // of calls whose body is arguments
  std::size_t receive_messages_max = 1'000;
  std::uint64_t receive_bytes_max = 4u << 20;    // but for one message alone
  std::uint64_t received_bytes_max = 32u << 20;  // on their way to all takers
  std::size_t peek_messages_max = 100;
  std::size_t takes_waiting = 10'000;
  std::size_t streams = 1'000;
  std::size_t stream_credit_default = 16;  // messages that may be unsettled, of one
  std::size_t stream_credit_max = 1'000;
  std::uint64_t stream_unsent_bytes = 64u << 10;  // of one; then it gets nothing more
  std::uint64_t streams_bytes_max = 32u << 20;    // of all
  std::size_t stream_settles = 1'000;             // of one socket, that wait for the disk
  std::chrono::milliseconds socket_close_wait = std::chrono::seconds(2);  // for the client's
  std::chrono::milliseconds stream_beat = std::chrono::seconds(15);
  std::size_t answers_waiting = 65'536;  // for a sync, or for room
  std::chrono::milliseconds wait_max = std::chrono::minutes(5);
  std::chrono::milliseconds lease_max = std::chrono::hours(12);
  std::chrono::milliseconds linger{100};  // of a receive that has something, for more
  std::chrono::milliseconds room_wait = std::chrono::seconds(5);
  std::chrono::milliseconds settle_wait = std::chrono::seconds(30);
};

}  // namespace pannier::http
