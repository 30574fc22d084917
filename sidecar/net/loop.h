// Loop: the thread that owns all state, as an executor and a clockwork: it waits for sockets,
// timers and posted tasks, runs what is ready as one turn, and ends the turn.
//
// Owned by Agent; run() is called once, on the thread that is then the loop thread. post() and
// stop() are safe on any thread, everything else belongs to the loop thread. At the end of each
// turn the agent's own work comes first, then every connection that has something to say writes it:
// what arrived in one turn is journaled as one batch and answered in few writes. Listeners and
// dials go before it; connections that are still open when it goes are dropped, and nobody is told.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "common/clock.h"
#include "common/executor.h"

namespace pannier::net {

class Loop final : public Executor {
 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(Task task) override;

  // Called at the end of each turn, before connections write.
  void set_end_of_turn(std::function<void()> work);
  // Wakes the loop at that moment at the latest, to end a turn; the latest call counts.
  void wake_at(std::chrono::steady_clock::time_point when);
  // Until stop().
  void run();
  void stop();
  // Everything that is ready, in turns, without waiting: for tests. False: nothing was.
  bool run_ready();
  // Counts turns: a watchdog on another thread sees that it grows.
  std::uint64_t turns() const;

  struct Impl;  // net's own
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace pannier::net
