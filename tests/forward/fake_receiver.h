// FakeReceiver: the agent that is pushed to, as a script with a book of its own; and the dialer
// that leads to such receivers.
//
// It behaves as the contract says until a test tells it otherwise, and fails the test when the
// pusher does not. Its book and its mark outlive connections. run_once() carries bytes in chunks of
// random sizes.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/random.h"
#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/connection_methods.h"
#include "sidecar/forward/link_dialer.h"
#include "sidecar/forward/link_methods.h"

namespace pannier::forward {

class FakeReceiver {
 public:
  struct Got {
    LinkPut put;
    std::string body;
  };
  struct Of {  // one queue
    LinkPush push;
    bool is_pushed = false;
    std::vector<std::uint64_t> unanswered;
    std::uint64_t bytes = 0;           // of them
    std::set<std::uint64_t> mark;      // taken and not forgotten
    std::vector<std::uint64_t> taken;  // in order, each once
    std::vector<std::uint64_t> forgotten;
    int pushes = 0;
    int stops = 0;
  };

  explicit FakeReceiver(std::string with_name) : name(std::move(with_name)) {}

  template <typename Method>
  void says(const Method& method, amqp::ChannelId channel = kPushChannel) {
    amqp::put_method(out, channel, method);
  }
  void answer(const std::string& queue, LinkTaken::How how, std::size_t most = 1'000'000);
  std::vector<std::string> bodies() const;

  const std::string name;
  bool is_up = true;  // takes connections
  bool knows_links = true;
  bool asks_ok = true;      // says push-ok
  bool answers = true;      // at once
  bool takes_none = false;  // LinkEnd instead of push-ok
  LinkTaken::How how = LinkTaken::How::taken;
  std::uint64_t window_messages = 100;
  std::uint64_t window_bytes = 1u << 20;
  std::uint32_t frame_max = 131'072;
  std::map<std::string, Of> queues;
  std::vector<Got> got;  // every put, resends too
  int dials = 0;
  int closes = 0;

  void start();
  void on_bytes(ByteView bytes);
  void end();
  net::Output out;

 private:
  void on_frame(const amqp::Frame& frame);
  void on_push(const LinkPush& push);
  void on_put();
  void on_forget(const LinkForget& forget);

  Bytes in_;
  bool has_header_ = false;
  bool in_content_ = false;
  std::uint64_t left_ = 0;
};

std::vector<std::uint64_t> sequences_of(std::string_view text);
std::string packed_sequences(const std::vector<std::uint64_t>& sequences);

class ReceiverDialer final : public LinkDialer {
 public:
  ~ReceiverDialer() override { EXPECT_EQ(alive_, 0) << "a connection is left over"; }
  void add(FakeReceiver& receiver) { receivers_[receiver.name] = &receiver; }
  std::unique_ptr<net::Dialled> dial(const LinkTarget& target, MakeSession make_session,
                                     OnClosed on_closed) override;
  bool run_once();
  void cut(const FakeReceiver& receiver);
  bool writes = true;          // false: what is sent stays in the pusher's kernel
  std::size_t unsent_max = 0;  // the most that a session had to be sent at once

 private:
  class Connection;
  std::map<std::string, FakeReceiver*> receivers_;
  std::vector<Connection*> connections_;
  Random random_{3};
  int alive_ = 0;
};

}  // namespace pannier::forward
