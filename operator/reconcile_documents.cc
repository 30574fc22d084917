#include "common/log.h"
#include "operator/reconcilers.h"
#include "operator/render_members.h"
#include "operator/render_policy.h"

namespace pannier {

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
  const std::string trust_bundle = context.trust_bundle();
  for (const AgentPod& agent : view.agents)
    context.documents.put(agent.uid(), to_yaml(render_policy(view, agent, trust_bundle)),
                          to_yaml(render_members(view, agent)), namespace_name);
  context.documents.keep_only(namespace_name, pods);
  return Reconciled{};
}

}  // namespace pannier
