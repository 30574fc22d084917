#include "operator/local/container_runner.h"

#include <csignal>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "operator/local/container_log.h"
#include "operator/local/status_json.h"

namespace pannier::local {
namespace {

using kube::Json;

constexpr int kExitBySignal = 128;
constexpr int kExitNotStarted = 128;
constexpr int kExitUnknown = 137;  // what a kubelet says of one that it lost sight of

constexpr const char* kUnknown = "ContainerStatusUnknown";
constexpr const char* kNotStarted = "StartError";

constexpr const char* kEndedUnseen = "ended while no operator ran, so nobody saw how";
constexpr const char* kEndedAdopted =
    "ended; how cannot be seen, because an earlier run of the operator had started it";

ContainerEnd end_of(const ProcessEnd& process) {
  ContainerEnd end;
  if (process.exit_code) {
    end.exit_code = *process.exit_code;
    end.reason = end.exit_code == 0 ? "Completed" : "Error";
  } else {
    end.signal = process.signal.value_or(0);
    end.exit_code = kExitBySignal + end.signal;
    end.reason = "Error";
  }
  return end;
}

ContainerEnd unseen_end(const char* why) {
  ContainerEnd end;
  end.exit_code = kExitUnknown;
  end.reason = kUnknown;
  end.message = why;
  return end;
}

Json to_json(const ContainerEnd& end) {
  Json json{{"exitCode", end.exit_code},
            {"reason", end.reason},
            {"finishedAt", timestamp_text(end.finished_at)}};
  if (end.signal != 0) json["signal"] = end.signal;
  if (!end.message.empty()) json["message"] = end.message;
  if (!end.container_id.empty()) json["containerID"] = end.container_id;
  if (end.started_at) json["startedAt"] = timestamp_text(*end.started_at);
  return json;
}

std::optional<ContainerEnd> end_in(const Json& state) {
  const Json& json = field_in(state, "terminated");
  if (!json.is_object()) return {};
  ContainerEnd end;
  end.exit_code = static_cast<int>(number_in(json, "exitCode"));
  end.signal = static_cast<int>(number_in(json, "signal"));
  end.reason = text_in(json, "reason");
  end.message = text_in(json, "message");
  end.container_id = text_in(json, "containerID");
  end.started_at = time_in(json, "startedAt");
  end.finished_at = time_in(json, "finishedAt").value_or(Timestamp{});
  return end;
}

std::string what_happened(const ContainerEnd& end) {
  if (end.reason == kNotStarted) return "cannot start: " + end.message;
  if (end.reason == kUnknown) return end.message;
  if (end.signal != 0)
    return "was ended by signal " + std::to_string(end.signal) + " (" + ::strsignal(end.signal) +
           ")";
  return "exited with " + std::to_string(end.exit_code);
}

}  // namespace

ContainerRunner::ContainerRunner(const Clock& clock, Options options)
    : clock_(clock), options_(std::move(options)), due_at_(clock.now()) {}

Timestamp ContainerRunner::wall_now() const {
  return Timestamp(std::chrono::seconds(clock_.now_ms() / 1'000));
}

Result<void> ContainerRunner::take_up(const Json& status) {
  restarts_ = number_in(status, "restartCount");
  container_id_ = text_in(status, "containerID");
  const Json& state = field_in(status, "state");
  started_at_ = time_in(field_in(state, "running"), "startedAt");
  last_end_ = end_in(state);
  if (last_end_)
    step_ = Step::over;
  else
    last_end_ = end_in(field_in(status, "lastState"));
  return take_up_process();
}

// The record is newer than the status where an operator ended between the two.
Result<void> ContainerRunner::take_up_process() {
  const auto recorded = read_process_record(options_.record_file);
  if (!recorded && recorded.error().code != Errc::not_found) return recorded.error();
  const std::string recorded_id = recorded ? to_text(*recorded) : std::string();
  const bool is_unknown_to_status = recorded && recorded_id != container_id_;
  if (is_unknown_to_status) {
    if (!container_id_.empty()) ++restarts_;
    container_id_ = recorded_id;
    started_at_ = wall_now();
  }
  if (container_id_.empty()) return {};
  auto adopted = Process::adopt(options_.record_file);
  if (!adopted && adopted.error().code != Errc::not_found) return adopted.error();
  if (adopted) {
    process_ = std::move(*adopted);
    is_adopted_ = true;
    step_ = Step::running;
    running_since_ = clock_.now();
    if (!started_at_) started_at_ = wall_now();
    return {};
  }
  if (recorded && !options_.mark.empty()) end_left_over(*recorded, options_.mark);
  const bool is_end_known = last_end_ && last_end_->container_id == container_id_;
  if (!is_end_known) note_end(unseen_end(kEndedUnseen));
  return {};
}

void ContainerRunner::look() {
  if (!process_) return;
  const auto process_end = process_->end();
  if (!process_end) return keep_log_short(options_.log_file);
  process_.reset();
  const bool is_seen = process_end->exit_code || process_end->signal;
  ContainerEnd end = is_seen ? end_of(*process_end) : unseen_end(kEndedAdopted);
  if (options_.tells_last_words && !end.is_success() && end.message.empty())
    end.message = last_words(options_.log_file, is_adopted_ ? 0 : log_bytes_before_);
  note_end(std::move(end));
}

bool ContainerRunner::may_restart(const ContainerEnd& end) const {
  if (is_stopping_) return false;
  if (end.is_of_system) return true;
  switch (options_.restart) {
    case api::RestartPolicy::always: return true;
    case api::RestartPolicy::on_failure: return !end.is_success();
    case api::RestartPolicy::never: return false;
  }
  return false;
}

void ContainerRunner::note_end(ContainerEnd end) {
  end.container_id = container_id_;
  end.started_at = started_at_;
  end.finished_at = wall_now();
  const bool was_running = std::exchange(step_, Step::waiting) == Step::running;
  if (was_running && clock_.now() - running_since_ >= kGoodRun) {
    has_failed_before_ = false;
    backoff_.reset();
  }
  last_end_ = std::move(end);
  started_at_.reset();
  if (!may_restart(*last_end_)) {
    step_ = Step::over;
    say_end(*last_end_, {});
    return;
  }
  const bool is_at_once = !has_failed_before_ && last_end_->reason != kNotStarted;
  has_failed_before_ = true;
  const auto delay = is_at_once ? std::chrono::milliseconds{0} : backoff_.next();
  due_at_ = clock_.now() + delay;
  say_end(*last_end_, delay);
}

void ContainerRunner::say_end(const ContainerEnd& end,
                              std::optional<std::chrono::milliseconds> delay) const {
  std::string text = options_.title + " " + what_happened(end);
  if (delay)
    text += delay->count() == 0
                ? ", starts again at once"
                : ", starts again in " + std::to_string(delay->count() / 1'000) + " s";
  const bool is_told = end.reason == kNotStarted || end.reason == kUnknown;
  if (!is_told && !end.message.empty()) text += ": " + end.message;
  options_.say(!end.is_success() && !is_stopping_, text);
}

bool ContainerRunner::is_due() const { return step_ == Step::waiting && clock_.now() >= due_at_; }

std::optional<Clock::time_point> ContainerRunner::due_at() const {
  if (step_ != Step::waiting) return {};
  return due_at_;
}

void ContainerRunner::start(const ProcessSpec& spec) {
  if (!is_due()) return;
  log_bytes_before_ = log_bytes(options_.log_file);
  is_adopted_ = false;
  auto process = Process::start(spec);
  if (!process) return fail_start(process.error());
  if (last_end_) ++restarts_;
  process_ = std::move(*process);
  container_id_ = to_text(process_->id());
  started_at_ = wall_now();
  running_since_ = clock_.now();
  step_ = Step::running;
}

void ContainerRunner::fail_start(const Error& why) {
  ContainerEnd end;
  end.exit_code = kExitNotStarted;
  end.reason = kNotStarted;
  end.message = why.detail;
  end.is_of_system = why.code == Errc::io_error;
  if (last_end_) ++restarts_;
  note_end(std::move(end));
}

bool ContainerRunner::could_not_start() const {
  return !process_ && last_end_ && last_end_->reason == kNotStarted;
}

void ContainerRunner::stop() {
  is_stopping_ = true;
  if (step_ == Step::waiting) step_ = Step::over;
}

void ContainerRunner::signal(int number) {
  if (process_) process_->signal(number);
}

Json ContainerRunner::status(bool is_ready) const {
  Json json{{"name", options_.name},
            {"ready", is_ready},
            {"started", is_running()},
            {"restartCount", restarts_}};
  if (!container_id_.empty()) json["containerID"] = container_id_;
  Json& state = json["state"] = Json::object();
  if (process_) {
    json["pid"] = process_->id().pid;
    state["running"] = {{"startedAt", timestamp_text(started_at_.value_or(wall_now()))}};
  } else if (step_ == Step::over && last_end_) {
    state["terminated"] = to_json(*last_end_);
    return json;
  } else {
    Json& waiting = state["waiting"];
    waiting["reason"] = last_end_ ? "CrashLoopBackOff" : "PodInitializing";
    if (last_end_ && !last_end_->message.empty()) waiting["message"] = last_end_->message;
  }
  if (last_end_) json["lastState"] = {{"terminated", to_json(*last_end_)}};
  return json;
}

}  // namespace pannier::local
