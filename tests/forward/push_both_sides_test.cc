#include <cstdlib>

#include "tests/forward/link_world.h"

namespace pannier::forward {
namespace {

using std::chrono::milliseconds;

// Agents that hand one queue over to each other, and anything that may happen. Seeds are gentle
// (nothing goes wrong), rough (cuts, full receivers, members that change) or hard (power cuts too).
class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        is_gentle_(seed % 4 == 1),
        is_memory_(seed % 6 == 2),
        is_hard_(seed % 4 >= 2 && !is_memory_),
        is_hosts_(seed % 5 == 0) {
    limits_.frame_max = seed % 3 == 0 ? 8'192 : 100'000;
    if (seed % 4 == 3) limits_.unsent_bytes = 4'096;
    members_.queues.resize(1);
    members_.queues[0].uid = "uid-orders";
    for (const char* pod : {"a", "b", "c"}) {
      MemberAgent agent;
      agent.pod_uid = agent.pod_name = pod;
      agent.address = "10.0.0.1";
      agent.service_account = "shop";
      agent.host = is_hosts_ && *pod != 'a';
      agent.started_at = Timestamp{std::chrono::seconds(*pod)};
      members_.agents.push_back(agent);
      if (*pod != 'a') members_.queues[0].may_receive.emplace_back(pod);
      nodes_.push_back(std::make_unique<Node>(pod, random_, limits_));
    }
    PolicyQueue wanted;
    wanted.uid = "uid-orders";
    wanted.name = "orders";
    wanted.durability = is_memory_ ? Durability::memory : Durability::disk;
    wanted.storage.compression = static_cast<Compression>(seed / 2 % 3);
    if (is_hosts_) wanted.forward_mode = ForwardMode::hosts;
    policy_.queues = {wanted};
    for (std::size_t at = 0; at < nodes_.size(); ++at) start(at);
  }
  ~World() {
    for (const auto& node : nodes_) {
      for (const auto& taker : node->takers) node->orders->remove_consumer(*taker);
      node->puller.reset();
      node->pusher.reset();
    }
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      if (step == steps / 2) drain();
      act();
      for (auto rounds = random_.below(6); rounds > 0; --rounds) turn_all(true);
    }
    finish();
  }

 private:
  struct Fate {
    bool is_confirmed = false;
    int unflagged = 0;
    int deliveries = 0;
  };

  Node& node(std::size_t at) { return *nodes_[at]; }
  void start(std::size_t at) {
    for (const auto& each : nodes_)
      for (const auto& other : nodes_) each->dialer.nodes[other->pod] = other.get();
    node(at).add_pusher();
    limit(node(at), 1'000'000);
    node(at).pusher->apply(members_);
  }
  void drain() {
    is_draining_ = true;
    node(0).push_door.close();
    node(0).pusher->drain();
  }
  // What is not synced is lost.
  void power_cut(std::size_t at) {
    Node& old = node(at);
    unconfirmed_.erase(old.pod);
    for (const auto& each : nodes_) each->dialer.cut(old);
    old.dialer.cut_all();
    auto disk = old.disk->restart(random_.next());
    old.disk->crash_now();
    for (const auto& taker : old.takers) old.orders->remove_consumer(*taker);
    nodes_[at]->puller.reset();
    nodes_[at]->pusher.reset();
    const auto now = old.agent.clock.now();
    const std::string pod = old.pod;
    nodes_[at].reset();
    nodes_[at] = std::make_unique<Node>(pod, random_, limits_, std::move(disk));
    node(at).agent.clock.advance(
        std::chrono::duration_cast<milliseconds>(now - node(at).agent.clock.now()));
    start(at);
    if (at == 0 && is_draining_) drain();
  }
  // Lazily: the disk is slow.
  static void turn_unsynced(Node& node) {
    node.agent.registry->end_turn();
    while (node.agent.loop.run_one()) node.agent.registry->end_turn();
    node.pusher->on_turn_end();
  }
  bool turn_all(bool may_be_lazy) {
    bool moved = false;
    for (const auto& node : nodes_) {
      moved = node->dialer.run_once() || moved;
      if (may_be_lazy && !is_gentle_ && random_.below(2) == 0)
        turn_unsynced(*node);
      else
        node->end_turn();
    }
    confirm();
    return moved;
  }
  void go() {
    for (int quiet = 0, rounds = 0; quiet < 2; ++rounds) {
      quiet = turn_all(false) ? 0 : quiet + 1;
      ASSERT_LT(rounds, 100'000) << "it never comes to rest";
    }
  }
  void pass(milliseconds time) {
    for (; time.count() > 0; time -= milliseconds(100)) {
      for (const auto& node : nodes_) node->pass(milliseconds(100));
      go();
    }
  }
  void confirm() {
    for (const auto& node : nodes_) {
      auto& waiting = unconfirmed_[node->pod];
      while (!waiting.empty() && waiting.front().first <= node->agent.spool->synced_commit()) {
        fates_[waiting.front().second].is_confirmed = true;
        waiting.pop_front();
      }
    }
  }

  void publish(Node& at) {
    const std::string id = std::to_string(++published_);
    queue::Properties properties;
    properties.message_id = id;
    const std::string body(random_.below(8) == 0 ? random_.below(90'000) : 10, 'x');
    const auto done =
        at.agent.registry->publish("", "orders", queue::message(body, "", "orders", properties));
    if (done && !done->refused) unconfirmed_[at.pod].emplace_back(done->commit, id);
  }
  // In parts: confirmed by nobody here, but it must not come twice.
  void publish_large(Node& at) {
    queue::Properties properties;
    properties.message_id = std::to_string(++published_);
    amqp::Script app(at.agent);
    app.opens().publishes(1, "", "orders", std::string(100'000 + random_.below(300'000), 'x'),
                          false, properties);
    app.hangs_up();
  }
  Taker& add_taker(Node& at, std::uint32_t prefetch) {
    at.takers.push_back(std::make_unique<Taker>(prefetch));
    Taker& taker = *at.takers.back();
    taker.on_delivery = [this, &at](const queue::Delivery& delivery) {
      const std::string id =
          queue::Properties::decode(delivery.message->properties())->message_id.value_or("");
      Fate& fate = fates_[id];
      ++fate.deliveries;
      if (!delivery.redelivered) ++fate.unflagged;
      EXPECT_LE(fate.unflagged, 1) << id << " comes twice, unflagged, now at " << at.pod;
      got_[at.pod].push_back(std::stoi(id));
      const std::string_view body = delivery.message->body.text();
      EXPECT_EQ(body.find_first_not_of('x'), std::string_view::npos) << id;
    };
    at.orders->add_consumer(taker);
    return taker;
  }
  static void remove_takers(Node& at) {
    for (const auto& taker : at.takers) {
      at.orders->remove_consumer(*taker);
      for (const auto& delivery : std::exchange(taker->got, {}))
        EXPECT_TRUE(at.orders->give_back(delivery.receipt, {false}));
    }
    at.takers.clear();
  }
  static void ack_some(Node& at, std::uint64_t count) {
    for (const auto& taker : at.takers)
      for (; count > 0 && !taker->got.empty(); --count) {
        EXPECT_TRUE(at.orders->ack(taker->got.front().receipt));
        taker->got.erase(taker->got.begin());
      }
    at.orders->pump();
  }

  void act() {
    Node& at = node(random_.below(nodes_.size()));
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        for (auto count = random_.below(30); count > 0; --count) publish(node(0));
        break;
      case 4: publish_large(node(0)); break;
      case 5:
        if (!is_gentle_) publish(at);
        break;
      case 6:
        if (!is_gentle_ && at.takers.empty())
          add_taker(at, 1 + static_cast<std::uint32_t>(random_.below(9)));
        break;
      case 7:
        if (!at.takers.empty() && random_.below(3) == 0) remove_takers(at);
        break;
      case 8:
      case 9: ack_some(at, random_.below(9)); break;
      case 10: pass(milliseconds(random_.below(8) * 100)); break;
      case 11:
        if (!is_gentle_ && random_.below(4) == 0) pass(milliseconds(random_.below(8) * 1'000));
        break;
      default:
        if (!is_gentle_) go_wrong(at);
    }
  }
  // Often with something on its way.
  void go_wrong(Node& at) {
    if (random_.below(2) == 0) {
      pass(milliseconds(300));
      for (int i = 0; i < 20; ++i) publish(node(0));
      const auto is_in_flight = [&] { return node(0).pusher->unanswered(*node(0).orders) > 0; };
      for (int rounds = 30; rounds > 0 && !(is_in_flight() && random_.below(3) == 0); --rounds)
        turn_all(true);
    }
    switch (random_.below(8)) {
      case 0:
      case 1: return node(0).dialer.cut_all();
      case 2: return limit(at, 1 + random_.below(50));
      case 3: return limit(at, 1'000'000);
      case 4: return change_members();
      case 5:
        if (is_draining_ && random_.below(3) == 0) node(0).pusher->give_up_in_doubt();
        return;
      case 6: return deny(at);
      default:
        if (is_hard_) power_cut(random_.below(nodes_.size()));
    }
  }
  void limit(Node& at, std::uint64_t messages) {
    Policy changed = policy_;
    changed.queues[0].storage.messages_max = messages;
    changed.queues[0].generation = ++generation_;
    at.apply(changed);
  }
  void deny(Node& at) {
    const auto denied = std::pair(Verb::publish, std::string("orders"));
    if (at.agent.access.denied.erase(denied) == 0) at.agent.access.denied.insert(denied);
    at.push_door.on_policy();
  }
  void change_members() {
    Members fewer = members_;
    const std::size_t which = 1 + random_.below(2);
    switch (random_.below(4)) {
      case 0: fewer.agents.erase(fewer.agents.begin() + static_cast<std::ptrdiff_t>(which)); break;
      case 1: fewer.agents[which].draining = true; break;
      case 2: std::erase(fewer.queues[0].may_receive, fewer.agents[which].pod_uid); break;
      default: break;
    }
    node(0).pusher->apply(fewer);
  }

  void finish() {
    for (const auto& node : nodes_) {
      remove_takers(*node);
      node->agent.access.denied.clear();
      limit(*node, 1'000'000);
      node->pusher->apply(members_);
    }
    for (int round = 0; round < 90 && !node(0).pusher->is_done(); ++round)
      pass(milliseconds(1'000));
    pass(milliseconds(1'500));
    EXPECT_TRUE(node(0).pusher->is_done());
    EXPECT_EQ(node(0).orders->status().ready, 0u);
    EXPECT_EQ(node(0).orders->status().unacked, 0u);
    // Its links may have gone with something unsaid: the next message over a new one names a floor.
    pass(milliseconds(32'000));
    for (const auto& receiver : {1u, 2u}) {
      Members only = members_;
      only.queues[0].may_receive = {node(receiver).pod};
      node(0).pusher->apply(only);
      publish(node(0));
      pass(milliseconds(32'000));
    }
    pass(milliseconds(2'500));
    EXPECT_TRUE(node(0).pusher->is_done());
    for (const auto& each : nodes_)
      EXPECT_EQ(each->agent.registry->push_marks().marks(), 0u) << each->pod;
    got_.clear();
    for (const auto& each : nodes_) {
      Taker& taker = add_taker(*each, 1'000'000);
      pass(milliseconds(300));
      ack_some(*each, 1'000'000);
      EXPECT_EQ(each->orders->status().ready, 0u);
      taker.on_delivery = {};
    }
    for (const auto& [id, fate] : fates_) {
      EXPECT_TRUE(fate.deliveries > 0 || !fate.is_confirmed) << id << " is lost";
      EXPECT_TRUE(!is_gentle_ || fate.deliveries == 1) << id << " comes twice";
    }
    for (const auto& [pod, got] : got_)
      EXPECT_TRUE(!is_gentle_ || std::ranges::is_sorted(got)) << pod << " got them out of order";
  }

  Random random_;
  const bool is_gentle_;
  const bool is_memory_;
  const bool is_hard_;
  const bool is_hosts_;
  amqp::AmqpLimits limits_ = amqp::small_limits();
  Members members_;
  Policy policy_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::string, std::deque<std::pair<queue::Commit, std::string>>> unconfirmed_;
  std::map<std::string, Fate> fates_;
  std::map<std::string, std::vector<int>> got_;
  std::uint64_t generation_ = 1;
  int published_ = 0;
  bool is_draining_ = false;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// PANNIER_SEED plays one seed, PANNIER_SEEDS so many.
TEST(PushBothSides, LosesAndDoublesNothingWhateverHappens) {
  const std::uint64_t only = number_from("PANNIER_SEED", 0);
  const std::uint64_t last = only > 0 ? only : number_from("PANNIER_SEEDS", 40);
  for (std::uint64_t seed = only > 0 ? only : 1; seed <= last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.run(100);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace pannier::forward
