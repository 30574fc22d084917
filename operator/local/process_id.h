// ProcessId: who a process is, so that it cannot be taken for another one that got its pid later;
// and ProcessTable, what the system says of processes now.
//
// Values and free functions over /proc; any thread. A zombie counts as ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace pannier::local {

struct ProcessId {
  int pid = 0;
  std::uint64_t start_time = 0;  // of /proc/PID/stat, in ticks since the machine started
  std::string boot_id;           // of /proc/sys/kernel/random/boot_id

  bool operator==(const ProcessId&) const = default;
};
std::string to_text(const ProcessId& id);  // "process://PID/START_TIME/BOOT_ID"

// What is read of /proc/PID/stat.
struct ProcessStat {
  char state = 0;
  int session = 0;
  std::uint64_t start_time = 0;

  bool is_running() const { return state != 'Z' && state != 'X' && state != 'x'; }
};
std::optional<ProcessStat> parse_process_stat(std::string_view line);
std::optional<ProcessStat> stat_of(int pid);

const std::string& boot_id();  // read once
bool is_running(const ProcessId& id);
// io_error where the system cannot say (no descriptor is left): that is not "it has ended".
Result<bool> find_running(const ProcessId& id);

// What a started process left in its record. not_found: there is none, or a crash has cut it off;
// io_error: it cannot be read now.
Result<ProcessId> read_process_record(const std::string& file);

// SIGKILL for everybody in that session. Only while its id cannot have been given to somebody else:
// its leader is a zombie of ours, or is gone while members are left.
void end_session(int session);

// The same for what a leader has left that ended while nobody of us was there. Its id may be
// another's by now: only those go that have `mark` ("NAME=value") in their environment.
void end_left_over(const ProcessId& leader, std::string_view mark);

}  // namespace pannier::local
