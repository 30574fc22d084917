// PullHarness: an agent's queues with a puller, and other agents that it can pull from; and Taker,
// a consumer with a prefetch.
//
// Owned by the test, which turns it by hand: go() until nothing moves, pass() to let time pass. The
// books are checked at the end of every turn.
#pragma once

#include "common/random.h"
#include "sidecar/forward/puller.h"
#include "tests/forward/fake_origin.h"
#include "tests/queue/queue_harness.h"

namespace pannier::forward {

// A consumer with a prefetch, whose script acks.
class Taker final : public queue::Consumer {
 public:
  explicit Taker(std::uint32_t with_prefetch) : prefetch(with_prefetch) {}
  bool has_credit() const override { return got.size() < prefetch; }
  std::uint32_t credit() const override {
    return has_credit() ? prefetch - static_cast<std::uint32_t>(got.size()) : 0;
  }
  void deliver(queue::Queue&, queue::Delivery delivery) override {
    ++taken;
    bodies.emplace_back(delivery.message->body.text());
    if (on_delivery) on_delivery(delivery);
    if (!delivery.settled) got.push_back(std::move(delivery));
  }
  void queue_gone(queue::Queue&) override {}

  std::uint32_t prefetch;
  std::vector<queue::Delivery> got;
  std::vector<std::string> bodies;
  std::uint64_t taken = 0;
  std::function<void(const queue::Delivery&)> on_delivery;
};

class PullHarness : public queue::QueueHarness {
 public:
  explicit PullHarness(spool::Disk& disk, std::uint64_t seed = 1)
      : queue::QueueHarness(disk), dialer(seed) {
    PolicyQueue wanted;
    wanted.uid = "uid-orders";
    wanted.name = "orders";
    policy.queues = {wanted};
    EXPECT_TRUE(registry->apply(policy));
    orders = find("orders");
    MemberQueue served;
    served.uid = "uid-orders";
    served.served_by = {"me"};
    served.may_pull = {"me"};
    members.queues = {served};
    PullerOptions options;
    options.pod_uid = "me";
    options.random = [] { return 0.999; };
    puller = std::make_unique<Puller>(*registry, dialer, clock, options);
    puller->apply(members);
    puller->apply(policy);
  }
  ~PullHarness() {
    puller.reset();
    orders.reset();
  }

  FakeOrigin& add_origin(const std::string& name, int ready = 0) {
    origins.push_back(std::make_unique<FakeOrigin>(name));
    FakeOrigin& origin = *origins.back();
    origin.put_some(ready);
    dialer.add(origin);
    MemberAgent agent;
    agent.pod_uid = agent.pod_name = name;
    agent.address = "10.0.0.1";
    agent.service_account = "shop";
    members.agents.push_back(agent);
    members.queues[0].served_by.push_back(name);
    puller->apply(members);
    return origin;
  }
  void end_turn() {
    turn();
    puller->on_turn_end();
    turn();
    check();
  }
  void go() {
    for (int rounds = 0; rounds < 10'000; ++rounds) {
      end_turn();
      if (!dialer.run_once()) return;
    }
    ADD_FAILURE() << "it never comes to rest";
  }
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds kStep{100};
    for (; time.count() > 0; time -= kStep) {
      clock.advance(kStep);
      registry->on_time(clock.now());
      puller->on_time(clock.now());
      go();
    }
  }
  // Credit grows only within the demand, and what is kept stays within its memory.
  void check() {
    if (!puller) return;
    const auto books = puller->books(*orders);
    const std::uint64_t sum = books.outstanding + books.kept;
    if (sum > last_sum) {
      EXPECT_LE(sum, orders->demand()) << "credit is above the demand";
    }
    last_sum = sum;
    EXPECT_LE(books.kept_bytes, kKeptBytesMax + (257u << 10));
    EXPECT_EQ(orders->check(), "");
  }
  void ack(Taker& taker, std::size_t at = 0) {
    const auto delivery = taker.got[at];
    taker.got.erase(taker.got.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_TRUE(orders->ack(delivery.receipt));
    orders->pump();
  }
  void ack_all(Taker& taker) {
    while (!taker.got.empty()) ack(taker);
  }

  FakeDialer dialer;
  Policy policy;
  Members members;
  queue::QueuePtr orders;
  std::vector<std::unique_ptr<FakeOrigin>> origins;
  std::unique_ptr<Puller> puller;
  std::uint64_t last_sum = 0;
};

}  // namespace pannier::forward
