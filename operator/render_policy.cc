#include "operator/render_policy.h"

#include <algorithm>
#include <set>

namespace pannier {
namespace {

PolicyQueue policy_queue_of(const api::MessageQueue& queue) {
  const api::MessageQueueSpec& spec = queue.spec;
  PolicyQueue rendered;
  rendered.uid = queue.metadata.uid;
  rendered.generation = std::max<std::uint64_t>(1, queue.metadata.generation);
  rendered.name = queue.queue_name();
  rendered.durability = spec.durability;
  rendered.storage = spec.storage;
  rendered.delivery = spec.delivery;
  rendered.bindings = spec.bindings;
  rendered.forward_mode = spec.forward_mode;
  rendered.access = spec.access;
  rendered.paused = spec.paused || queue.metadata.annotation(api::kPausedAnnotation) == "true";
  rendered.ending = queue.metadata.is_ending();
  rendered.deletion_policy = spec.deletion_policy;
  return rendered;
}

}  // namespace

Policy render_policy(const NamespaceView& view, const AgentPod& agent,
                     const std::string& trust_bundle) {
  Policy policy;
  policy.namespace_name = view.name;
  if (agent.agent_class) policy.client_topology = agent.agent_class->spec.client_topology;
  policy.trust_bundle = trust_bundle;
  std::set<std::string> served, others;
  for (const ViewedQueue& each : view.queues) {
    if (each.is_discarding) policy.tombstones.push_back(each.queue.metadata.uid);
    if (serves(agent, each)) {
      policy.queues.push_back(policy_queue_of(each.queue));
      served.insert(each.queue.queue_name());
    } else {
      others.insert(each.queue.queue_name());
    }
  }
  // Names that are taken are served under the older queue's UID.
  std::ranges::set_difference(others, served, std::back_inserter(policy.other_queues));
  for (const ViewedUser& each : view.users)
    if (!each.password_hash.empty())
      policy.users.push_back({each.user.user_name(), {{each.password_hash, std::nullopt}}});
  sort(policy);
  return policy;
}

}  // namespace pannier
