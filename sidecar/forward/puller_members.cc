#include <algorithm>

#include "sidecar/forward/puller.h"

namespace pannier::forward {

// Queues in mode Peers and Hosts, as the registry has them.
void Puller::apply(const Policy& policy) {
  if (is_stopped_) return;
  std::set<const queue::Queue*> wanted;
  for (const PolicyQueue& each : policy.queues) {
    const bool is_of_hosts = each.forward_mode == ForwardMode::hosts;
    if (each.forward_mode != ForwardMode::peers && !is_of_hosts) continue;
    const auto found = registry_.find_queue(each.name, 0);
    const auto* definition = registry_.definition_of(each.name);
    if (!found || definition == nullptr || definition->uid != each.uid) continue;
    wanted.insert(found->get());
    const auto had = queues_.find(found->get());
    if (had != queues_.end() && had->second->uid != each.uid) forget(found->get());
    auto& pulled = queues_[found->get()];
    if (pulled) pulled->from_hosts = is_of_hosts;
    if (pulled) continue;
    if (const auto other = by_name_.find(each.name); other != by_name_.end())
      wanted.erase(other->second->queue.get());
    pulled = std::make_unique<Pulled>();
    pulled->queue = *found;
    pulled->uid = each.uid;
    pulled->from_hosts = is_of_hosts;
  }
  std::vector<const queue::Queue*> unwanted;
  for (const auto& [queue, pulled] : queues_)
    if (!wanted.contains(queue)) unwanted.push_back(queue);
  for (const queue::Queue* queue : unwanted) forget(queue);
  for (const auto& [queue, pulled] : queues_) {
    by_name_[pulled->queue->name()] = pulled.get();
    follow(*pulled);
    pulled->queue->set_remote_source(this);
  }
}

void Puller::apply(const Members& members) {
  agents_.clear();
  served_by_.clear();
  for (const MemberAgent& agent : members.agents)
    if (!agent.address.empty()) agents_.emplace(agent.pod_uid, agent);
  for (const MemberQueue& queue : members.queues)
    if (std::ranges::find(queue.may_pull, options_.pod_uid) != queue.may_pull.end())
      served_by_[queue.uid] = queue.served_by;
  for (const auto& [queue, pulled] : queues_) {
    follow(*pulled);
    dirty_.insert(pulled.get());
  }
  // Who is not there any more may be back in a moment: what it gave us is leased until then.
  for (const auto& [pod, link] : links_)
    if (agents_.contains(pod))
      leaving_.erase(pod);
    else
      leaving_.emplace(pod, clock_.now() + kLeaveMax);
}

// Who serves it, as the members say; what came from others goes back to them.
void Puller::follow(Pulled& pulled) {
  std::vector<Origin> origins;
  const auto served = served_by_.find(pulled.uid);
  if (served != served_by_.end())
    for (const std::string& pod : served->second) {
      if (pod == options_.pod_uid || !agents_.contains(pod)) continue;
      if (pulled.from_hosts && !agents_.at(pod).host) continue;
      const auto had = std::ranges::find(pulled.origins, pod, &Origin::pod_uid);
      if (had == pulled.origins.end()) {
        origins.push_back({pod, nullptr, false, {}});
      } else {
        origins.push_back(std::move(*had));
        pulled.origins.erase(had);
      }
    }
  for (Origin& left : pulled.origins) {
    if (!left.queue) continue;
    std::erase_if(pulled.kept, [&](const Kept& kept) {
      if (kept.message.origin != left.queue) return false;
      left.queue->settle(kept.message.tag, queue::RemoteOrigin::Settle::give_back);
      pulled.kept_bytes -= queue::memory_of(*kept.message.message);
      return true;
    });
    let_go(pulled, left);
  }
  pulled.origins = std::move(origins);
}

bool Puller::may_pull_from(const std::string& pod_uid) const {
  const auto agent = agents_.find(pod_uid);
  return agent != agents_.end() && !agent->second.draining;
}

LinkTarget Puller::target_of(const MemberAgent& agent) {
  return {agent.pod_uid, agent.pod_name, agent.address, agent.port, agent.service_account};
}

PullLink& Puller::link_to(const LinkTarget& target) {
  auto& link = links_[target.pod_uid];
  if (!link) {
    PullLinkParts parts{
        dialer_,        clock_, *this, registry_.context(), bodies_, options_.message_bytes_max,
        options_.random};
    link = std::make_unique<PullLink>(target, std::move(parts));
  } else {
    link->set_target(target);
  }
  return *link;
}

// A draining origin gives its messages away by itself: what is pulled already goes on.
void Puller::begin(Pulled& pulled) {
  for (Origin& origin : pulled.origins) {
    if (!origin.queue && !may_pull_from(origin.pod_uid)) continue;
    const MemberAgent& agent = agents_.at(origin.pod_uid);
    origin.queue = link_to(target_of(agent)).pull(pulled.queue->name(), pulled.uid);
  }
}

void Puller::let_go(Pulled& pulled, Origin& origin) {
  if (!origin.queue) return;
  const auto link = links_.find(origin.pod_uid);
  if (link != links_.end() && link->second->find(pulled.queue->name()) == origin.queue)
    link->second->stop(*origin.queue);
  origin.queue = nullptr;
}

void Puller::forget(const queue::Queue* queue) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  const auto pulled = std::move(found->second);
  queues_.erase(found);
  dirty_.erase(pulled.get());
  const auto named = by_name_.find(pulled->queue->name());
  if (named != by_name_.end() && named->second == pulled.get()) by_name_.erase(named);
  give_back(*pulled);
  for (Origin& origin : pulled->origins) let_go(*pulled, origin);
  pulled->queue->set_remote_source(nullptr);
}

}  // namespace pannier::forward
