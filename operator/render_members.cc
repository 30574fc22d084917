#include "operator/render_members.h"

#include <algorithm>
#include <set>

#include "common/ip_address.h"

namespace pannier {
namespace {

using Agents = std::vector<const AgentPod*>;

const std::string& account_of(const AgentPod& agent) { return agent.pod.spec.service_account; }

bool is_forwarded(const ViewedQueue& queue) {
  return queue.queue.spec.forward_mode == ForwardMode::peers;
}

MemberAgent member_of(const AgentPod& agent) {
  MemberAgent member;
  member.pod_uid = agent.uid();
  member.pod_name = agent.pod.metadata.name;
  member.spool_id = agent.spool_id;
  member.address = agent.pod.status.pod_ip;
  member.port = agent.peer_port;
  member.service_account = account_of(agent);
  member.draining = agent.is_draining();
  member.started_at = agent.pod.status.started_at;
  return member;
}

// Hand-off: to those who run as the same ServiceAccount, since they had the messages already; where
// there are none, to those who might have pulled them.
std::vector<std::string> receivers_of(const AgentPod& agent, const ViewedQueue& queue,
                                      const Agents& serving) {
  std::vector<std::string> same, others;
  for (const AgentPod* each : serving) {
    if (each->uid() == agent.uid() || each->is_draining()) continue;
    if (account_of(*each) == account_of(agent))
      same.push_back(each->uid());
    else if (may(queue.queue.spec, account_of(*each), Verb::consume))
      others.push_back(each->uid());
  }
  return same.empty() ? others : same;
}

MemberQueue member_queue_of(const AgentPod& agent, const ViewedQueue& queue,
                            const Agents& serving) {
  MemberQueue member;
  member.uid = queue.queue.metadata.uid;
  for (const AgentPod* each : serving) {
    member.served_by.push_back(each->uid());
    if (may(queue.queue.spec, account_of(*each), Verb::consume))
      member.may_pull.push_back(each->uid());
  }
  member.may_receive = receivers_of(agent, queue, serving);
  return member;
}

}  // namespace

// A queue of mode Local is in nobody's members: being listed is what lets others pull and push.
Members render_members(const NamespaceView& view, const AgentPod& agent) {
  Members members;
  members.namespace_name = view.name;
  // Those that nobody can reach yet are left out.
  Agents reachable;
  for (const AgentPod& each : view.agents)
    if (is_ip_address(each.pod.status.pod_ip) && reachable.size() < kMembersAgentsMax)
      reachable.push_back(&each);
  std::set<const AgentPod*> known;
  for (const AgentPod* each : reachable)
    if (each->uid() == agent.uid()) known.insert(each);
  for (const ViewedQueue& queue : view.queues) {
    if (!is_forwarded(queue) || !serves(agent, queue)) continue;
    Agents serving;
    for (const AgentPod* each : reachable)
      if (serves(*each, queue)) serving.push_back(each);
    known.insert(serving.begin(), serving.end());
    members.queues.push_back(member_queue_of(agent, queue, serving));
  }
  for (const AgentPod* each : known) members.agents.push_back(member_of(*each));
  sort(members);
  return members;
}

}  // namespace pannier
