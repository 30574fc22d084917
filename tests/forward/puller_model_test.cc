#include <gtest/gtest.h>

#include "tests/forward/pull_harness.h"

namespace pannier::forward {
namespace {

using Is = FakeOrigin::Is;

// Anything may happen; after each step the books must add up, and in the end every message was
// acked or discarded once by whoever held it then, and none is forgotten.
class Model {
 public:
  explicit Model(std::uint64_t seed)
      : random_(seed), is_lenient_(seed % 2 == 0), agent_(disk_, seed) {
    for (const char* name : {"a", "b", "c"}) agent_.add_origin(name);
  }
  ~Model() {
    for (const auto& taker : takers_) agent_.orders->remove_consumer(*taker);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      act();
      agent_.end_turn();
      for (auto rounds = random_.below(4); rounds > 0; --rounds) {
        agent_.dialer.run_once();
        agent_.end_turn();
      }
      check();
    }
    finish();
  }

 private:
  FakeOrigin& any_origin() { return *agent_.origins[random_.below(agent_.origins.size())]; }

  void act() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2: any_origin().put_some(static_cast<int>(random_.below(20))); break;
      case 3: add_taker(); break;
      case 4: remove_taker(); break;
      case 5:
      case 6:
      case 7:
      case 8: settle_some(); break;
      case 9: agent_.dialer.cut(any_origin()); break;
      case 10: any_origin().confirms = random_.below(2) == 0; break;
      case 11: any_origin().is_up = random_.below(3) > 0; break;
      case 12:
        if (is_lenient_) any_origin().delivers = random_.below(3) > 0;
        break;
      case 13: agent_.publish("orders", "here"); break;
      case 14: expire_some(); break;
      default: pass(std::chrono::milliseconds(random_.below(8) * 100)); break;
    }
  }
  void pass(std::chrono::milliseconds time) {
    agent_.clock.advance(time);
    agent_.registry->on_time(agent_.clock.now());
    agent_.puller->on_time(agent_.clock.now());
  }
  void add_taker() {
    if (takers_.size() > 4) return;
    takers_.push_back(std::make_unique<Taker>(1 + random_.below(30)));
    takers_.back()->on_delivery = [this](const queue::Delivery& delivery) {
      on_delivery(delivery);
    };
    agent_.orders->add_consumer(*takers_.back());
  }
  void remove_taker() {
    if (takers_.empty()) return;
    const auto at = takers_.begin() + static_cast<std::ptrdiff_t>(random_.below(takers_.size()));
    agent_.orders->remove_consumer(**at);
    for (const auto& delivery : (*at)->got) {
      held_.erase(std::string(delivery.message->body.text()));
      EXPECT_TRUE(agent_.orders->give_back(delivery.receipt, {random_.below(2) == 0}));
    }
    takers_.erase(at);
  }
  // Nobody has it, unless its lease has run out meanwhile.
  void on_delivery(const queue::Delivery& delivery) {
    const std::string body(delivery.message->body.text());
    if (body == "here") return;
    EXPECT_TRUE(held_.insert(body).second) << body << " is handed out twice";
  }
  void settle_some() {
    for (const auto& taker : takers_) {
      if (random_.below(3) == 0) continue;
      for (auto count = random_.below(taker->got.size() + 1); count > 0; --count) {
        const auto at =
            taker->got.begin() + static_cast<std::ptrdiff_t>(random_.below(taker->got.size()));
        const queue::Delivery delivery = *at;
        taker->got.erase(at);
        held_.erase(std::string(delivery.message->body.text()));
        const auto how = random_.below(6);
        if (how == 0)
          EXPECT_TRUE(agent_.orders->give_back(delivery.receipt, {true}));
        else if (how == 1)
          EXPECT_TRUE(agent_.orders->discard(delivery.receipt));
        else
          EXPECT_TRUE(agent_.orders->ack(delivery.receipt));
      }
    }
    agent_.orders->pump();
  }
  // Only while its link is down does a lease end.
  void expire_some() {
    FakeOrigin& origin = any_origin();
    agent_.dialer.cut(origin);
    for (auto& [sequence, message] : origin.messages) {
      if (message.is != Is::leased || random_.below(3) > 0) continue;
      held_.erase(message.body);
      origin.expire(sequence);
    }
  }
  void check() {
    for (const auto& origin : agent_.origins) {
      EXPECT_LE(origin->unused(), 5u * 30u);
      for (const auto& [sequence, message] : origin->messages)
        EXPECT_LE(message.acked + message.discarded, 1) << message.body;
    }
  }
  void finish() {
    for (const auto& origin : agent_.origins)
      origin->is_up = origin->delivers = origin->confirms = true;
    add_taker();
    for (const auto& taker : takers_) taker->prefetch = 30;
    for (int round = 0; round < 400; ++round) {
      for (const auto& taker : takers_)
        while (!taker->got.empty()) {
          held_.erase(std::string(taker->got[0].message->body.text()));
          agent_.ack(*taker);
        }
      agent_.pass(std::chrono::milliseconds(300));
    }
    for (const auto& origin : agent_.origins)
      EXPECT_EQ(origin->count(Is::done), origin->messages.size()) << origin->name;
    EXPECT_EQ(agent_.puller->books(*agent_.orders).kept, 0u);
  }

  Random random_;
  const bool is_lenient_;  // origins may stall
  MemoryDisk disk_;
  PullHarness agent_;
  std::vector<std::unique_ptr<Taker>> takers_;
  std::set<std::string> held_;  // by consumers, as far as their origins know
};

TEST(PullerModel, LosesDoublesAndForgetsNothingWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed);
    model.run(300);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace pannier::forward
