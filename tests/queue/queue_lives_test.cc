// Lives: random messages with priorities, delays and expiries in a queue with dead letters, acked,
// rejected and given back at random, through power cuts: each ends once, where it belongs and not
// before its time. All choices come from the seed.
#include <map>
#include <random>
#include <set>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using std::chrono::milliseconds;

struct Life {
  Milliseconds due = 0;
  Milliseconds expiry = 0;
  Commit commit = 0;
  bool is_acked = false;
  bool is_rejected = false;
  int deaths = 0;
  std::string reason;
};

class Lives {
 public:
  Lives(std::uint64_t seed, bool cuts_power)
      : random_(seed), cuts_power_(cuts_power), disk_(std::make_unique<MemoryDisk>(seed)) {
    limits_.message_bytes = 4'000 + pick(4) * 4'000;
    limits_.window_entries = 32 + pick(3) * 64;
    limits_.window_entries_min = 4;
    open();
  }
  ~Lives() { close(); }

  void run(int actions) {
    for (int i = 0; i < actions && !testing::Test::HasFailure(); ++i) {
      act();
      EXPECT_EQ(queue_->check(), "") << i;
      EXPECT_EQ(dead_->check(), "") << i;
    }
    finish();
  }

 private:
  class Taker final : public Consumer {
   public:
    explicit Taker(Lives& lives) : lives_(lives) {}
    bool has_credit() const override { return credit > 0; }
    void deliver(Queue&, Delivery delivery) override {
      --credit;
      lives_.on_delivery(std::move(delivery));
    }
    void queue_gone(Queue&) override {}
    int credit = 0;

   private:
    Lives& lives_;
  };

  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  Milliseconds now() const { return agent_->clock.now_ms(); }

  void open() {
    agent_ = std::make_unique<QueueHarness>(*disk_, limits_);
    agent_->clock.advance(milliseconds(lived_));
    dead_ = agent_->find("dead");
    if (dead_ == nullptr) dead_ = agent_->declare("dead");
    queue_ = agent_->find("q");
    if (queue_ == nullptr) {
      Table table;
      table.set("x-max-priority", 3);
      table.set("x-dead-letter-exchange", std::string());
      table.set("x-dead-letter-routing-key", std::string("dead"));
      queue_ = agent_->declare("q", table);
    }
    agent_->settle_down();
    queue_->add_consumer(taker_);
  }
  void close() {
    if (queue_) queue_->remove_consumer(taker_);
    out_.clear();
    queue_.reset();
    dead_.reset();
    agent_.reset();
  }

  void act() {
    const std::uint64_t what = pick(100);
    if (what < 45) return publish(1 + static_cast<int>(pick(4)));
    if (what < 55) return credit(static_cast<int>(pick(12)));
    if (what < 75) return settle();
    if (what < 85) return pass(static_cast<int>(pick(400)));
    if (what < 87) return publish(60);
    if (what < 98 || !cuts_power_) return agent_->turn();
    cut_power();
  }

  void publish(int count) {
    for (int i = 0; i < count; ++i) {
      Properties properties;
      properties.headers.emplace();
      Life life;
      properties.priority = static_cast<std::uint8_t>(pick(5));
      const bool waits = pick(3) == 0;
      if (waits) {
        const auto delay = static_cast<int>(1 + pick(1'500));
        properties.headers->set("x-delay", delay);
        life.due = now() + delay;
      }
      if (pick(3) == 0) {
        const std::uint64_t ttl = pick(1'500);
        properties.expiration = std::to_string(ttl);
        life.expiry = std::max(now(), life.due) + static_cast<Milliseconds>(ttl);
      }
      const int id = ++last_;
      lives_[id] = life;
      const std::string body = std::to_string(id) + ' ' + std::string(pick(200), 'x');
      lives_[id].commit = agent_->publish_as("q", body, properties).commit;
    }
  }
  void credit(int more) {
    taker_.credit += more;
    queue_->pump();
  }
  void on_delivery(Delivery delivery) {
    const int id = std::stoi(std::string(delivery.message->body.text()));
    const Life& life = lives_.at(id);
    EXPECT_GE(now(), life.due) << id;
    const bool is_fresh = life.expiry == now();  // a TTL of 0, for who waits
    EXPECT_TRUE(life.expiry == 0 || now() < life.expiry || is_fresh) << id;
    EXPECT_TRUE(cuts_power_ || !(life.is_acked || life.deaths > 0)) << id << " came back";
    out_.emplace_back(id, delivery.receipt);
  }
  void settle() {
    if (out_.empty()) return;
    const std::size_t at = pick(out_.size());
    const auto [id, receipt] = out_[at];
    out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(at));
    const std::uint64_t how = pick(10);
    if (how < 4) {
      EXPECT_TRUE(queue_->ack(receipt));
      lives_[id].is_acked = true;
    } else if (how < 6) {
      EXPECT_TRUE(queue_->discard(receipt));
      lives_[id].is_rejected = true;
    } else if (how < 8) {
      EXPECT_TRUE(queue_->give_back(receipt, {}));
    } else {
      const auto delay = static_cast<Milliseconds>(pick(500));
      if (delay > 0) lives_[id].due = now() + delay;
      EXPECT_TRUE(queue_->give_back(receipt, {.delay = milliseconds(delay)}));
    }
  }
  void pass(int time) {
    lived_ += time;
    agent_->pass(milliseconds(time));
  }

  void cut_power() {
    const Commit synced = agent_->spool->synced_commit();
    auto after = disk_->restart(random_(), pick(2) == 0 ? Keep::random : Keep::nothing);
    close();
    disk_ = std::move(after);
    std::erase_if(lives_, [&](const auto& each) {
      return each.second.commit > synced && each.second.commit != kSafe;
    });
    for (auto& [id, life] : lives_) {
      life.commit = kSafe;
      life.due = 0;  // of one that came back with a delay: it may be lost
    }
    unsure_ = true;
    open();
  }

  void finish() {
    if (testing::Test::HasFailure()) return;
    credit(1'000'000);
    for (int i = 0; i < 12; ++i) {
      pass(1'000);
      for (const auto& [id, receipt] : std::exchange(out_, {})) {
        EXPECT_TRUE(queue_->ack(receipt));
        if (const auto life = lives_.find(id); life != lives_.end()) life->second.is_acked = true;
      }
      agent_->turn();
    }
    EXPECT_TRUE(queue_->empty()) << queue_->check();
    TestConsumer all(1'000'000);
    all.no_ack = true;
    dead_->add_consumer(all);
    agent_->turn();
    dead_->remove_consumer(all);
    for (const Delivery& each : all.got) {
      const auto life = lives_.find(std::stoi(std::string(each.message->body.text())));
      if (life == lives_.end()) continue;  // never confirmed
      ++life->second.deaths;
      const auto properties = Properties::decode(each.message->properties());
      life->second.reason = *properties->headers->find("x-first-death-reason")->as_text();
    }
    for (const auto& [id, life] : lives_) {
      EXPECT_LE(life.deaths, 1) << id;
      EXPECT_TRUE(life.is_acked || life.deaths > 0) << id << " is lost";
      if (unsure_) continue;
      EXPECT_NE(life.is_acked, life.deaths > 0) << id << " has ended twice";
      EXPECT_EQ(life.is_rejected, life.reason == "rejected") << id;
      EXPECT_TRUE(life.reason != "expired" || life.expiry != 0) << id;
    }
    agent_->settle_down();
    agent_->settle_down();
    EXPECT_EQ(agent_->spool->status().live_bytes, 0u);
    EXPECT_EQ(agent_->registry->context().message_bytes, 0u);
    EXPECT_EQ(agent_->registry->context().reading_bytes, 0u);
  }

  static constexpr Commit kSafe = ~Commit{0};
  std::mt19937_64 random_;
  const bool cuts_power_;
  QueueLimits limits_;
  std::unique_ptr<MemoryDisk> disk_;
  std::unique_ptr<QueueHarness> agent_;
  Taker taker_{*this};
  QueuePtr queue_;
  QueuePtr dead_;
  std::map<int, Life> lives_;
  std::vector<std::pair<int, Receipt>> out_;
  int last_ = 0;
  int lived_ = 0;
  bool unsure_ = false;
};

TEST(QueueLives, EndOnceAndNotBeforeTheirTime) {
  for (std::uint64_t seed = 1; seed <= 40 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Lives(seed, false).run(150);
  }
}

TEST(QueueLives, AreNotLostToPowerCuts) {
  for (std::uint64_t seed = 1'000; seed < 1'040 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Lives(seed, true).run(150);
  }
}

}  // namespace
}  // namespace pannier::queue
