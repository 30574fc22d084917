#include "operator/local/process_id.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "operator/local/pidfd.h"

namespace pannier::local {
namespace {

constexpr std::size_t kRecordBytesMax = 4'096;
constexpr int kSweepsMax = 16;  // of a session whose members fork faster than they die

// /proc's files have no size of their own, and end where a read ends.
std::string read_proc(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char bytes[1'024];
  const ssize_t got = ::read(file, bytes, sizeof bytes);
  ::close(file);
  return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : std::string();
}

template <typename T>
bool parse_number(std::string_view text, T& into) {
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, into);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

std::vector<int> members_of(int session) {
  std::vector<int> members;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry("/proc", failed), end; !failed && entry != end;
       entry.increment(failed)) {
    int pid = 0;
    if (!parse_number(entry->path().filename().native(), pid)) continue;
    const auto stat = stat_of(pid);
    if (stat && stat->session == session && stat->is_running()) members.push_back(pid);
  }
  return members;
}

// As it was when the program began, which is all that counts here.
bool has_in_environment(int pid, std::string_view wanted) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  for (std::string variable; std::getline(file, variable, '\0');)
    if (variable == wanted) return true;
  return false;
}

// By a descriptor, looked at again: between the look and the signal the pid may have been given to
// somebody else.
void kill_member(int pid, int session) {
  const int pidfd = ::pidfd_open(pid, 0);
  if (pidfd < 0) return;
  const auto stat = stat_of(pid);
  if (stat && stat->session == session) ::pidfd_send_signal(pidfd, SIGKILL, nullptr, 0);
  ::close(pidfd);
}

}  // namespace

std::string to_text(const ProcessId& id) {
  return "process://" + std::to_string(id.pid) + "/" + std::to_string(id.start_time) + "/" +
         id.boot_id;
}

// "PID (NAME) STATE PPID PGRP SESSION ...", the start time being field 22. A name may hold spaces
// and brackets.
std::optional<ProcessStat> parse_process_stat(std::string_view line) {
  const auto bracket = line.rfind(')');
  if (bracket == std::string_view::npos) return {};
  line.remove_prefix(bracket + 1);
  ProcessStat stat;
  for (int field = 3; field <= 22; ++field) {
    const auto from = line.find_first_not_of(' ');
    if (from == std::string_view::npos) return {};
    line.remove_prefix(from);
    const auto word = line.substr(0, line.find_first_of(" \n"));
    if (field == 3) stat.state = word.front();
    if (field == 6 && !parse_number(word, stat.session)) return {};
    if (field == 22 && !parse_number(word, stat.start_time)) return {};
    line.remove_prefix(word.size());
  }
  return stat;
}

std::optional<ProcessStat> stat_of(int pid) {
  return parse_process_stat(read_proc("/proc/" + std::to_string(pid) + "/stat"));
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string text = read_proc("/proc/sys/kernel/random/boot_id");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }();
  return id;
}

bool is_running(const ProcessId& id) {
  if (id.pid <= 0 || id.boot_id != boot_id()) return false;
  const auto stat = stat_of(id.pid);
  return stat && stat->start_time == id.start_time && stat->is_running();
}

Result<bool> find_running(const ProcessId& id) {
  if (id.pid <= 0 || id.boot_id != boot_id()) return false;
  errno = 0;
  const auto stat = stat_of(id.pid);
  if (!stat && errno != 0 && errno != ENOENT && errno != ESRCH)
    return Error{Errc::io_error, "cannot look at process " + std::to_string(id.pid) + ": " +
                                     std::error_code(errno, std::generic_category()).message()};
  return stat && stat->start_time == id.start_time && stat->is_running();
}

Result<ProcessId> read_process_record(const std::string& file) {
  const auto text = read_file(file, kRecordBytesMax);
  if (!text && text.error().code != Errc::too_large) return text.error();
  const Error cut_off{Errc::not_found, file + " is no record of a process"};
  if (!text) return cut_off;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return cut_off;
  const auto number = [&](const char* key) -> std::uint64_t {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
  };
  const auto boot = json.find("bootId");
  if (boot == json.end() || !boot->is_string()) return cut_off;
  const std::uint64_t pid = number("pid");
  if (pid == 0 || pid > static_cast<std::uint64_t>(1) << 30) return cut_off;
  return ProcessId{static_cast<int>(pid), number("startTime"), boot->get<std::string>()};
}

void end_left_over(const ProcessId& leader, std::string_view mark) {
  if (leader.pid <= 1 || leader.boot_id != boot_id()) return;
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    bool has_ended_one = false;
    for (const int pid : members_of(leader.pid)) {
      if (!has_in_environment(pid, mark)) continue;
      kill_member(pid, leader.pid);
      has_ended_one = true;
    }
    if (!has_ended_one) return;
  }
}

void end_session(int session) {
  if (session <= 1) return;
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    const auto members = members_of(session);
    if (members.empty()) return;
    for (const int pid : members) kill_member(pid, session);
  }
}

}  // namespace pannier::local
