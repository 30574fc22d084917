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

void PushDoor::close() {
  is_closed_ = true;
  on_policy();
}

}  // namespace pannier::forward
