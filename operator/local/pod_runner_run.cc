// A pod that lives: its agent, then its init containers, then its containers.
#include <algorithm>
#include <utility>

#include "operator/local/container_process.h"
#include "operator/local/pod_runner_state.h"

namespace pannier::local {

void PodRunner::State::run() {
  run_agent();
  for (ContainerRunner& each : init_containers) each.look();
  for (ContainerRunner& each : containers) each.look();
  if (failure) return;
  // Once they have begun, they go on whatever becomes of the agent: it comes back.
  const bool may_begin = !agent || agent->is_ready() || has_begun;
  if (may_begin && run_init_containers()) run_containers();
  end_if_over();
}

// The class of that name as it is now. None: it is gone, or cannot be read: its defaults in its
// place could leave a spool behind.
std::optional<api::AgentClass> PodRunner::State::agent_class() const {
  const std::string name(pod->metadata.annotation(api::kInjectedAnnotation));
  if (const auto object = cache.find({std::string(api::kAgentClassKind), {}, name})) {
    auto read = api::read_agent_class(*object);
    return read ? std::optional(std::move(*read)) : std::nullopt;
  }
  if (name != api::kDefaultClassName) return {};
  api::AgentClass standard;
  standard.metadata.name = name;
  return standard;
}

void PodRunner::State::run_agent() {
  if (!agent) return;
  const auto of_class = agent_class();
  if (!of_class && agent->needs_class()) {
    say_once("its AgentClass " + std::string(pod->metadata.annotation(api::kInjectedAnnotation)) +
             " is not there, or cannot be read: make it again, or delete the pod");
    return;
  }
  const auto went = agent->go_on(*pod, of_class.value_or(api::AgentClass{}));
  if (!went) fail("AgentImpossible", went.error().detail);
}

bool PodRunner::State::run_init_containers() {
  for (std::size_t i = 0; i < init_containers.size(); ++i) {
    ContainerRunner& container = init_containers[i];
    if (!container.is_over()) {
      start(container, pod->spec.init_containers[i]);
      return false;
    }
    if (!container.last_end() || !container.last_end()->is_success()) {
      fail("InitContainerFailed",
           "init container " + container.name() + " failed" +
               (container.last_end() ? ": " + container.last_end()->reason : std::string()));
      return false;
    }
  }
  return true;
}

void PodRunner::State::run_containers() {
  for (std::size_t i = 0; i < containers.size() && i < pod->spec.containers.size(); ++i)
    start(containers[i], pod->spec.containers[i]);
  for (const ContainerRunner& each : containers) has_begun = has_begun || each.is_running();
  has_been_up = has_been_up || has_begun;
}

void PodRunner::State::start(ContainerRunner& container, const api::Container& spec) {
  if (!container.is_due()) return;
  const auto process = container_process(places, *pod, spec, agent ? agent->app_folder() : "");
  if (!process)
    container.fail_start(process.error());
  else
    container.start(*process);
  if (container.is_running())
    say(false, container.title() + " runs (pid " + std::to_string(container.pid()) + ")");
}

void PodRunner::State::end_if_over() {
  const bool are_over = std::all_of(containers.begin(), containers.end(),
                                    [](const ContainerRunner& each) { return each.is_over(); });
  if (!are_over || stage != Stage::running) return;
  for (const ContainerRunner& each : containers)
    if (each.last_end() && !each.last_end()->is_success()) {
      failure = Failure{each.last_end()->reason,
                        "container " + each.name() + ": " +
                            (each.last_end()->message.empty()
                                 ? "exit code " + std::to_string(each.last_end()->exit_code)
                                 : each.last_end()->message)};
      break;
    }
  stage = Stage::ending;
}

void PodRunner::State::fail(std::string reason, std::string message) {
  if (failure) return;
  say(true, message);
  failure = Failure{std::move(reason), std::move(message)};
  stage = Stage::ending;
}

}  // namespace pannier::local
