#include <algorithm>

#include "common/random.h"
#include "sidecar/forward/pusher.h"
#include "sidecar/forward/pusher_consumer.h"

namespace pannier::forward {
namespace {

// Rendezvous: every agent finds the same host for a queue, and few queues move when one goes.
std::uint64_t weight(std::string_view queue_uid, std::string_view pod_uid) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, mixed at the end
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  add(queue_uid);
  add(pod_uid);
  return Random(hash).next();
}

}  // namespace

// Queues in mode Peers and Hosts, as the registry has them.
void Pusher::apply(const Policy& policy) {
  std::set<const queue::Queue*> wanted;
  for (const PolicyQueue& each : policy.queues) {
    const bool may_go =
        each.forward_mode == ForwardMode::peers || each.forward_mode == ForwardMode::hosts;
    if (!may_go) continue;
    const auto found = registry_.find_queue(each.name, 0);
    const auto* definition = registry_.definition_of(each.name);
    const bool is_governed = found && definition != nullptr && !definition->uid.empty() &&
                             definition->uid == each.uid && !definition->exclusive;
    if (!is_governed) continue;
    wanted.insert(found->get());
    auto& pushed = queues_[found->get()];
    if (!pushed) pushed = std::make_unique<Pushed>();
    pushed->queue = *found;
    pushed->uid = each.uid;
    pushed->mode = each.forward_mode;
    note(*pushed, true);
  }
  std::vector<const queue::Queue*> unwanted;
  for (const auto& [queue, pushed] : queues_)
    if (!wanted.contains(queue)) unwanted.push_back(queue);
  for (const queue::Queue* queue : unwanted) forget(queue);
}

void Pusher::apply(const Members& members) {
  agents_.clear();
  may_receive_.clear();
  is_host_ = false;
  for (const MemberAgent& agent : members.agents) {
    if (agent.pod_uid == options_.pod_uid)
      is_host_ = agent.host;
    else if (!agent.address.empty())
      agents_.emplace(agent.pod_uid, agent);
  }
  for (const MemberQueue& queue : members.queues) may_receive_[queue.uid] = queue.may_receive;
  for (const auto& [queue, pushed] : queues_) {
    std::erase_if(pushed->passed_over,
                  [this](const auto& each) { return !agents_.contains(each.first); });
    note(*pushed, true);
  }
  std::erase_if(links_, [this](const auto& each) {
    if (agents_.contains(each.first)) return false;
    for (const auto& [queue, pushed] : queues_) {
      if (pushed->target != each.first) continue;
      pushed->target.clear();
      pushed->current = nullptr;
    }
    end(*each.second);
    return true;
  });
}

bool Pusher::is_pushed(const Pushed& pushed) const {
  const bool is_mode_pushed = is_draining_ || (pushed.mode == ForwardMode::hosts && !is_host_);
  return is_mode_pushed && !targets(pushed).empty();
}

std::vector<const MemberAgent*> Pusher::targets(const Pushed& pushed) const {
  std::vector<const MemberAgent*> found;
  const auto receive = may_receive_.find(pushed.uid);
  if (receive == may_receive_.end()) return found;
  for (const std::string& pod : receive->second) {
    const auto agent = agents_.find(pod);
    if (agent == agents_.end() || agent->second.draining) continue;
    if (pushed.mode == ForwardMode::hosts && !agent->second.host) continue;
    found.push_back(&agent->second);
  }
  return found;
}

// Hosts share the queues; among peers, one that has consumers comes first, then the one that came
// last.
bool Pusher::is_better(const Pushed& pushed, const MemberAgent& one,
                       const MemberAgent& other) const {
  if (pushed.mode == ForwardMode::hosts)
    return weight(pushed.uid, one.pod_uid) > weight(pushed.uid, other.pod_uid);
  const auto pulls = [&](const MemberAgent& agent) {
    return options_.pulls && options_.pulls(agent.pod_uid, pushed.queue->name());
  };
  if (pulls(one) != pulls(other)) return pulls(one);
  const bool is_current = one.pod_uid == pushed.target || other.pod_uid == pushed.target;
  if (is_current && pulls(one)) return one.pod_uid == pushed.target;  // it does well
  if (one.started_at != other.started_at) return one.started_at > other.started_at;
  return one.pod_uid > other.pod_uid;
}

void Pusher::choose(Pushed& pushed) {
  const MemberAgent* best = nullptr;
  const auto now = clock_.now();
  for (const MemberAgent* agent : targets(pushed)) {
    const auto passed = pushed.passed_over.find(agent->pod_uid);
    if (passed != pushed.passed_over.end() && passed->second.until > now) continue;
    const auto link = links_.find(agent->pod_uid);
    const auto had = link == links_.end() ? nullptr : link->second->find(pushed.queue->name());
    if (had && is_stalled(*had)) continue;
    if (best == nullptr || is_better(pushed, *agent, *best)) best = agent;
  }
  for (auto& [pod, passed] : pushed.passed_over)
    if (passed.until <= now) passed.until = {};
  if (!pushed.consumer) best = nullptr;
  const std::string target = best == nullptr ? std::string() : best->pod_uid;
  if (pushed.current && pushed.target != target)
    if (const auto link = links_.find(pushed.target); link != links_.end())
      link->second->stop(*pushed.current);
  pushed.target = target;
  pushed.current =
      best == nullptr ? nullptr : link_to(*best).push(pushed.queue, pushed.uid, is_draining_);
}

// What it has not answered stays with it.
void Pusher::pass_over(Pushed& pushed, const std::string& pod) {
  auto at = pushed.passed_over.find(pod);
  if (at == pushed.passed_over.end()) {
    const BackoffPolicy policy{kPassOverMin, kPassOverMax, 2, Jitter::equal};
    at = pushed.passed_over.emplace(pod, PassedOver{Backoff(policy, options_.random), {}}).first;
  }
  PassedOver& passed = at->second;
  if (passed.until <= clock_.now()) passed.until = clock_.now() + passed.backoff.next();
  note(pushed, true);
}

bool Pusher::is_stalled(const PushQueue& push) const {
  return push.in_flight() > 0 && push.moved_at + kPushStallMax <= clock_.now();
}

PushLink& Pusher::link_to(const MemberAgent& agent) {
  const LinkTarget target{agent.pod_uid, agent.pod_name, agent.address, agent.port,
                          agent.service_account};
  auto& link = links_[agent.pod_uid];
  if (!link)
    link = std::make_unique<PushLink>(
        target, PushLinkParts{dialer_, clock_, registry_, *this, options_.random});
  else
    link->set_target(target);
  return *link;
}

}  // namespace pannier::forward
