// ContainerRunner: one container's life: it is started, ends, and starts again as its policy says:
// the first time at once, then after 1 s, 2 s, ... 60 s, anew after 60 s that went well.
//
// Owned by PodRunner or AgentRunner, on their thread; nothing in it waits. What it must remember is
// in its status (one item of the pod's containerStatuses, which its owner keeps) and in the record
// that its process left; take_up() reads both. The process lives on when the runner goes. An end
// that nobody of us saw counts as a failure (ContainerStatusUnknown).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/quantity.h"
#include "operator/api/pod.h"
#include "operator/local/process.h"

namespace pannier::local {

// For people: one short line a thing.
using Say = std::function<void(bool is_problem, const std::string& text)>;

struct ContainerEnd {
  int exit_code = 0;  // 128 + the signal, where it was one
  int signal = 0;
  std::string reason;   // Completed, Error, StartError, ContainerStatusUnknown
  std::string message;  // what stood in its way
  std::string container_id;
  std::optional<Timestamp> started_at;
  Timestamp finished_at{};
  bool is_of_system =
      false;  // it could not start for want of room: tried again, whatever the policy

  bool is_success() const { return exit_code == 0; }
};

class ContainerRunner {
 public:
  static constexpr std::chrono::seconds kGoodRun{60};
  static constexpr BackoffPolicy kBackoff{std::chrono::seconds{1}, std::chrono::seconds{60}, 2,
                                          Jitter::none};

  struct Options {
    std::string name;
    std::string title;  // "container app", for people
    std::string record_file;
    std::string log_file;
    bool tells_last_words = false;  // the last line of its log, when it fails
    api::RestartPolicy restart = api::RestartPolicy::always;
    Say say;
    // In the environment of all that it starts: "NAME=value". Empty: nothing is its alone.
    std::string mark{};
  };

  ContainerRunner(const Clock& clock, Options options);

  const std::string& name() const { return options_.name; }
  const std::string& title() const { return options_.title; }
  // What it was before this operator: its status as it was kept (null: it is new), and its record.
  // io_error: whether its process runs cannot be said now; nothing may be done with it.
  Result<void> take_up(const kube::Json& status);

  void look();  // whether it has ended
  // Waits for nothing but to be started.
  bool is_due() const;
  std::optional<Clock::time_point> due_at() const;  // while it waits
  void start(const ProcessSpec& spec);
  void fail_start(const Error& why);  // what it needs cannot be made: as if it had ended

  bool is_running() const { return process_.has_value(); }
  bool is_over() const { return step_ == Step::over; }  // and never starts again
  bool has_started() const { return !container_id_.empty(); }
  bool could_not_start() const;  // the last time
  const std::optional<ContainerEnd>& last_end() const { return last_end_; }
  std::uint64_t restarts() const { return restarts_; }
  int pid() const { return process_ ? process_->id().pid : 0; }
  int descriptor() const { return process_ ? process_->descriptor() : -1; }

  void stop();  // it does not start again
  void signal(int number);

  kube::Json status(bool is_ready) const;

 private:
  enum class Step : std::uint8_t { waiting, running, over };

  Result<void> take_up_process();
  void note_end(ContainerEnd end);
  bool may_restart(const ContainerEnd& end) const;
  void say_end(const ContainerEnd& end, std::optional<std::chrono::milliseconds> delay) const;
  Timestamp wall_now() const;

  const Clock& clock_;
  const Options options_;
  Step step_ = Step::waiting;
  bool is_stopping_ = false;
  std::optional<Process> process_;
  bool is_adopted_ = false;
  std::uint64_t log_bytes_before_ = 0;  // of the log, when it was started
  std::string container_id_;            // of the last one that was started
  std::uint64_t restarts_ = 0;
  std::optional<Timestamp> started_at_;
  Clock::time_point running_since_{};
  Clock::time_point due_at_{};
  bool has_failed_before_ = false;  // since the last good run
  Backoff backoff_{kBackoff};
  std::optional<ContainerEnd> last_end_;
};

}  // namespace pannier::local
