// ManualExecutor: an Executor whose tasks run when the test says so, in the order that it chooses.
//
// Owned by the test, which runs the tasks on its own thread; any thread may post, tasks included.
// Positions count from the oldest waiting task. Tasks that were never run are dropped with it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <utility>

#include "common/executor.h"

namespace pannier {

class ManualExecutor final : public Executor {
 public:
  // run_all ends the program here: tasks that keep posting tasks never come to an end.
  static constexpr std::size_t kTasksMax = 10'000'000;

  void post(Task task) override {
    const std::lock_guard guard(mutex_);
    tasks_.push_back(std::move(task));
  }

  // False when there is nothing to run.
  bool run_one() { return run_at(0); }

  // Runs the task at this position; false when there are not that many.
  bool run_at(std::size_t index) {
    Task task;
    {
      const std::lock_guard guard(mutex_);
      if (index >= tasks_.size()) return false;
      const auto chosen = tasks_.begin() + static_cast<std::ptrdiff_t>(index);
      task = std::move(*chosen);
      tasks_.erase(chosen);
    }
    task();
    return true;
  }

  // Runs until nothing waits, what the tasks post included. Returns how many were run.
  std::size_t run_all() {
    std::size_t count = 0;
    while (run_one()) {
      if (++count < kTasksMax) continue;
      std::fputs("ManualExecutor::run_all: tasks keep posting tasks\n", stderr);
      std::abort();
    }
    return count;
  }

  // Forgets what waits, as a process does that is killed.
  void drop_all() {
    std::deque<Task> dropped;
    const std::lock_guard guard(mutex_);
    dropped.swap(tasks_);
  }

  std::size_t size() const {
    const std::lock_guard guard(mutex_);
    return tasks_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Task> tasks_;
};

}  // namespace pannier
