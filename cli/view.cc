#include "cli/view.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "cli/agent_client.h"
#include "cli/print.h"

namespace pannier::cli {
namespace {

bool matches(const QueueObject& object, const Agent& agent) {
  if (!agent.object) return true;
  return std::ranges::all_of(object.selector, [&](const auto& label) {
    const auto found = agent.object->labels.find(label.first);
    return found != agent.object->labels.end() && found->second == label.second;
  });
}

std::string names_of(const std::vector<QueueView>& queues) {
  std::string names;
  for (const QueueView& queue : queues) names += (names.empty() ? "" : ", ") + queue.name;
  return names.empty() ? "there are none" : "there are " + names;
}

std::string names_of(const std::vector<Agent>& agents) {
  std::string names;
  for (const Agent& agent : agents) names += (names.empty() ? "" : ", ") + agent.pod;
  return names.empty() ? "there are none" : "there are " + names;
}

Result<View> look_at_socket(const Options& options) {
  View view;
  view.place = options.socket;
  Agent& agent = view.agents.emplace_back();
  agent.socket = options.socket;
  ask_all(view.agents, options.timeout);
  // Nobody there is no view.
  if (!agent.status) return Error{Errc::closed, agent.why_silent};
  agent.namespace_name = agent.status->namespace_name;
  agent.pod = agent.status->pod;
  agent.uid = agent.status->pod_uid;
  return view;
}

}  // namespace

Result<View> look(const Options& options) {
  if (!options.socket.empty()) return look_at_socket(options);
  auto folder = LocalFolder::find(options.local);
  if (!folder) return folder.error();
  const auto is_wanted = [&](const std::string& namespace_name) {
    return options.all_namespaces || namespace_name == options.namespace_name;
  };
  View view;
  view.is_local = true;
  view.place = folder->root();
  for (QueueObject& object : folder->queues())
    if (is_wanted(object.namespace_name)) view.objects.push_back(std::move(object));
  for (PodObject& pod : folder->pods()) {
    if (!pod.is_injected || !is_wanted(pod.namespace_name)) continue;
    if (!options.agent.empty() && pod.name != options.agent) continue;
    Agent& agent = view.agents.emplace_back();
    agent.namespace_name = pod.namespace_name;
    agent.pod = pod.name;
    agent.uid = pod.uid;
    agent.socket = folder->control_socket(pod.uid);
    agent.is_asked = !pod.is_over();
    agent.object = std::move(pod);
  }
  view.events = folder->events();
  view.warnings = folder->warnings;
  if (!options.agent.empty() && view.agents.empty())
    return Error{Errc::not_found, "no pod '" + options.agent + "' with an agent in namespace '" +
                                      options.namespace_name + "' of '" + view.place +
                                      "'; `pannierctl get agents` lists them"};
  ask_all(view.agents, options.timeout);
  return view;
}

std::optional<std::uint64_t> QueueView::sum(std::uint64_t QueueStatus::*number) const {
  if (on.empty() && !silent.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const QueueOnAgent& each : on) sum += each.status->*number;
  return sum;
}

std::optional<Timestamp> QueueView::oldest() const {
  std::optional<Timestamp> oldest;
  for (const QueueOnAgent& each : on)
    if (each.status->oldest && (!oldest || *each.status->oldest < *oldest))
      oldest = each.status->oldest;
  return oldest;
}

std::string QueueView::durability() const {
  if (object != nullptr) return object->durability;
  return on.empty() ? std::string() : on.front().status->durability;
}

std::vector<QueueView> queues_of(const View& view) {
  // A MessageQueue and what agents hold for it go together by UID; what clients declared, by name.
  std::map<std::tuple<std::string, std::string, std::string>, QueueView> found;
  const auto at = [&found](const std::string& namespace_name, const std::string& name,
                           const std::string& uid) -> QueueView& {
    QueueView& queue = found[{namespace_name, name, uid}];
    queue.namespace_name = namespace_name;
    queue.name = name;
    queue.uid = uid;
    return queue;
  };
  for (const QueueObject& object : view.objects)
    at(object.namespace_name, object.queue_name, object.uid).object = &object;
  for (const Agent& agent : view.agents) {
    if (!agent.status) continue;
    for (const QueueStatus& queue : agent.status->queues)
      at(agent.namespace_name, queue.name, queue.uid).on.push_back({&agent, &queue});
  }
  std::vector<QueueView> queues;
  for (auto& [key, queue] : found) {
    for (const Agent& agent : view.agents)
      if (agent.is_silent() && agent.namespace_name == queue.namespace_name &&
          (queue.object == nullptr || matches(*queue.object, agent)))
        queue.silent.push_back(&agent);
    queues.push_back(std::move(queue));
  }
  return queues;
}

Result<QueueView> find_queue(const View& view, const std::string& name) {
  const std::vector<QueueView> queues = queues_of(view);
  for (const QueueView& queue : queues)
    if (queue.name == name) return queue;
  for (const QueueView& queue : queues)
    if (queue.object != nullptr && queue.object->name == name) return queue;
  return Error{Errc::not_found, "no queue '" + name + "' on '" + view.place + "'; " +
                                    names_of(queues) +
                                    (view.is_local ? " (another namespace: -n NAME)" : "")};
}

Result<const Agent*> choose_agent(const View& view, const Options& options,
                                  const std::string& queue, bool prefers_messages) {
  if (!view.is_local || !options.agent.empty()) {  // the one: it says itself what it does not serve
    const Agent& agent = view.agents.front();
    if (agent.status) return &agent;
    return Error{Errc::closed, "agent '" + agent.pod + "' does not answer: " +
                                   (agent.is_asked ? agent.why_silent : "its pod has ended")};
  }
  const auto found = find_queue(view, queue);
  if (!found) return found.error();
  const Agent* best = nullptr;
  std::uint64_t most = 0;
  for (const QueueOnAgent& each : found->on) {
    const bool is_serving = each.agent->status->phase == "serving";
    if (!is_serving && !prefers_messages) continue;
    if (best != nullptr && (!prefers_messages || each.status->ready <= most)) continue;
    best = each.agent;
    most = each.status->ready;
  }
  if (best != nullptr) return best;
  return Error{Errc::closed, "no agent that serves queue '" + queue + "' answers; agents: " +
                                 names_of(view.agents) + "; see `pannierctl get agents`"};
}

void warn_of(const View& view) {
  for (const std::string& warning : view.warnings) warn(warning);
  for (const Agent& agent : view.agents)
    if (agent.is_silent())
      warn("agent '" + agent.pod +
           "' does not answer, and what it holds is not counted: " + agent.why_silent);
}

}  // namespace pannier::cli
