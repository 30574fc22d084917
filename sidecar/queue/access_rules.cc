#include "sidecar/queue/access_rules.h"

#include <algorithm>

namespace pannier::queue {
namespace {

constexpr std::uint8_t bit(Verb verb) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(verb));
}

template <typename Map>
bool grants(const Map& verbs_by_name, std::string_view name, Verb verb) {
  const auto found = verbs_by_name.find(name);
  return found != verbs_by_name.end() && (found->second & bit(verb)) != 0;
}

}  // namespace

MemberRules::MemberRules(const Members& members) {
  for (const MemberAgent& agent : members.agents)
    agents_.try_emplace(agent.pod_uid,
                        Agent{static_cast<std::uint32_t>(agents_.size()), agent.service_account});
  for (const MemberQueue& queue : members.queues)
    queues_.try_emplace(queue.uid, Queue{numbers(queue.may_pull), numbers(queue.served_by)});
}

// Of those who are members: a list may still name an agent that has gone.
std::vector<std::uint32_t> MemberRules::numbers(const std::vector<std::string>& pod_uids) const {
  std::vector<std::uint32_t> numbers;
  for (const std::string& uid : pod_uids)
    if (const auto agent = agents_.find(uid); agent != agents_.end())
      numbers.push_back(agent->second.number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

bool MemberRules::lists(std::string_view pod_uid, std::string_view service_account) const {
  const auto agent = agents_.find(pod_uid);
  return agent != agents_.end() && agent->second.service_account == service_account;
}

bool MemberRules::may(std::string_view pod_uid, Verb verb, std::string_view queue_uid) const {
  const auto agent = agents_.find(pod_uid);
  const auto queue = queues_.find(queue_uid);
  if (agent == agents_.end() || queue == queues_.end() || verb == Verb::manage) return false;
  const auto& listed = verb == Verb::consume ? queue->second.may_pull : queue->second.served_by;
  return std::binary_search(listed.begin(), listed.end(), agent->second.number);
}

AccessRules::AccessRules(const Policy& policy)
    : clients_declare_(policy.client_topology != ClientTopology::none),
      elsewhere_(policy.other_queues.begin(), policy.other_queues.end()) {
  for (const PolicyQueue& queue : policy.queues) {
    Governed governed;
    governed.uid = queue.uid;
    governed.has_rules = queue.access.has_value();
    for (const AccessRule& rule : queue.access.value_or(std::vector<AccessRule>())) {
      Verbs verbs = 0;
      for (const Verb verb : rule.verbs) verbs = static_cast<Verbs>(verbs | bit(verb));
      for (const AccessSubject& subject : rule.subjects) {
        const bool is_user = subject.kind == SubjectKind::user;
        Verbs& held = (is_user ? governed.users : governed.service_accounts)[subject.name];
        held = static_cast<Verbs>(held | verbs);
      }
    }
    governed_.insert_or_assign(queue.name, std::move(governed));
  }
}

bool AccessRules::may(const Principal& principal, Verb verb, std::string_view queue,
                      const MemberRules& members) const {
  const bool is_agent = principal.kind == Principal::Kind::agent;
  const auto found = governed_.find(queue);
  if (found == governed_.end()) return clients_declare_ && !is_agent && !elsewhere_.contains(queue);
  const Governed& governed = found->second;
  if (is_agent) return members.may(principal.name, verb, governed.uid);
  const bool is_user = principal.kind == Principal::Kind::user;
  if (!governed.has_rules) return !is_user && verb != Verb::manage;
  return grants(is_user ? governed.users : governed.service_accounts, principal.name, verb);
}

}  // namespace pannier::queue
