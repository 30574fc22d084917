#include "operator/local/process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "operator/local/pidfd.h"

namespace pannier::local {
namespace {

// From Linux 6.9 on: the whole group, without a moment in which it could be another one's.
constexpr unsigned kPidfdSignalGroup = 1u << 2;  // PIDFD_SIGNAL_PROCESS_GROUP

bool has_ended(int pidfd) {
  pollfd waited{pidfd, POLLIN, 0};
  return ::poll(&waited, 1, 0) > 0;
}

// What a leader leaves in its session ends with it. Its id cannot be another one's here: the leader
// is a zombie that has not been reaped, or members that are left keep its id from being used again.
void end_what_is_left(const ProcessId& id) {
  const auto stat = stat_of(id.pid);
  if (!stat || stat->start_time == id.start_time) end_session(id.pid);
}

}  // namespace

Process::Process(ProcessId id, int pidfd) : id_(std::move(id)), pidfd_(pidfd) {}

Process::Process(Process&& from) noexcept
    : id_(std::move(from.id_)),
      pidfd_(std::exchange(from.pidfd_, -1)),
      end_(from.end_) {}

Process& Process::operator=(Process&& from) noexcept {
  if (this == &from) return *this;
  if (pidfd_ >= 0) ::close(pidfd_);
  id_ = std::move(from.id_);
  pidfd_ = std::exchange(from.pidfd_, -1);
  end_ = from.end_;
  return *this;
}

Process::~Process() {
  if (pidfd_ >= 0) ::close(pidfd_);
}

Result<Process> Process::adopt(const std::string& record_file) {
  const auto id = read_process_record(record_file);
  if (!id) return id.error();
  const Error ended{Errc::not_found, to_text(*id) + " has ended"};
  const auto was_running = find_running(*id);
  if (!was_running) return was_running.error();
  if (!*was_running) return ended;
  const int pidfd = ::pidfd_open(id->pid, 0);
  if (pidfd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOMEM) return ended;
  if (pidfd < 0)
    return Error{Errc::io_error, "cannot follow process " + std::to_string(id->pid) + ": " +
                                     std::error_code(errno, std::generic_category()).message()};
  Process process(*id, pidfd);
  // Again: between the look and the open its pid may have been given to somebody else.
  const auto is_running = find_running(*id);
  if (!is_running) return is_running.error();
  if (!*is_running) return ended;
  return process;
}

bool Process::is_running() const { return !end_ && !has_ended(pidfd_); }

std::optional<ProcessEnd> Process::end() {
  if (end_ || !has_ended(pidfd_)) return end_;
  end_what_is_left(id_);
  siginfo_t info{};
  end_ = ProcessEnd{};
  // ECHILD: an operator before us was its parent.
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED | WNOHANG) == 0 &&
      info.si_pid == id_.pid) {
    if (info.si_code == CLD_EXITED)
      end_->exit_code = info.si_status;
    else
      end_->signal = info.si_status;
  }
  return end_;
}

void Process::signal(int number) {
  if (!is_running()) return;
  if (::pidfd_send_signal(pidfd_, number, nullptr, kPidfdSignalGroup) == 0 || errno == ESRCH)
    return;
  // Once and not twice: a second SIGTERM means "at once" to many programs, our agent among them.
  if (is_running()) ::kill(-id_.pid, number);
}

}  // namespace pannier::local
