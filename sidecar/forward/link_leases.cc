#include "sidecar/forward/link_leases.h"

namespace pannier::forward {

LinkLeases::LinkLeases(const Clock& clock, const LinkLeaseLimits& limits)
    : clock_(clock), limits_(limits) {}

void LinkLeases::enter(const std::string& pod, Link& link) {
  if (const auto found = links_.find(pod); found != links_.end()) found->second->give_way();
  links_[pod] = &link;
}

void LinkLeases::leave(const std::string& pod, Link& link) {
  const auto found = links_.find(pod);
  if (found != links_.end() && found->second == &link) links_.erase(found);
}

bool LinkLeases::pulls(const std::string& pod, const std::string& queue) const {
  const auto found = links_.find(pod);
  return found != links_.end() && found->second->pulls(queue);
}

void LinkLeases::on_policy() {
  for (const auto& [pod, link] : std::map(links_))
    if (const auto found = links_.find(pod); found != links_.end()) found->second->check_access();
}

void LinkLeases::forget(Leases::iterator at) {
  receipts_ -= at->second.held.size();
  deadlines_.erase({at->second.until, at->first});
  leases_.erase(at);
}

void LinkLeases::lease(const std::string& pod, const queue::QueuePtr& queue,
                       std::span<const LinkHeld> held) {
  on_time(clock_.now());
  if (held.empty() || queue->is_gone()) return;
  const Key key{pod, queue->name()};
  auto at = leases_.find(key);
  if (at != leases_.end() && at->second.queue.lock() != queue) {
    forget(at);  // of a queue that had the name before
    at = leases_.end();
  }
  const auto until = clock_.now() + limits_.lease;
  if (at == leases_.end()) at = leases_.emplace(key, Lease{queue, until, {}}).first;
  Lease& lease = at->second;
  deadlines_.erase({lease.until, key});
  lease.until = until;
  deadlines_.emplace(until, key);
  for (const LinkHeld& each : held) {
    if (receipts_ >= limits_.receipts)
      static_cast<void>(queue->give_back(each.receipt, {false}));
    else if (queue->extend(each.receipt, limits_.lease) &&
             lease.held.emplace(each.receipt.delivery, each).second)
      ++receipts_;
  }
  if (lease.held.empty()) forget(at);
}

std::vector<LinkHeld> LinkLeases::take(const std::string& pod, const queue::QueuePtr& queue) {
  std::vector<LinkHeld> taken;
  const auto at = leases_.find({pod, queue->name()});
  if (at == leases_.end()) return taken;
  if (at->second.queue.lock() == queue)
    for (const auto& [delivery, held] : at->second.held) taken.push_back(held);
  forget(at);
  return taken;
}

queue::QueuePtr LinkLeases::take_one(const std::string& pod, const std::string& queue,
                                     const queue::Receipt& receipt) {
  const auto at = leases_.find({pod, queue});
  if (at == leases_.end()) return nullptr;
  auto& held = at->second.held;
  const auto found = held.find(receipt.delivery);
  if (found == held.end() || found->second.receipt != receipt) return nullptr;
  queue::QueuePtr owner = at->second.queue.lock();
  held.erase(found);
  --receipts_;
  if (held.empty()) forget(at);
  return owner;
}

std::size_t LinkLeases::held() const {
  std::size_t sum = receipts_;
  for (const auto& [pod, link] : links_) sum += link->held();
  return sum;
}

void LinkLeases::close() {
  if (std::exchange(is_closed_, true)) return;
  on_policy();
  while (!leases_.empty()) {
    const auto at = leases_.begin();
    if (const auto queue = at->second.queue.lock())
      for (const auto& [delivery, held] : at->second.held)
        static_cast<void>(queue->give_back(held.receipt, {.counts = false}));
    forget(at);
  }
}

// The queue gives the messages back itself.
void LinkLeases::on_time(Clock::time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now)
    forget(leases_.find(deadlines_.begin()->second));
}

std::optional<Clock::time_point> LinkLeases::deadline() const {
  if (deadlines_.empty()) return {};
  return deadlines_.begin()->first;
}

}  // namespace pannier::forward
