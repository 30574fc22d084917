// ClientHarness: a client session's user that remembers what it was told, and a pipe between a
// client session and a server session that carries bytes in chunks of random sizes.
//
// Pipe::run() carries everything, and lets the agent sync, until nothing moves any more.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "common/random.h"
#include "sidecar/amqp/client_session.h"
#include "tests/amqp/amqp_harness.h"

namespace pannier::amqp {

class TestUser final : public ClientHandler {
 public:
  struct Message {
    Incoming::Kind kind;
    DeliveryTag tag;
    bool redelivered;
    std::string routing_key;
    std::string body;
    std::uint32_t parts = 0;  // 0: it came whole
  };

  void on_open() override {
    EXPECT_FALSE(ending) << "a callback after the end";
    ++opened;
    if (when_open) when_open();
  }
  void on_end(const Ending& how) override {
    EXPECT_FALSE(ending) << "the end was told twice: " << how.error.detail;
    ending = how;
  }
  void on_blocked(std::string_view why) override { log.push_back("blocked " + std::string(why)); }
  void on_unblocked() override { log.emplace_back("unblocked"); }
  void on_room() override {
    ++rooms;
    if (when_room) when_room();
  }
  void on_answer(ChannelId, const Answer& answer) override {
    answers.push_back(answer.method);
    names.emplace_back(answer.name);
    last_messages = answer.messages;
  }
  void on_channel_closed(ChannelId channel, const Ending& how) override {
    closed_channels.emplace_back(channel, how);
  }
  void on_flow(ChannelId, bool active) override {
    log.emplace_back(active ? "flow on" : "flow off");
  }
  void on_consumer_cancelled(ChannelId, std::string_view tag) override {
    log.push_back("cancelled " + std::string(tag));
  }
  void on_message(ChannelId channel, const Incoming& head, Slice body) override {
    EXPECT_FALSE(ending) << "a callback after the end";
    EXPECT_EQ(head.body_size, body.size());
    add(head, std::string(body.text()));
    if (when_message) when_message(channel, messages.back());
  }
  void on_body_begin(ChannelId, const Incoming& head) override { add(head, ""); }
  void on_body_part(ChannelId, ByteView part) override {
    EXPECT_FALSE(ending) << "a callback after the end";
    messages.back().body += as_text(part);
    ++messages.back().parts;
    largest_part = std::max(largest_part, part.size());
  }
  void on_body_end(ChannelId channel) override {
    ++ended_bodies;
    if (when_message) when_message(channel, messages.back());
  }
  void on_confirmed(ChannelId, DeliveryTag first, DeliveryTag last, bool acked) override {
    for (DeliveryTag tag = first; tag <= last; ++tag)
      log.push_back((acked ? "ack " : "nack ") + std::to_string(tag));
  }

  int opened = 0;
  int rooms = 0;
  int ended_bodies = 0;
  std::size_t largest_part = 0;
  std::optional<Ending> ending;
  std::vector<MethodId> answers;
  std::vector<std::string> names;
  std::uint32_t last_messages = 0;
  std::vector<std::pair<ChannelId, Ending>> closed_channels;
  std::vector<Message> messages;
  std::vector<std::string> log;  // what has no list of its own, in order
  std::function<void()> when_open;
  std::function<void()> when_room;
  std::function<void(ChannelId, const Message&)> when_message;

 private:
  void add(const Incoming& head, std::string body) {
    messages.push_back(
        {head.kind, head.tag, head.redelivered, std::string(head.routing_key), std::move(body)});
    if (head.kind == Incoming::Kind::returned)
      log.push_back("returned " + std::to_string(head.reply_code));
  }
};

inline ClientOptions guest() {
  ClientOptions options;
  options.password = "guest";
  options.heartbeat_seconds = 0;
  return options;
}

class Pipe {
 public:
  Pipe(AmqpHarness& agent, net::Session& client, net::Session& server, std::uint64_t seed = 1)
      : agent_(agent), client_(client), server_(server), random_(seed) {}

  void run() {
    for (int rounds = 0; rounds < 1'000'000; ++rounds) {
      const bool moved = carry(client_, server_, to_server_);
      const bool moved_back = carry(server_, client_, to_client_);
      said += moved_back ? 1 : 0;
      agent_.turn();
      if (!moved && !moved_back && client_.output().empty() && server_.output().empty()) return;
    }
    ADD_FAILURE() << "the sessions never come to rest";
  }
  int said = 0;
  Bytes from_server;  // all of it

 private:
  bool carry(net::Session& from, net::Session& to, Bytes& held) {
    const Bytes fresh = bytes_of(from.output());
    from.output().clear();
    held.insert(held.end(), fresh.begin(), fresh.end());
    if (&from == &server_) from_server.insert(from_server.end(), fresh.begin(), fresh.end());
    std::size_t at = 0;
    while (at < held.size() && to.wants_bytes()) {
      const std::size_t most = random_.below(8) == 0 ? 3 : 65'536;
      const std::size_t size = std::min<std::size_t>(1 + random_.below(most), held.size() - at);
      static_cast<void>(to.on_bytes(ByteView(held).subspan(at, size)));
      at += size;
    }
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(at));
    from.on_sent(held.size());
    return at > 0;
  }

  AmqpHarness& agent_;
  net::Session& client_;
  net::Session& server_;
  Random random_;
  Bytes to_server_;
  Bytes to_client_;
};

}  // namespace pannier::amqp
