// The end of a pod: its containers, then its agent, then what is left of it on disk.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

#include "operator/local/pod_runner_state.h"

namespace pannier::local {

void PodRunner::State::end() {
  if (agent) {
    agent->drain();
    // Its class does not matter any more: it does not start again.
    if (auto went = agent->go_on(*pod, api::AgentClass{}); !went) say_once(went.error().detail);
  }
  if (!end_containers()) return;
  if (agent) {
    agent->terminate();
    if (auto went = agent->go_on(*pod, api::AgentClass{}); !went) say_once(went.error().detail);
    if (!agent->is_over()) return;
  }
  finish();
}

bool PodRunner::State::end_containers() {
  bool are_over = true;
  const bool is_first = !std::exchange(has_signalled, true);
  if (is_first) grace_ends = clock.now() + pod->spec.grace;
  const bool is_time_up = !is_first && clock.now() >= grace_ends && !has_killed;
  for (auto* const of : {&init_containers, &containers})
    for (ContainerRunner& each : *of) {
      each.stop();
      each.look();
      if (is_first) each.signal(SIGTERM);
      if (is_time_up && each.is_running()) {
        say(true, "container " + each.name() + " did not end in its grace, and is killed");
        each.signal(SIGKILL);
      }
      are_over = are_over && each.is_over();
    }
  has_killed = has_killed || is_time_up;
  return are_over;
}

void PodRunner::State::finish() {
  tell_of_losses();
  if (!is_deleted) {
    stage = Stage::over;
    say(failure.has_value(), failure ? "failed: " + failure->message : "succeeded");
    return;
  }
  remove_folder();
  if (is_folder_removed) let_go();
}

// An emptyDir goes with its pod. What its agent could not hand over is said, and counted.
void PodRunner::State::tell_of_losses() {
  if (std::exchange(has_told_losses, true) || !agent || agent->has_claim()) return;
  const auto held = agent->held();
  if (held && *held == 0) return;
  const std::string note =
      held ? "the agent still held " + std::to_string(*held) +
                 " messages when it was asked last, and its spool goes with the pod"
           : "the agent could not be asked what it still held, and its spool goes with the pod";
  say(true, note);
  store.record({key, uid, kube::Event::Type::warning, "MessagesLost", note});
}

void PodRunner::State::remove_folder() {
  if (is_folder_removed) return;
  std::error_code failed;
  std::filesystem::remove(places.control_socket(uid), failed);
  std::filesystem::remove_all(places.pod(uid), failed);
  is_folder_removed = !failed;
  if (failed)
    retry_store({Errc::io_error, "cannot remove " + places.pod(uid) + ": " + failed.message()});
}

// The last of ours: without our finalizer the object goes.
void PodRunner::State::let_go() {
  const auto object = store.get(key);
  if (!object && object.error().code != Errc::not_found) return retry_store(object.error());
  if (object && object->metadata().uid == uid) {
    std::vector<std::string> finalizers;
    for (const std::string& each : object->metadata().finalizers)
      if (each != kRunnerFinalizer) finalizers.push_back(each);
    // Also where it was not among them: a pod that is being deleted waits for its runner's word.
    if (auto put = store.put_finalizers(*object, finalizers); !put) return retry_store(put.error());
  }
  stage = Stage::gone;
  say(false, "gone");
}

}  // namespace pannier::local
