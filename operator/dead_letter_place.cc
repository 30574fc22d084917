#include "operator/dead_letter_place.h"

#include <algorithm>

#include "operator/conditions.h"

namespace pannier {
namespace {

bool leads_to(const DeadLetter& target, const ViewedQueue& queue) {
  if (!target.queue.empty()) return queue.queue.queue_name() == target.queue;
  return std::ranges::any_of(queue.queue.spec.bindings, [&](const QueueBinding& binding) {
    return binding.exchange == target.exchange;
  });
}

bool is_open(const ViewedQueue& queue) {
  return queue.problem.empty() && !queue.queue.metadata.is_ending();
}

bool may_be_declared(const AgentPod& agent, const DeadLetter& target) {
  const bool may_declare =
      agent.agent_class && agent.agent_class->spec.client_topology != ClientTopology::none;
  if (!agent.report || target.queue.empty()) return may_declare;
  return std::ranges::any_of(agent.report->queues, [&](const ReportedQueue& reported) {
    return reported.uid.empty() && reported.name == target.queue;
  });
}

using Places = std::vector<const ViewedQueue*>;

// What the target's name leads to, on one agent or another.
Places places_of(const NamespaceView& view, const DeadLetter& target) {
  Places places;
  for (const ViewedQueue& each : view.queues)
    if (leads_to(target, each) && !each.is_name_taken) places.push_back(&each);
  return places;
}

bool has_place(const AgentPod& agent, const DeadLetter& target, const Places& places) {
  const auto takes = [&](const ViewedQueue* each) {
    return is_open(*each) && serves(agent, *each);
  };
  return std::ranges::any_of(places, takes) || may_be_declared(agent, target);
}

std::string what_is_missing(const DeadLetter& target, const Places& places,
                            const std::vector<std::string>& agents) {
  const bool is_queue = !target.queue.empty();
  const std::string name = quoted_for_people(is_queue ? target.queue : target.exchange);
  if (places.empty())
    return is_queue ? "no MessageQueue of the namespace has the queue name " + name
                    : "no MessageQueue of the namespace is bound to the exchange " + name;
  if (std::ranges::none_of(places, [](const ViewedQueue* each) { return is_open(*each); }))
    return (is_queue ? "the queue " : "what is bound to the exchange ") + name +
           " takes nothing more, as it is being deleted or cannot be read";
  return (is_queue ? "the queue " + name : "nothing that is bound to the exchange " + name) +
         (is_queue ? " is not" : " is") + " served by the agents of: " + listed(agents);
}

}  // namespace

std::string dead_letter_problem(const NamespaceView& view, const ViewedQueue& queue) {
  const auto& target = queue.queue.spec.delivery.dead_letter;
  if (!target) return {};
  const Places places = places_of(view, *target);
  std::vector<std::string> without;
  for (const AgentPod& agent : view.agents)
    if (serves(agent, queue) && !has_place(agent, *target, places))
      without.push_back(agent.pod.metadata.name);
  if (without.empty()) return {};
  return "dead letters have no place and stay in this queue: " +
         what_is_missing(*target, places, without);
}

}  // namespace pannier
