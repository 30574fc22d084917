// PushHarness: an agent's queues with a pusher, and other agents that it can push to.
//
// Owned by the test, which turns it by hand: go() until nothing moves, pass() to let time pass.
#pragma once

#include "sidecar/forward/pusher.h"
#include "tests/forward/fake_receiver.h"
#include "tests/queue/queue_harness.h"

namespace pannier::forward {

class PushHarness : public queue::QueueHarness {
 public:
  explicit PushHarness(spool::Disk& disk, ForwardMode mode = ForwardMode::peers)
      : queue::QueueHarness(disk) {
    on_synced = [this] {
      if (pusher && tells_synced) pusher->on_synced(spool->synced_commit());
    };
    add_queue("orders", mode);
    PusherOptions options;
    options.pod_uid = "me";
    options.random = [] { return 0.999; };
    options.pulls = [this](const std::string& pod, const std::string& queue) {
      return pulls.contains({pod, queue});
    };
    pusher = std::make_unique<Pusher>(*registry, dialer, clock, options);
    MemberAgent me;
    me.pod_uid = "me";
    me.address = "10.0.0.9";
    members.agents = {me};
    apply();
  }
  ~PushHarness() {
    pusher.reset();
    orders.reset();
  }

  PolicyQueue& add_queue(const std::string& name, ForwardMode mode) {
    PolicyQueue wanted;
    wanted.uid = "uid-" + name;
    wanted.name = name;
    wanted.forward_mode = mode;
    policy.queues.push_back(wanted);
    MemberQueue member;
    member.uid = wanted.uid;
    members.queues.push_back(member);
    return policy.queues.back();
  }
  void apply() {
    for (PolicyQueue& queue : policy.queues) ++queue.generation;
    EXPECT_TRUE(registry->apply(policy));
    if (!orders) orders = find("orders");
    pusher->apply(policy);
    pusher->apply(members);
  }
  FakeReceiver& add(const std::string& name, std::int64_t started = 1, bool host = false) {
    receivers.push_back(std::make_unique<FakeReceiver>(name));
    dialer.add(*receivers.back());
    MemberAgent agent;
    agent.pod_uid = agent.pod_name = name;
    agent.address = "10.0.0.1";
    agent.service_account = "shop";
    agent.host = host;
    agent.started_at = Timestamp{std::chrono::seconds(started)};
    members.agents.push_back(agent);
    for (MemberQueue& queue : members.queues) queue.may_receive.push_back(name);
    apply();
    return *receivers.back();
  }
  MemberAgent& agent(const std::string& name) {
    return *std::ranges::find(members.agents, name, &MemberAgent::pod_uid);
  }
  void remove(const std::string& name) {
    std::erase_if(members.agents, [&](const MemberAgent& each) { return each.pod_uid == name; });
    for (MemberQueue& queue : members.queues) std::erase(queue.may_receive, name);
    apply();
  }
  void put_some(int count, const std::string& to = "orders") {
    for (int i = 0; i < count; ++i) publish(to, to + "/" + std::to_string(++put_));
  }
  void end_turn() {
    turn();
    pusher->on_turn_end();
    turn();
  }
  void go() {
    for (int rounds = 0; rounds < 10'000; ++rounds) {
      end_turn();
      if (!dialer.run_once()) break;
    }
    EXPECT_EQ(orders->check(), "");
  }
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds kStep{100};
    for (; time.count() > 0; time -= kStep) {
      clock.advance(kStep);
      registry->on_time(clock.now());
      pusher->on_time(clock.now());
      go();
    }
  }
  // A message whose body lies in parts.
  void publish_parts(const std::vector<std::string>& parts) {
    const auto body = spool->begin_body();
    ASSERT_TRUE(body);
    queue::Message made = *queue::message("", "", "orders");
    made.body_id = *body;
    for (const std::string& part : parts) {
      ASSERT_TRUE(spool->append_part(*body, Slice::copy_of(part)));
      made.body_size += part.size();
      ++made.parts;
      turn();
    }
    ASSERT_TRUE(registry->publish("", "orders", std::make_shared<const queue::Message>(made)));
    turn();
  }

  ReceiverDialer dialer;
  Policy policy;
  Members members;
  std::set<std::pair<std::string, std::string>> pulls;
  bool tells_synced = true;
  queue::QueuePtr orders;
  std::vector<std::unique_ptr<FakeReceiver>> receivers;
  std::unique_ptr<Pusher> pusher;

 private:
  int put_ = 0;
};

}  // namespace pannier::forward
