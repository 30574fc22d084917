// QueueModel: drives an agent's queues with random actions and checks everything that they do
// against a list of messages a queue; then cuts the power and checks what is found.
//
// What it holds the queues to: messages come lowest first, those that came back in their old place;
// each is delivered, settled, dropped and refused exactly as the model says; counts and bytes agree
// at every step; budgets hold; nothing waits while a consumer has credit; memory is given back.
// After a power cut: what was confirmed and not settled is there, what was settled durably is not,
// what had been delivered is flagged, delivery counts are kept. All choices come from one seed.
#pragma once

#include <list>
#include <map>
#include <random>
#include <set>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {

struct ModelCounts {
  int delivered = 0, returned = 0, timed_out = 0, dropped = 0, refused = 0, purged = 0, paged = 0;
  int kept = 0, lost_unconfirmed = 0, flagged_first = 0, deleted = 0, late_acks = 0;
};

class QueueModel {
 public:
  QueueModel(std::uint64_t seed, ModelCounts& counts);
  ~QueueModel();
  void live(int actions);
  void cut_power();
  void finish();
  bool failed() const { return testing::Test::HasFailure(); }

 private:
  using Id = std::uint64_t;  // of a message, in the order of publishing
  struct Known {
    std::uint64_t bytes = 0;
    Commit commit = 0;  // confirmed once synced; 0: never safe
    std::uint16_t count = 0, durable_count = 0;
    bool redelivered = false, was_delivered = false;
  };
  struct Out {  // an unacknowledged delivery
    Known known;
    Receipt receipt;
    std::optional<Clock::time_point> deadline;
    bool is_lease = false;
  };
  struct Gone {  // settled, not durably yet
    Known known;
    Commit by = 0;  // 0: with the next settle_down
  };
  struct Mirror;
  class Taker;

  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  bool chance(int percent) { return pick(100) < static_cast<std::uint64_t>(percent); }
  Mirror& any() { return *queues_[pick(queues_.size())]; }

  void open();
  void declare(Mirror& mirror);
  void act();
  void publish();
  void settle_one(Mirror& mirror);
  void change_consumers(Mirror& mirror);
  void get(Mirror& mirror);
  void change_settings(Mirror& mirror);
  void purge(Mirror& mirror);
  void remove(Mirror& mirror);
  void pass_time();
  void run_some();
  void settle_down();

  void on_delivery(Mirror& mirror, const Delivery& delivery, bool no_ack);
  void note_drops(Mirror& mirror);
  bool is_over(const Mirror& mirror, std::uint64_t bytes, std::uint64_t messages) const;
  void give_back(Mirror& mirror, std::map<Id, Out>::iterator at, bool counts);
  void check(Mirror& mirror);
  void check_all();
  void expect_after_cut(Mirror& mirror, Commit synced);

  std::mt19937_64 random_;
  ModelCounts& counts_;
  QueueLimits limits_;
  std::unique_ptr<MemoryDisk> disk_;
  std::unique_ptr<QueueHarness> agent_;
  std::vector<std::unique_ptr<Mirror>> queues_;
  Id last_ = 0;
};

}  // namespace pannier::queue
