#include "sidecar/forward/push_door.h"

namespace pannier::forward {

void PushDoor::enter(const std::string& pod, Link& link) {
  if (const auto found = links_.find(pod); found != links_.end()) found->second->give_way();
  links_[pod] = &link;
}

void PushDoor::leave(const std::string& pod, Link& link) {
  const auto found = links_.find(pod);
  if (found != links_.end() && found->second == &link) links_.erase(found);
}

void PushDoor::on_policy() {
  for (const auto& [pod, link] : std::map(links_))
    if (const auto found = links_.find(pod); found != links_.end()) found->second->check_access();
}

void PushDoor::apply(const Members& members) {
  spools_.clear();
  for (const MemberAgent& agent : members.agents)
    if (!agent.spool_id.empty()) spools_.emplace(agent.pod_uid, agent.spool_id);
  on_policy();
}

bool PushDoor::has_spool(const std::string& pod, std::string_view spool_id) const {
  const auto known = spools_.find(pod);
  return known == spools_.end() || known->second == spool_id;
}

void PushDoor::close() {
  is_closed_ = true;
  on_policy();
}

}  // namespace pannier::forward
