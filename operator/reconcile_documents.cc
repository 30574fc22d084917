#include "common/log.h"
#include "operator/reconcilers.h"
#include "operator/render_members.h"
#include "operator/render_policy.h"

namespace pannier {
namespace {

// Most agents of a namespace have the same policy: made once for all that serve the same queues.
class Policies {
 public:
  struct Made {
    std::string text;
    std::shared_ptr<const PolicyContents> contents;
  };
  Policies(const NamespaceView& view, std::string trust_bundle)
      : view_(view), trust_bundle_(std::move(trust_bundle)) {}

  const Made& of(const AgentPod& agent) {
    std::string key;
    for (const ViewedQueue& each : view_.queues) key += serves(agent, each) ? '1' : '0';
    if (agent.agent_class)
      key += std::to_string(static_cast<int>(agent.agent_class->spec.client_topology));
    const auto [held, is_new] = made_.try_emplace(std::move(key));
    if (!is_new) return held->second;
    const Policy policy = render_policy(view_, agent, trust_bundle_);
    auto contents = std::make_shared<PolicyContents>();
    for (const PolicyQueue& each : policy.queues) contents->served[each.uid] = each.generation;
    contents->tombstones = {policy.tombstones.begin(), policy.tombstones.end()};
    held->second = {to_yaml(policy), std::move(contents)};
    return held->second;
  }

 private:
  const NamespaceView& view_;
  const std::string trust_bundle_;
  std::map<std::string, Made> made_;  // by what it depends on of the agent
};

}  // namespace

Result<Reconciled> reconcile_documents(ReconcileContext& context,
                                       const std::string& namespace_name) {
  // Pods whose object cannot be read keep what they have; those that are over ask for nothing.
  std::set<std::string> pods;
  for (const kube::Object& pod : context.cache.list(api::kPodKind, namespace_name))
    pods.insert(pod.metadata().uid);
  const NamespaceView view =
      view_namespace(context.cache, context.reports, context.hashes, namespace_name);
  for (const std::string& problem : view.problems)
    log::warn("an object is left out of the agents' documents", {{"problem", problem}});
  Policies policies(view, context.trust_bundle());
  for (const AgentPod& agent : view.agents) {
    const Policies::Made& policy = policies.of(agent);
    context.documents.put(agent.uid(), policy.text, to_yaml(render_members(view, agent)),
                          namespace_name, policy.contents);
  }
  context.documents.keep_only(namespace_name, pods);
  return Reconciled{};
}

}  // namespace pannier
