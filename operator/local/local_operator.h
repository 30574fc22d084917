// LocalOperator: `pannier-operator local DIR`: the reconcilers over a folder, and a runner of pods,
// wired up.
//
// Threads: the caller's in run(), which looks at the folder and runs pods; one that reconciles; the
// poller's. When it ends, everything that it runs goes on; `down` ends that.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/result.h"
#include "operator/authority.h"

namespace pannier::local {

struct LocalOptions {
  std::string folder;         // DIR
  std::string agent_program;  // empty: pannier-agent beside this program
  CaPeriods ca{};
  bool rotate_ca = false;                            // asks for a rotation at start
  std::chrono::milliseconds look_interval{500};      // at the folder
  std::chrono::milliseconds status_interval{1'000};  // at the agents
  std::function<void(bool is_problem, const std::string& text)> say;
};

class LocalOperator {
 public:
  // Takes the folder (spool_locked: another operator has it) and what is kept in it. Errors are
  // bad_config and io_error, and say what to do.
  static Result<std::unique_ptr<LocalOperator>> open(LocalOptions options);
  ~LocalOperator();

  // Until stop(). Errors: what makes going on pointless.
  Result<void> run();
  std::string log_path() const;  // where the log belongs
  void stop();                   // any thread, also a signal's
  // Ends every pod, as if all manifests of pods were gone; blocks until they are. Error (closed):
  // stop() came before that.
  Result<void> down();

 private:
  struct State;
  explicit LocalOperator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pannier::local
