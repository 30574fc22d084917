#include "operator/local/pod_runner.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/files.h"
#include "operator/local/container_process.h"
#include "operator/local/pod_addresses.h"
#include "operator/local/pod_runner_state.h"
#include "operator/local/pod_status.h"
#include "operator/local/status_json.h"

namespace pannier::local {

using kube::Json;

PodRunner::State::State(const Places& places_given, kube::Client& store_given,
                        const kube::Cache& cache_given, const Clock& clock_given,
                        PodRunnerOptions options_given, kube::Key key_given)
    : places(places_given),
      store(store_given),
      cache(cache_given),
      clock(clock_given),
      options(std::move(options_given)),
      key(std::move(key_given)),
      store_again(clock_given.now()) {}

Timestamp PodRunner::State::wall_now() const {
  return Timestamp(std::chrono::seconds(clock.now_ms() / 1'000));
}

void PodRunner::State::say(bool is_problem, const std::string& text) const {
  options.say(is_problem, "pod " + key.namespace_name + "/" + key.name + ": " + text);
}

void PodRunner::State::say_once(const std::string& problem) {
  if (std::exchange(last_problem, problem) != problem) say(true, problem);
}

void PodRunner::State::retry_store(const Error& error) {
  store_again = clock.now() + kStoreAgain;
  if (error.code == Errc::precondition)
    store_again = clock.now() + kChangedAgain;  // by somebody who was quicker
  else
    say_once(error.detail);
}

void PodRunner::State::run_once() {
  if (stage == Stage::gone) return;
  look_at_object();
  if (!pod) {
    if (is_deleted) stage = Stage::gone;  // before we had seen it
    return;
  }
  if (clock.now() < store_again) return;
  if (stage == Stage::setting_up) set_up();
  if (is_deleted && stage != Stage::setting_up && stage != Stage::gone) stage = Stage::ending;
  if (stage == Stage::running) run();
  if (stage == Stage::ending) end();
  if (stage != Stage::setting_up && stage != Stage::gone) keep_status();
}

// What is seen of the pod is what the cache has; a pod of another UID is not ours any more.
void PodRunner::State::look_at_object() {
  const auto object = cache.find(key);
  if (!object || (!uid.empty() && object->metadata().uid != uid)) {
    is_deleted = true;
    return;
  }
  if (object->metadata().resource_version == resource_version && pod) return;
  auto read = api::read_pod(*object);
  if (!read) {
    say_once(read.error().detail);
    return;
  }
  uid = object->metadata().uid;
  resource_version = object->metadata().resource_version;
  kept_status = object->status();
  // What runs is what was there when it began, as in a cluster, where a pod's spec does not change.
  if (pod) read->spec = pod->spec;
  pod = std::move(*read);
  is_deleted = is_deleted || pod->metadata.is_ending();
  if (!address.empty()) pod->status.pod_ip = address;
}

bool PodRunner::State::is_object_there() const {
  const auto object = cache.find(key);
  return object && (uid.empty() || object->metadata().uid == uid);
}

// Nothing of the pod is there before its deletion would wait for it, and its address is kept.
void PodRunner::State::set_up() {
  if (!is_deleted && !has_finalizer()) return;
  if (!is_deleted && !pod->is_over() && !has_address()) return;
  for (const char* const folder : {"/logs", "/containers"})
    if (auto made = make_folders(places.pod(uid) + folder, 0700); !made)
      return retry_store(made.error());
  if (auto taken = take_up(); !taken) {  // what runs already must not run twice
    agent.reset();
    init_containers.clear();
    containers.clear();
    return retry_store(taken.error());
  }
  // What ended with an operator before us has been told by it.
  has_told_losses = pod->is_over();
  stage = pod->is_over() ? Stage::over : Stage::running;
}

bool PodRunner::State::has_finalizer() {
  if (pod->metadata.has_finalizer(kRunnerFinalizer)) return true;
  const auto object = cache.find(key);
  if (!object) return false;
  auto finalizers = object->metadata().finalizers;
  finalizers.emplace_back(kRunnerFinalizer);
  if (auto put = store.put_finalizers(*object, finalizers); !put) {
    retry_store(put.error());
    return false;
  }
  return true;
}

bool PodRunner::State::has_address() {
  started_at = time_in(kept_status, "startTime").value_or(wall_now());
  address = text_in(kept_status, "podIP");
  if (!address.empty()) {
    pod->status.pod_ip = address;
    return true;
  }
  const auto pods = store.list(api::kPodKind);
  if (!pods) {
    retry_store(pods.error());
    return false;
  }
  std::set<std::string> taken;
  for (const kube::Object& each : *pods) taken.insert(text_in(each.status(), "podIP"));
  const auto chosen = choose_pod_address(uid, taken);
  if (!chosen) {
    retry_store({Errc::limit_reached, "there is no address left for it in 127.64.0.0/10"});
    return false;
  }
  const Json status =
      pod_status({"Pending", *chosen, *started_at, {}, {}, "PodInitializing", {}, {}, {}},
                 kept_status, wall_now());
  if (auto put = store.put_status(key, status); !put) {
    retry_store(put.error());
    return false;
  }
  address = *chosen;
  pod->status.pod_ip = address;
  kept_status = status;
  return true;
}

Result<void> PodRunner::State::take_up() {
  started_at = time_in(kept_status, "startTime").value_or(wall_now());
  address = text_in(kept_status, "podIP");
  has_been_up = text_in(kept_status, "phase") == "Running";
  const Say tell = [this](bool is_problem, const std::string& text) { say(is_problem, text); };
  const Json& init_statuses = field_in(kept_status, "initContainerStatuses");
  if (pod->is_injected()) {
    agent.emplace(places, clock,
                  AgentRunner::Options{options.agent_program, options.trust_domain,
                                       options.is_prepared, tell},
                  *pod);
    if (auto taken = agent->take_up(item_named(init_statuses, "name", api::kAgentContainer));
        !taken)
      return taken;
  }
  const auto restart = pod->spec.restart_policy;
  const auto init_restart = restart == api::RestartPolicy::never ? api::RestartPolicy::never
                                                                 : api::RestartPolicy::on_failure;
  const std::string mark = agent ? "PANNIER_DIR=" + agent->app_folder() : std::string();
  const auto add = [&](std::vector<ContainerRunner>& to, const api::Container& container,
                       const char* title, api::RestartPolicy policy, const Json& statuses) {
    to.emplace_back(clock, ContainerRunner::Options{container.name, title + container.name,
                                                    container_record(places, uid, container.name),
                                                    container_log(places, uid, container.name),
                                                    false, policy, tell, mark});
    return to.back().take_up(item_named(statuses, "name", container.name));
  };
  for (const api::Container& each : pod->spec.init_containers)
    if (auto taken = add(init_containers, each, "init container ", init_restart, init_statuses);
        !taken)
      return taken;
  for (const api::Container& each : pod->spec.containers)
    if (auto taken = add(containers, each, "container ", restart,
                         field_in(kept_status, "containerStatuses"));
        !taken)
      return taken;
  for (const ContainerRunner& each : containers) has_begun = has_begun || each.is_running();
  return {};
}

std::string PodRunner::State::phase_at_end() const {
  if (failure) return "Failed";
  for (const ContainerRunner& each : containers)
    if (!each.last_end() || !each.last_end()->is_success()) return "Failed";
  return "Succeeded";
}

Json PodRunner::State::status_now() const {
  PodFacts facts;
  facts.address = address;
  facts.started_at = started_at.value_or(wall_now());
  facts.phase = stage == Stage::over ? phase_at_end() : has_been_up ? "Running" : "Pending";
  if (failure) {
    facts.reason = failure->reason;
    facts.message = failure->message;
  }
  if (agent) facts.init_containers.push_back(agent->status());
  for (const ContainerRunner& each : init_containers)
    facts.init_containers.push_back(
        each.status(each.is_over() && each.last_end() && each.last_end()->is_success()));
  for (const auto* of : {&init_containers, &containers})
    for (const ContainerRunner& each : *of)
      if (each.could_not_start() && facts.reason.empty()) {
        facts.reason = each.last_end()->reason;
        facts.message = "container " + each.name() + ": " + each.last_end()->message;
      }
  for (const ContainerRunner& each : containers) {
    facts.containers.push_back(each.status(each.is_running()));
    if (!each.is_running() && facts.not_ready_reason.empty()) {
      facts.not_ready_reason = "ContainersNotReady";
      facts.not_ready_message = "container " + each.name() + " does not run";
      if (each.last_end() && !each.last_end()->message.empty())
        facts.not_ready_message = "container " + each.name() + ": " + each.last_end()->message;
    }
  }
  if (agent && !agent->is_ready()) {
    facts.not_ready_reason = "AgentNotReady";
    facts.not_ready_message = agent->why_not_ready();
  }
  if (stage == Stage::over) {
    facts.not_ready_reason = failure ? "PodFailed" : "PodCompleted";
    facts.not_ready_message.clear();
  } else if (stage == Stage::ending) {
    facts.not_ready_reason = "PodEnding";
    facts.not_ready_message.clear();
  }
  return pod_status(facts, kept_status, wall_now());
}

// What was said of a pod that is over stays.
void PodRunner::State::keep_status() {
  if (!is_object_there() || pod->is_over()) return;
  Json status = status_now();
  if (status == kept_status) return;
  if (auto put = store.put_status(key, status); !put) {
    if (put.error().code != Errc::not_found) retry_store(put.error());
    return;
  }
  kept_status = std::move(status);
}

std::chrono::milliseconds PodRunner::State::come_again() const {
  const auto now = clock.now();
  auto at = now + kLookAgain;
  const auto by = [&](std::optional<Clock::time_point> due) {
    if (due && *due > now) at = std::min(at, *due);
  };
  by(store_again);
  if (stage == Stage::ending && has_signalled && !has_killed) by(grace_ends);
  if (agent) by(agent->due_at());
  for (const auto* of : {&init_containers, &containers})
    for (const ContainerRunner& each : *of) by(each.due_at());
  if (store_again > now) at = std::max(at, store_again);
  return std::chrono::ceil<std::chrono::milliseconds>(std::max(at, now) - now);
}

PodRunner::PodRunner(const Places& places, kube::Client& store, const kube::Cache& cache,
                     const Clock& clock, PodRunnerOptions options, kube::Key pod)
    : state_(std::make_unique<State>(places, store, cache, clock, std::move(options),
                                     std::move(pod))) {}

PodRunner::~PodRunner() = default;

std::chrono::milliseconds PodRunner::run_once() {
  state_->run_once();
  return state_->come_again();
}

std::vector<int> PodRunner::descriptors() const {
  std::vector<int> all;
  // Nobody looks at them before: a process that has ended would keep the caller turning.
  if (state_->clock.now() < state_->store_again) return all;
  const auto add = [&](int descriptor) {
    if (descriptor >= 0) all.push_back(descriptor);
  };
  if (state_->agent) add(state_->agent->descriptor());
  for (const auto* of : {&state_->init_containers, &state_->containers})
    for (const ContainerRunner& each : *of) add(each.descriptor());
  return all;
}

bool PodRunner::is_gone() const {
  return state_->stage == State::Stage::gone && !state_->is_object_there();
}

}  // namespace pannier::local
