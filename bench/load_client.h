// LoadClient: one AMQP connection of a load: it publishes with so many in flight, or consumes with
// acks, and notes what it sees in the Load that it belongs to.
//
// Owned by its connection through the session that it makes; loop thread.
#pragma once

#include <deque>
#include <string>

#include "bench/load_stats.h"
#include "sidecar/amqp/client_session.h"
#include "sidecar/net/loop.h"

namespace pannier::bench {

struct LoadOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 5672;
  std::string user = "guest";
  std::string password = "guest";
  std::size_t connections = 1;
  std::uint64_t in_flight = 1'000;  // of each connection
  std::size_t body_bytes = 1'024;
  std::uint64_t messages = 1'000'000;
  double seconds_max = 0;  // then no more are published; 0: no limit
  std::size_t queues = 1;
  std::string queue_prefix = "load";
  std::string queue_type;  // x-queue-type, if not empty
  bool publish = true;
  bool consume = false;
  std::uint16_t prefetch = 500;
};

// What all connections share.
struct Load {
  LoadOptions options;
  net::Loop* loop = nullptr;
  Slice body;
  Bytes properties;
  std::uint64_t published = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t refused = 0;
  std::uint64_t consumed = 0;
  std::uint64_t wants_ready = 0;  // connections that are not ready yet
  LoadStats confirm_latency;
  std::chrono::steady_clock::time_point began;
  std::string error;  // the first one; it ends the run

  // The first connection has made the queues: now the others may come.
  void declared();
  void ready();
  // The time may be up: then what was published so far is all.
  void look_at_time(std::chrono::steady_clock::time_point now);
  bool is_done() const;
  void stop_if_done();
  void fail(const std::string& why);
};

class LoadClient final : public amqp::ClientHandler {
 public:
  LoadClient(Load& load, std::size_t number, bool publishes);

  std::unique_ptr<net::Session> make_session();
  // All are ready: off it goes.
  void go();

  void on_open() override;
  void on_end(const amqp::Ending& ending) override;
  void on_answer(amqp::ChannelId channel, const amqp::Answer& answer) override;
  void on_channel_closed(amqp::ChannelId channel, const amqp::Ending& ending) override;
  void on_message(amqp::ChannelId channel, const amqp::Incoming& incoming, Slice body) override;
  void on_confirmed(amqp::ChannelId channel, amqp::DeliveryTag first, amqp::DeliveryTag last,
                    bool acked) override;
  void on_room() override;

 private:
  void publish_more();
  std::string queue_name(std::uint64_t number) const;

  Load& load_;
  const std::size_t number_;
  const bool publishes_;
  amqp::ClientSession* session_ = nullptr;
  amqp::ChannelId channel_ = 0;
  std::size_t answers_due_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t unacked_ = 0;
  amqp::DeliveryTag last_delivered_ = 0;
  std::deque<std::chrono::steady_clock::time_point> sent_at_;  // of what is in flight
  bool may_go_ = false;
};

}  // namespace pannier::bench
