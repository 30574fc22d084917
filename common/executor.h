// Executor: where work runs. The loop thread, the committer's thread and the pool of disk readers
// are executors; tests put executors by hand in their place (tests/support/manual_executor.h).
//
// post() may be called from any thread and never blocks on the work. Tasks of one ThreadExecutor
// with one thread run in the order they were posted. A task must not throw.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace pannier {

using Task = std::function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
};

// Threads of our own, named for people who look at them. The destructor finishes what was posted,
// then joins.
class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(const std::string& name, unsigned threads);
  ~ThreadExecutor() override;
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void post(Task task) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pannier
