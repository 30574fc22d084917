// Process: one process that we started, or an operator before us did, known by its pid and the
// moment at which it started, so that a pid that has been given to somebody else is never touched.
//
// A handle; one thread. The process lives on when the handle goes. It leads a session of its own,
// so that a terminal's signals do not reach it; signals go to its whole group. The child itself
// writes its record (0600) before it becomes the program: an operator that dies in between leaves
// no process that nobody knows of.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "operator/local/process_id.h"

namespace pannier::local {

struct ProcessSpec {
  std::vector<std::string> argv;         // argv[0]: a path, or looked up in PATH of `environment`
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::string working_dir;
  std::string log_file;     // standard output and error are appended to it
  std::string record_file;  // where the child says who it is
};

struct ProcessEnd {
  std::optional<int> exit_code;  // none: it ended while nobody of us was its parent, or by a signal
  std::optional<int> signal;
};

class Process {
 public:
  // Fails (bad_config) where the program cannot be run, with the system's reason, and (io_error)
  // where the system has no room for it. Blocks until the child has become the program.
  static Result<Process> start(const ProcessSpec& spec);
  // The one that a record tells of, if it still runs. not_found: it does not. io_error: the system
  // cannot say (no descriptor is left): it may run, so nobody may take its place.
  static Result<Process> adopt(const std::string& record_file);

  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  const ProcessId& id() const { return id_; }
  // Readable (poll) once it has ended: a pidfd, ours.
  int descriptor() const { return pidfd_; }
  bool is_running() const;
  // Reaps it, and ends what is left of its session. None while it runs.
  std::optional<ProcessEnd> end();
  void signal(int number);  // its whole group; nothing once it has ended

 private:
  Process(ProcessId id, int pidfd);

  ProcessId id_;
  int pidfd_ = -1;
  std::optional<ProcessEnd> end_;  // once it is reaped
};

}  // namespace pannier::local
