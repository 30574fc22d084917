// FakeOrigin: another agent's side of a link, as a script of bytes with a book of its own; and the
// dialer that leads to such origins.
//
// It behaves as the contract says until a test tells it otherwise, and fails the test when the
// puller does not. run() carries bytes in chunks of random sizes until nothing moves.
#pragma once

#include <gtest/gtest.h>

#include <functional>
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
#include "sidecar/queue/consumer.h"
#include "sidecar/queue/properties.h"
#include "sidecar/queue/remote.h"

namespace pannier::forward {

class FakeOrigin {
 public:
  enum class Is : std::uint8_t { ready, leased, done };
  struct Message {
    std::string body;
    Is is = Is::ready;
    std::uint64_t delivery = 0;
    std::uint16_t count = 0;
    int acked = 0;
    int discarded = 0;
  };

  explicit FakeOrigin(std::string with_name, std::string with_queue = "orders")
      : name(std::move(with_name)), queue(std::move(with_queue)) {}

  // What a test does.
  std::uint64_t put(const std::string& body);
  std::uint64_t put_some(int count);
  void expire(std::uint64_t sequence);  // its lease has run out
  template <typename Method>
  void says(const Method& method) {
    amqp::put_method(out, kPullChannel, method);
  }
  void says_deliver(std::uint64_t sequence, std::uint64_t delivery, std::string_view body,
                    std::string_view to = "orders");
  void confirm_settles();
  std::size_t count(Is is) const;
  std::uint64_t unused() const { return limit > delivered ? limit - delivered : 0; }

  const std::string name;
  const std::string queue;
  bool is_up = true;     // takes connections
  bool delivers = true;  // uses its credit
  bool answers = true;   // LinkCredit with asks
  bool confirms = true;  // settles are durable at once
  bool knows_links = true;
  std::uint32_t version = kLinkVersion;
  std::map<std::uint64_t, Message> messages;
  std::set<std::pair<std::uint64_t, std::uint64_t>> expired;  // receipts
  bool is_pulled = false;
  std::uint64_t limit = 0;
  std::uint64_t delivered = 0;
  std::vector<LinkPull> pulls;
  std::vector<LinkCredit> credits;
  std::vector<LinkSettle> settles;
  std::vector<LinkFail> fails;  // which count among the settles, too
  int stops = 0;
  int dials = 0;
  int closes = 0;  // connection.close of the puller

  // What the dialer does.
  void start();
  void on_bytes(ByteView bytes);
  void work();
  void end();
  net::Output out;

 private:
  void on_frame(const amqp::Frame& frame);
  void on_pull(const LinkPull& pull);
  void on_credit(const LinkCredit& credit);
  void on_settle(const LinkSettle& settle);
  void say_ready();

  Bytes in_;
  bool has_header_ = false;
  std::uint64_t last_delivery_ = 1'000;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t settles_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t said_ready_ = 0;
};

class FakeDialer final : public LinkDialer {
 public:
  explicit FakeDialer(std::uint64_t seed = 1) : random_(seed) {}
  ~FakeDialer() override { EXPECT_EQ(alive_, 0) << "a connection is left over"; }

  void add(FakeOrigin& origin) { origins_[origin.name] = &origin; }
  std::unique_ptr<net::Dialled> dial(const LinkTarget& target, MakeSession make_session,
                                     OnClosed on_closed) override;
  // True: something moved.
  bool run_once();
  void cut(const FakeOrigin& origin);
  std::vector<LinkTarget> targets;

 private:
  class Connection;
  std::map<std::string, FakeOrigin*> origins_;
  std::vector<Connection*> connections_;
  Random random_;
  int alive_ = 0;
};

}  // namespace pannier::forward
