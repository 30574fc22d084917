// How a process begins: everything is made ready before the fork, because between fork and exec
// only async-signal-safe calls may be made (the operator has threads).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/descriptor.h"
#include "operator/local/pidfd.h"
#include "operator/local/process.h"

namespace pannier::local {
namespace {

constexpr int kReportDescriptor = 3;
constexpr int kExitNotStarted = 127;
constexpr std::size_t kRecordBytesMax = 256;

enum class Step : std::uint8_t { none, session, record, descriptors, working_dir, exec };

// What the child says when it cannot become the program.
struct Failure {
  Step step = Step::none;
  int code = 0;
};

std::string reason(int code) { return std::error_code(code, std::generic_category()).message(); }

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Where the program may be, as execvp would look for it.
std::vector<std::string> candidates(const ProcessSpec& spec) {
  const std::string& program = spec.argv.front();
  if (program.find('/') != std::string::npos) return {program};
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& variable : spec.environment)
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  std::vector<std::string> found;
  while (true) {
    const std::string_view folder = path.substr(0, path.find(':'));
    found.push_back((folder.empty() ? std::string(".") : std::string(folder)) + "/" + program);
    if (folder.size() == path.size()) return found;
    path.remove_prefix(folder.size() + 1);
  }
}

// Everything that the child needs, in memory that it only reads, but for its own record.
struct Launch {
  explicit Launch(const ProcessSpec& spec)
      : programs(candidates(spec)),
        program_pointers(pointers_to(programs)),
        argv(pointers_to(spec.argv)),
        environment(pointers_to(spec.environment)),
        working_dir(spec.working_dir),
        record(spec.record_file),
        record_temporary(spec.record_file + ".new"),
        boot(boot_id()) {}

  std::vector<std::string> programs;
  std::vector<char*> program_pointers;
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::string working_dir;
  std::string record;
  std::string record_temporary;
  std::string boot;
  int null = -1;
  int log = -1;
  int report = -1;
};

// Text without memory of its own, for where nothing may be allocated.
class FixedText {
 public:
  void add(std::string_view text) {
    for (const char each : text)
      if (size_ < sizeof bytes_) bytes_[size_++] = each;
  }
  void add(std::uint64_t number) {
    char digits[20];
    std::size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (count > 0) add(std::string_view(&digits[--count], 1));
  }
  std::string_view text() const { return {bytes_, size_}; }

 private:
  char bytes_[kRecordBytesMax];
  std::size_t size_ = 0;
};

// Field 22 of our own stat; 0 when it cannot be read.
std::uint64_t own_start_time() {
  char bytes[1'024];
  const int file = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t got = ::read(file, bytes, sizeof bytes);
  ::close(file);
  if (got <= 0) return 0;
  const auto stat = parse_process_stat({bytes, static_cast<std::size_t>(got)});
  return stat ? stat->start_time : 0;
}

[[noreturn]] void give_up(const Launch& launch, Step step, int code) {
  ::unlink(launch.record.c_str());
  const Failure failure{step, code};
  if (::write(launch.report, &failure, sizeof failure) < 0) ::_exit(kExitNotStarted);
  ::_exit(kExitNotStarted);
}

void write_record(const Launch& launch) {
  const std::uint64_t started_at = own_start_time();
  FixedText text;
  text.add("{\"pid\":");
  text.add(static_cast<std::uint64_t>(::getpid()));
  text.add(",\"startTime\":");
  text.add(started_at);
  text.add(",\"bootId\":\"");
  text.add(launch.boot);
  text.add("\"}\n");
  if (started_at == 0) give_up(launch, Step::record, errno != 0 ? errno : ENOENT);
  const int file =
      ::open(launch.record_temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) give_up(launch, Step::record, errno);
  const std::string_view bytes = text.text();
  if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    give_up(launch, Step::record, errno != 0 ? errno : ENOSPC);
  ::close(file);
  if (::rename(launch.record_temporary.c_str(), launch.record.c_str()) != 0)
    give_up(launch, Step::record, errno);
}

// What came before setsid() was meant for the operator's terminal (Ctrl-C), not for this program:
// ignoring a signal drops it where it waits.
void drop_waiting_signals() {
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  for (int number = 1; number <= SIGRTMAX; ++number) ::sigaction(number, &ignored, nullptr);
}

void restore_handlers() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number <= SIGRTMAX; ++number) ::sigaction(number, &standard, nullptr);
}

void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// 0, 1 and 2, and the report, which closes by itself when the program begins; no other.
void arrange_descriptors(Launch& launch) {
  for (int* const descriptor : {&launch.null, &launch.log, &launch.report}) {
    const int moved = ::fcntl(*descriptor, F_DUPFD_CLOEXEC, kReportDescriptor + 1);
    if (moved < 0) give_up(launch, Step::descriptors, errno);
    *descriptor = moved;
  }
  if (::dup3(launch.report, kReportDescriptor, O_CLOEXEC) < 0)
    give_up(launch, Step::descriptors, errno);
  launch.report = kReportDescriptor;
  if (::dup2(launch.null, 0) < 0 || ::dup2(launch.log, 1) < 0 || ::dup2(launch.log, 2) < 0)
    give_up(launch, Step::descriptors, errno);
  if (::close_range(kReportDescriptor + 1, ~0u, 0) != 0) give_up(launch, Step::descriptors, errno);
}

[[noreturn]] void run_child(Launch& launch) {
  if (::setsid() < 0) give_up(launch, Step::session, errno);
  ::umask(022);
  drop_waiting_signals();
  restore_handlers();
  write_record(launch);
  unblock_signals();
  arrange_descriptors(launch);
  if (::chdir(launch.working_dir.c_str()) != 0) give_up(launch, Step::working_dir, errno);
  int code = ENOENT;
  for (char* const* program = launch.program_pointers.data(); *program != nullptr; ++program) {
    ::execve(*program, launch.argv.data(), launch.environment.data());
    if (errno != ENOENT && errno != ENOTDIR) code = errno;
    if (code != ENOENT && code != EACCES) break;
  }
  give_up(launch, Step::exec, code);
}

Error error_of(const Failure& failure, const ProcessSpec& spec) {
  const std::string& program = spec.argv.front();
  switch (failure.step) {
    case Step::exec:
      if (failure.code == ENOENT)
        return {Errc::bad_config, "command not found: " + program +
                                      (program.find('/') == std::string::npos
                                           ? " is in no folder of PATH"
                                           : ", or the interpreter that it names")};
      return {Errc::bad_config, "cannot run " + program + ": " + reason(failure.code)};
    case Step::working_dir:
      return {Errc::bad_config,
              "cannot work in folder " + spec.working_dir + ": " + reason(failure.code)};
    case Step::record:
      return {Errc::io_error, "cannot write " + spec.record_file + ": " + reason(failure.code)};
    case Step::session:
    case Step::descriptors:
    case Step::none: break;
  }
  return {Errc::io_error, "cannot prepare " + program + ": " + reason(failure.code)};
}

// Waits until the child has become the program, or says why it cannot.
Failure read_report(int report) {
  Failure failure;
  ssize_t got = 0;
  do {
    got = ::read(report, &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  return got == sizeof failure ? failure : Failure{};
}

// With all signals blocked until the child has put their handlers away.
pid_t fork_quietly(Launch& launch) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(launch);
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = code;
  return pid;
}

}  // namespace

Result<Process> Process::start(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty())
    return Error{Errc::bad_config, "there is no command to run"};
  Launch launch(spec);
  const Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Descriptor log(
      ::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!null || !log) {
    const int code = errno;
    return Error{Errc::io_error, "cannot write " + spec.log_file + ": " + reason(code)};
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{Errc::io_error, "cannot start " + spec.argv.front() + ": " + reason(errno)};
  const Descriptor report(ends[0]);
  Descriptor childs_report(ends[1]);
  launch.null = null.get();
  launch.log = log.get();
  launch.report = childs_report.get();
  const pid_t pid = fork_quietly(launch);
  if (pid < 0)
    return Error{Errc::io_error, "cannot start " + spec.argv.front() + ": " + reason(errno)};
  childs_report.reset();
  const Failure failure = read_report(report.get());
  if (failure.step != Step::none) {
    ::waitpid(pid, nullptr, 0);
    return error_of(failure, spec);
  }
  const int pidfd = ::pidfd_open(pid, 0);
  const auto stat = stat_of(pid);
  if (pidfd < 0 || !stat) {
    const int code = errno;
    if (pidfd >= 0) ::close(pidfd);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return Error{Errc::io_error, "cannot follow " + spec.argv.front() + ": " + reason(code)};
  }
  return Process({pid, stat->start_time, boot_id()}, pidfd);
}

}  // namespace pannier::local
