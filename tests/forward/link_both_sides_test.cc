#include <cstdlib>

#include "tests/forward/link_world.h"

namespace pannier::forward {
namespace {

// Agents that all serve one queue and pull it from each other, and anything that may happen.
class World {
 public:
  explicit World(std::uint64_t seed, std::uint32_t frame_max = 100'000)
      : random_(seed), is_lenient_(seed % 2 == 0) {
    amqp::AmqpLimits limits = amqp::small_limits();
    limits.frame_max = frame_max;
    if (seed % 3 == 0) limits.unsent_bytes = 4'096;
    if (seed % 5 == 0) limits.unacked_per_channel = 7;
    for (const char* name : {"a", "b", "c"})
      nodes_.push_back(std::make_unique<Node>(name, random_, limits));
    MemberQueue served;
    served.uid = "uid-orders";
    for (const auto& node : nodes_) {
      MemberAgent agent;
      agent.pod_uid = agent.pod_name = node->pod;
      agent.address = "10.0.0.1";
      agent.service_account = "shop";
      members_.agents.push_back(agent);
      served.served_by.push_back(node->pod);
      served.may_pull.push_back(node->pod);
      for (const auto& other : nodes_) node->dialer.nodes[other->pod] = other.get();
    }
    members_.queues = {served};
    PolicyQueue wanted;
    wanted.uid = "uid-orders";
    wanted.name = "orders";
    wanted.storage.compression = static_cast<Compression>(seed / 2 % 3);
    policy_.queues = {wanted};
    for (const auto& node : nodes_) {
      node->puller->apply(members_);
      node->apply(policy_);
    }
  }
  ~World() {
    for (const auto& node : nodes_)
      for (const auto& taker : node->takers) node->orders->remove_consumer(*taker);
    for (const auto& node : nodes_) node->puller.reset();
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      act();
      for (auto rounds = random_.below(6); rounds > 0; --rounds) turn_all();
    }
    finish();
  }
  bool turn_all() {
    bool moved = false;
    for (const auto& node : nodes_) {
      moved = node->dialer.run_once() || moved;
      node->end_turn();
    }
    return moved;
  }
  void go() {
    for (int quiet = 0, rounds = 0; quiet < 2; ++rounds) {
      quiet = turn_all() ? 0 : quiet + 1;
      ASSERT_LT(rounds, 100'000) << "it never comes to rest";
    }
  }
  void pass(std::chrono::milliseconds time, bool goes = true) {
    for (; time.count() > 0; time -= std::chrono::milliseconds(100)) {
      for (const auto& node : nodes_) node->pass(std::chrono::milliseconds(100));
      if (goes) go();
    }
  }
  Node& node(std::size_t at) { return *nodes_[at]; }
  Node& any() { return *nodes_[random_.below(nodes_.size())]; }

  void publish(Node& at, std::size_t size = 10) {
    const std::string id = at.pod + "-" + std::to_string(++published_);
    queue::Properties properties;
    properties.message_id = id;
    acked_[id] = 0;
    const std::string body(size, 'x');
    if (size < 100'000) {
      EXPECT_TRUE(
          at.agent.registry->publish("", "orders", queue::message(body, "", "orders", properties)));
      return;
    }
    amqp::Script app(at.agent);  // in parts
    app.opens().publishes(1, "", "orders", body, false, properties);
    at.agent.turn();
    app.hangs_up();
  }
  Taker& add_taker(Node& at, std::uint32_t prefetch) {
    at.takers.push_back(std::make_unique<Taker>(prefetch));
    Taker& taker = *at.takers.back();
    taker.on_delivery = [this](const queue::Delivery& delivery) {
      const bool is_new = held_.insert(id_of(delivery)).second;
      EXPECT_TRUE(is_new || is_lenient_) << id_of(delivery) << " is handed out twice";
      const std::string_view body = delivery.message->body.text();
      EXPECT_EQ(body.find_first_not_of('x'), std::string_view::npos) << id_of(delivery);
    };
    at.orders->add_consumer(taker);
    return taker;
  }
  void remove_taker(Node& at, std::size_t which) {
    Taker& taker = *at.takers[which];
    at.orders->remove_consumer(taker);
    while (!taker.got.empty()) settle(at, taker, 0, 0);
    at.takers.erase(at.takers.begin() + static_cast<std::ptrdiff_t>(which));
  }
  // 0: back, 1: back and counted, else acked.
  void settle(Node& at, Taker& taker, std::size_t which, std::uint64_t how) {
    const queue::Delivery delivery = taker.got[which];
    taker.got.erase(taker.got.begin() + static_cast<std::ptrdiff_t>(which));
    held_.erase(id_of(delivery));
    if (how < 2) {
      EXPECT_TRUE(at.orders->give_back(delivery.receipt, {how == 1}));
      return;
    }
    ++acked_[id_of(delivery)];
    EXPECT_TRUE(at.orders->ack(delivery.receipt));
  }
  void ack_all() {
    for (const auto& node : nodes_) {
      for (const auto& taker : node->takers)
        while (!taker->got.empty()) settle(*node, *taker, 0, 2);
      node->orders->pump();
    }
  }
  // More is settled and held by the first agent than one method can name, and then a cut.
  void settle_unheard(Taker& taker) {
    for (int i = 0; i < 100; ++i) settle(node(0), taker, 0, 2);
    node(0).orders->pump();
    for (int i = 0; i < 400; ++i) {  // the other side never syncs
      node(0).end_turn();
      node(0).dialer.run_once();
    }
    EXPECT_EQ(taker.got.size(), 190u);
    node(0).dialer.cut_all();
    node(0).end_turn();
  }
  void expect_all_acked() {
    for (const auto& node : nodes_) {
      const auto status = node->orders->status();
      EXPECT_EQ(status.ready, 0u) << node->pod;
      EXPECT_EQ(status.unacked, 0u) << node->pod;
      EXPECT_EQ(node->puller->books(*node->orders).kept, 0u) << node->pod;
    }
    for (const auto& [id, count] : acked_) {
      EXPECT_GE(count, 1) << id << " is lost";
      EXPECT_TRUE(count == 1 || is_lenient_) << id << " is acked more than once";
    }
  }
  // Without consumers nothing is pulled, and without anything to pull there are no links.
  void expect_rest() {
    for (const auto& node : nodes_)
      while (!node->takers.empty()) remove_taker(*node, 0);
    pass(std::chrono::seconds(16));
    for (const auto& node : nodes_) EXPECT_EQ(node->puller->links(), 0u) << node->pod;
    pass(std::chrono::seconds(31));
    for (const auto& node : nodes_) {
      EXPECT_FALSE(node->leases.deadline()) << node->pod;
      EXPECT_EQ(node->puller->bodies(), 0u) << node->pod;
      EXPECT_TRUE(node->agent.context.sessions().empty()) << node->pod;
    }
  }
  void set_ack_timeout(std::chrono::seconds timeout) {
    policy_.queues[0].delivery.ack_timeout = timeout;
    ++policy_.queues[0].generation;
    for (const auto& node : nodes_) node->apply(policy_);
  }
  void set_members(Node& at, const Members& members) { at.puller->apply(members); }
  const Members& members() const { return members_; }

 private:
  static std::string id_of(const queue::Delivery& delivery) {
    return queue::Properties::decode(delivery.message->properties())->message_id.value_or("");
  }
  void act() {
    Node& at = any();
    switch (random_.below(18)) {
      case 0:
      case 1:
      case 2:
        for (auto count = random_.below(15); count > 0; --count) publish(at);
        break;
      case 3: publish(at, 1 + random_.below(300'000)); break;
      case 4:
        if (at.takers.size() < 3) add_taker(at, 1 + static_cast<std::uint32_t>(random_.below(20)));
        break;
      case 5:
        if (!at.takers.empty()) remove_taker(at, random_.below(at.takers.size()));
        break;
      case 6:
        if (random_.below(4) == 0) at.dialer.cut_all();
        break;
      case 7:
        if (is_lenient_ && random_.below(8) == 0)
          pass(std::chrono::seconds(random_.below(40)), random_.below(2) == 0);
        break;
      case 8: lenient_act(at); break;
      case 9:
        at.orders->get(false, [&at](std::optional<queue::Delivery> got) {
          EXPECT_TRUE(!got || at.orders->give_back(got->receipt, {false}));
        });
        break;
      case 10: pass(std::chrono::milliseconds(random_.below(8) * 100), false); break;
      default: settle_some(at); break;
    }
  }
  void lenient_act(Node& at) {
    if (!is_lenient_) return;
    const auto denied = std::pair(Verb::consume, std::string("orders"));
    if (random_.below(2) == 0) {
      if (at.agent.access.denied.erase(denied) == 0) at.agent.access.denied.insert(denied);
      at.leases.on_policy();
      return;
    }
    Members fewer = members_;
    if (random_.below(2) == 0) fewer.agents.erase(fewer.agents.begin());
    at.puller->apply(fewer);
  }
  void settle_some(Node& at) {
    for (const auto& taker : at.takers)
      for (auto count = random_.below(taker->got.size() + 1); count > 0; --count)
        settle(at, *taker, random_.below(taker->got.size()), random_.below(8));
    at.orders->pump();
  }
  void finish() {
    for (const auto& node : nodes_) {
      node->agent.access.denied.clear();
      node->puller->apply(members_);
    }
    if (node(0).takers.empty()) add_taker(node(0), 30);
    for (int round = 0; round < (is_lenient_ ? 200 : 100); ++round) {
      ack_all();
      pass(std::chrono::milliseconds(300));
    }
    ack_all();
    pass(std::chrono::milliseconds(300));
    expect_all_acked();
    expect_rest();
  }

  Random random_;
  const bool is_lenient_;  // leases may end, so that messages come twice
  Members members_;
  Policy policy_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::string, int> acked_;
  std::set<std::string> held_;
  int published_ = 0;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// PANNIER_SEED plays one seed, PANNIER_SEEDS so many.
TEST(LinkBothSides, LosesAndDoublesNothingWhateverHappens) {
  const std::uint64_t only = number_from("PANNIER_SEED", 0);
  const std::uint64_t last = only > 0 ? only : number_from("PANNIER_SEEDS", 60);
  for (std::uint64_t seed = only > 0 ? only : 1; seed <= last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, seed % 4 == 1 ? 8'192 : 100'000);
    world.run(150);
    if (testing::Test::HasFailure()) return;
  }
}

class LinkBothSidesTest : public testing::Test {
 protected:
  // What a's consumer takes has come from b.
  Taker& pulls(World& world, std::uint32_t prefetch, std::uint32_t messages) {
    for (std::uint32_t i = 0; i < messages; ++i) world.publish(world.node(1));
    Taker& taker = world.add_taker(world.node(0), prefetch);
    world.pass(std::chrono::milliseconds(500));
    EXPECT_EQ(taker.got.size(), std::min(prefetch, messages));
    return taker;
  }
};

TEST_F(LinkBothSidesTest, ALinkWhoseQueueIsNotPulledAnyMoreEndsOnceAllIsSettledAfterACutToo) {
  World world(1);
  pulls(world, 1, 1);
  world.pass(std::chrono::seconds(12));  // no demand: the pull ends, what is held stays
  EXPECT_EQ(world.node(0).puller->links(), 1u);
  world.node(0).dialer.cut_all();
  world.pass(std::chrono::seconds(40));  // no lease ends either
  EXPECT_EQ(world.node(1).orders->status().unacked, 1u);
  for (const auto& taker : world.node(0).takers) world.node(0).orders->remove_consumer(*taker);
  world.settle(world.node(0), *world.node(0).takers[0], 0, 2);
  world.pass(std::chrono::seconds(1));
  EXPECT_EQ(world.node(0).puller->links(), 0u);
  world.expect_all_acked();
}

TEST_F(LinkBothSidesTest, AnAckThatACutHasStoppedArrivesWhenTheQueueCannotBePulledAnyMore) {
  World world(1);
  Taker& taker = pulls(world, 1, 1);
  world.settle(world.node(0), taker, 0, 2);
  world.node(0).end_turn();  // the ack is in the output, and stays there
  world.node(0).dialer.cut_all();
  world.node(1).agent.access.denied.insert({Verb::consume, "orders"});
  world.node(1).leases.on_policy();
  world.pass(std::chrono::seconds(3));
  world.expect_all_acked();
}

TEST_F(LinkBothSidesTest, TheOriginAloneTimesWhatAnotherAgentsConsumerHolds) {
  World world(2);
  Taker& slow = pulls(world, 1, 1);
  world.set_ack_timeout(std::chrono::seconds(5));  // reaches what is held already
  world.pass(std::chrono::seconds(4));
  Taker& fresh = world.add_taker(world.node(1), 1);
  world.pass(std::chrono::milliseconds(1'500));
  ASSERT_EQ(fresh.got.size(), 1u);
  EXPECT_EQ(fresh.got[0].delivery_count, 1);
  world.settle(world.node(0), slow, 0, 1);  // it still stands there, and comes too late
  world.pass(std::chrono::seconds(1));
  EXPECT_EQ(world.node(1).orders->status().unacked, 1u);
  world.settle(world.node(1), fresh, 0, 2);
  world.pass(std::chrono::seconds(1));
  world.expect_all_acked();
  world.expect_rest();
}

TEST_F(LinkBothSidesTest, WithSmallFramesMoreIsHeldThanCanBeNamedAndTheLinkComesBack) {
  World world(2, 4'096);
  Taker& taker = pulls(world, 190, 800);
  // All of it is settled, and more comes, but what the origin says of it is cut off.
  world.settle_unheard(taker);
  world.pass(std::chrono::seconds(5));
  for (int round = 0; round < 100; ++round) {
    world.ack_all();
    world.pass(std::chrono::milliseconds(300));
  }
  world.expect_all_acked();
  world.expect_rest();
}

}  // namespace
}  // namespace pannier::forward
