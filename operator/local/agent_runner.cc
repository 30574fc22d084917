#include "operator/local/agent_runner.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "common/unix_http.h"
#include "operator/local/container_process.h"
#include "operator/local/status_json.h"
#include "operator/render_agent_config.h"

namespace pannier::local {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr std::size_t kSaidBytesMax = 200;
constexpr std::size_t kStatusBytesMax = 16u << 20;
constexpr int kHttpOk = 200;
constexpr int kHttpAccepted = 202;

const std::string kName{api::kAgentContainer};

Result<HttpAnswer> ask(const std::string& socket, const char* method, const char* target) {
  UnixHttp http(socket);
  return http.request({method, target, {}, {}}, AgentRunner::kAskFor);
}

bool exists(const std::string& path) {
  std::error_code failed;
  return std::filesystem::exists(path, failed);
}

}  // namespace

AgentRunner::AgentRunner(const Places& places, const Clock& clock, Options options,
                         const api::Pod& pod)
    : places_(places),
      clock_(clock),
      options_(std::move(options)),
      uid_(pod.metadata.uid),
      control_socket_(places.control_socket(pod.metadata.uid)),
      container_(clock, {kName, "agent", container_record(places, pod.metadata.uid, kName),
                         container_log(places, pod.metadata.uid, kName), true,
                         api::RestartPolicy::always, options_.say}),
      ask_at_(clock.now()) {
  spool_is_in_pod_ = exists(places.pod(uid_) + "/spool") ||
                     !exists(places.claim(pod.metadata.namespace_name, pod.metadata.name));
}

Result<void> AgentRunner::take_up(const kube::Json& status) {
  if (auto taken = container_.take_up(status); !taken) return taken;
  has_served_ = container_.restarts() > 0 || field_in(status, "ready") == true;
  return {};
}

std::string AgentRunner::app_folder() const { return places_.pod(uid_) + "/app"; }

Result<void> AgentRunner::write_config(const api::Pod& pod, const api::AgentClass& agent_class) {
  const std::string folder = places_.pod(uid_);
  // A class that changes later must not take a living pod's spool away.
  spool_is_in_pod_ = exists(folder + "/spool") || !agent_class.spec.spool.is_claim;
  LocalAgentPlaces places;
  places.address = pod.status.pod_ip;
  places.folders.app = app_folder();
  places.folders.agent = folder + "/agent";
  places.folders.spool = spool_is_in_pod_
                             ? folder + "/spool"
                             : places_.claim(pod.metadata.namespace_name, pod.metadata.name);
  places.control_socket = control_socket_;
  places.files = {folder + "/policy.yaml", folder + "/members.yaml", folder + "/tls.crt",
                  folder + "/tls.key", folder + "/ca.crt"};
  const auto config = render_local_agent_config(pod, agent_class, options_.trust_domain, places);
  if (!config) return config.error();
  for (const std::string& each : {places.folders.app, places.folders.agent, places.folders.spool,
                                  places_.run(), folder + "/logs", folder + "/containers"})
    if (auto made = make_folders(each, kFolderMode); !made) return made;
  return write_file(folder + "/agent.yaml", to_yaml(*config), kFileMode);
}

Result<void> AgentRunner::start(const api::Pod& pod, const api::AgentClass& agent_class) {
  is_waiting_for_documents_ = !options_.is_prepared(pod);
  if (is_waiting_for_documents_) return {};
  if (auto written = write_config(pod, agent_class); !written) {
    // A pod that has lived goes on without it, until its class is mended.
    if (written.error().code == Errc::bad_config && !has_served_) return written;
    container_.fail_start(written.error());
    return {};
  }
  ProcessSpec spec;
  spec.argv = {options_.program, "--config", places_.pod(uid_) + "/agent.yaml"};
  spec.environment = base_environment();
  spec.working_dir = places_.pod(uid_);
  spec.log_file = container_log(places_, uid_, kName);
  spec.record_file = container_record(places_, uid_, kName);
  container_.start(spec);
  ask_at_ = clock_.now();
  return {};
}

Result<void> AgentRunner::go_on(const api::Pod& pod, const api::AgentClass& agent_class) {
  container_.look();
  if (!container_.is_running()) is_ready_ = false;
  if (container_.is_due() && !is_to_drain_)
    if (auto started = start(pod, agent_class); !started) return started;
  if (!container_.is_running()) return {};
  if (!is_ready_ && !is_to_drain_ && may_ask()) ask_whether_ready(pod.status.pod_ip);
  if (is_to_drain_ && !is_draining_ && may_ask()) ask_to_drain();
  if (is_to_end_) go_on_ending();
  return {};
}

bool AgentRunner::may_ask() { return clock_.now() >= ask_at_; }

void AgentRunner::ask_whether_ready(const std::string& address) {
  const auto answer = ask(control_socket_, "GET", "/readyz");
  if (answer && answer->status == kHttpOk) {
    is_ready_ = has_served_ = true;
    not_ready_.clear();
    options_.say(false,
                 "agent ready on " + address + " (pid " + std::to_string(container_.pid()) + ")");
    return;
  }
  not_ready_ = answer ? answer->body.substr(0, kSaidBytesMax) : answer.error().detail;
  const bool is_silent = !answer && answer.error().code == Errc::timed_out;
  ask_at_ = clock_.now() + (is_silent ? kAskSilentAgain : kAskAgain);
}

std::string AgentRunner::why_not_ready() const {
  if (is_ready_) return {};
  if (is_waiting_for_documents_) return "the agent's identity and documents are not there yet";
  if (container_.is_running()) return "the agent is not ready: " + not_ready_;
  const auto& end = container_.last_end();
  if (!end) return "the agent has not started yet";
  return "the agent ended, and starts again" + (end->message.empty() ? "" : ": " + end->message);
}

kube::Json AgentRunner::status() const { return container_.status(is_ready_); }

void AgentRunner::drain() { is_to_drain_ = true; }

void AgentRunner::ask_to_drain() {
  const auto answer = ask(control_socket_, "POST", "/drain");
  is_draining_ = answer && answer->status == kHttpAccepted;
  if (is_draining_) return;
  const bool is_silent = !answer && answer.error().code == Errc::timed_out;
  ask_at_ = clock_.now() + (is_silent ? kAskSilentAgain : kAskAgain);
}

void AgentRunner::terminate() {
  if (std::exchange(is_to_end_, true)) return;
  is_to_drain_ = true;
  is_ready_ = false;
  ask_at_ = clock_.now();
  container_.stop();
  kill_at_ = clock_.now() + AgentConfig{}.drain_budget + kBeyondDrain;
}

// A second SIGTERM would cut its hand-over short: an operator before us may have sent the first.
void AgentRunner::go_on_ending() {
  if (clock_.now() >= kill_at_) {
    if (std::exchange(is_killed_, true)) return;
    options_.say(true, "agent does not end in time, and is killed");
    container_.signal(SIGKILL);
    return;
  }
  if (is_terminated_ && !may_ask()) return;
  const std::string phase = ask_what_it_holds();
  ask_at_ = clock_.now() + (phase.empty() ? kAskSilentAgain : kAskAgain);
  if (std::exchange(is_terminated_, true) || phase == "ending") return;
  container_.signal(SIGTERM);
}

std::string AgentRunner::ask_what_it_holds() {
  const auto answer = ask(control_socket_, "GET", "/v1/status");
  if (!answer || answer->status != kHttpOk) return {};
  return take_status(answer->body);
}

// The phase; empty for what is no status.
std::string AgentRunner::take_status(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto& queues = field_in(json, "queues");
  if (!queues.is_array()) return {};
  std::uint64_t held = 0;
  for (const auto& queue : queues)
    for (const char* const kind : {"ready", "unacked", "delayed"}) held += number_in(queue, kind);
  held_ = held;
  return text_in(json, "phase");
}

// Since it was asked last it may have handed over the rest: what it has left behind counts, if it
// had the time to.
std::optional<std::uint64_t> AgentRunner::held() {
  if (const auto text =
          read_file(places_.pod(uid_) + "/agent/" + kFinalStatusFile, kStatusBytesMax))
    take_status(*text);
  return has_served_ ? held_ : held_.value_or(0);
}

std::optional<Clock::time_point> AgentRunner::due_at() const {
  if (is_over()) return {};
  if (container_.is_running()) {
    if (is_killed_) return {};
    if (is_to_end_) return std::min(ask_at_, kill_at_);
    const bool is_asking = is_to_drain_ ? !is_draining_ : !is_ready_;
    return is_asking ? std::optional(ask_at_) : std::nullopt;
  }
  if (is_to_drain_) return {};
  if (is_waiting_for_documents_) return clock_.now() + kAskAgain;
  return container_.due_at();
}

}  // namespace pannier::local
