#include <gtest/gtest.h>

#include "tests/forward/pull_harness.h"

namespace pannier::forward {
namespace {

TEST(PullerOfHosts, PullsFromHostsOnly) {
  MemoryDisk disk;
  PullHarness agent(disk);
  FakeOrigin& peer = agent.add_origin("peer", 2);
  FakeOrigin& host = agent.add_origin("host", 2);
  agent.members.agents.back().host = true;
  agent.policy.queues[0].forward_mode = ForwardMode::hosts;
  ++agent.policy.queues[0].generation;
  EXPECT_TRUE(agent.registry->apply(agent.policy));
  agent.puller->apply(agent.policy);
  agent.puller->apply(agent.members);
  Taker taker(10);
  agent.orders->add_consumer(taker);
  agent.go();
  EXPECT_EQ(taker.got.size(), 2u);
  EXPECT_EQ(host.dials, 1);
  EXPECT_EQ(peer.dials, 0);

  agent.policy.queues[0].forward_mode = ForwardMode::peers;
  ++agent.policy.queues[0].generation;
  EXPECT_TRUE(agent.registry->apply(agent.policy));
  agent.puller->apply(agent.policy);
  agent.pass(std::chrono::milliseconds(500));
  EXPECT_EQ(taker.got.size(), 4u);
  agent.ack_all(taker);
  agent.go();
  agent.orders->remove_consumer(taker);
}

}  // namespace
}  // namespace pannier::forward
