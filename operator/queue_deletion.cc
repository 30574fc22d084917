#include "operator/queue_deletion.h"

#include <limits>

namespace pannier {

std::uint64_t added(std::uint64_t one, std::uint64_t other) {
  // What a status may hold.
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  return one > kMax || other > kMax - one ? kMax : one + other;
}

std::uint64_t messages_of(const ReportedQueue& reported) {
  return added(added(reported.ready, reported.unacked), reported.delayed);
}

DeletionWait wait_until_empty(const NamespaceView& view, const ViewedQueue& queue,
                              const HasPolicy& has_policy) {
  const kube::Metadata& metadata = queue.queue.metadata;
  DeletionWait wait;
  wait.silent = view.unreadable_agents;
  for (const AgentPod& agent : view.agents) {
    const std::string& name = agent.pod.metadata.name;
    if (!agent.report) {
      wait.silent.push_back(name);
      continue;
    }
    const ReportedQueue* const reported = agent.report->find(metadata.uid);
    // A queue that it has parked keeps the generation that it had.
    // Where it has a later generation than the object (which came back from a copy), it ignores
    // what the object says, and takes publishes yet.
    const bool knows = reported != nullptr && serves(agent, queue)
                           ? reported->generation == metadata.generation
                           : has_policy(agent);
    if (!knows) wait.behind.push_back(name);
    if (reported == nullptr || messages_of(*reported) == 0) continue;
    wait.messages = added(wait.messages, messages_of(*reported));
    if (knows) wait.holding.push_back(name);
  }
  return wait;
}

DeletionWait wait_until_discarded(const NamespaceView& view, const ViewedQueue& queue,
                                  const HasPolicy& has_policy) {
  DeletionWait wait;
  wait.silent = view.unreadable_agents;
  for (const AgentPod& agent : view.agents) {
    const std::string& name = agent.pod.metadata.name;
    if (!agent.report) {
      wait.silent.push_back(name);
    } else if (const auto* reported = agent.report->find(queue.queue.metadata.uid)) {
      wait.holding.push_back(name);
      wait.messages = added(wait.messages, messages_of(*reported));
    } else if (!has_policy(agent)) {
      wait.behind.push_back(name);
    }
  }
  return wait;
}

bool may_discard(const api::MessageQueue& queue) {
  return !queue.metadata.uid.empty() &&
         queue.metadata.annotation(api::kDiscardAnnotation) == queue.metadata.uid;
}

}  // namespace pannier
