// What the deletion of a MessageQueue waits for, agent by agent.
//
// Pure; any thread. Everything is read from the objects and the agents' reports, so that an
// operator that starts in the middle goes on where the last one was.
//
// Waiting until empty is sound because of the order: an agent that has the deletion's generation
// refuses publishes and pushes, so that once it says zero it stays at zero. Messages that others
// hold of it are still its own, unacked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "operator/namespace_view.h"

namespace pannier {

struct DeletionWait {  // names of pods
  std::vector<std::string> silent;
  std::vector<std::string> behind;   // do not have the documents yet that say so
  std::vector<std::string> holding;  // messages, or (when they are discarded) the queue
  std::uint64_t messages = 0;

  bool is_over(bool without_silent = false) const {
    return behind.empty() && holding.empty() && (without_silent || silent.empty());
  }
};

// Whether an agent's report shows that it has a policy that says of the queue what the view says.
using HasPolicy = std::function<bool(const AgentPod& agent)>;

// Every agent of the namespace counts: one that does not serve it now may have parked it.
DeletionWait wait_until_empty(const NamespaceView& view, const ViewedQueue& queue,
                              const HasPolicy& has_policy);
DeletionWait wait_until_discarded(const NamespaceView& view, const ViewedQueue& queue,
                                  const HasPolicy& has_policy);

// Somebody has said that its messages may be lost: the annotation names this very object.
bool may_discard(const api::MessageQueue& queue);

// Never over what a status may hold (int64), whatever agents claim.
std::uint64_t messages_of(const ReportedQueue& reported);
std::uint64_t added(std::uint64_t one, std::uint64_t other);

}  // namespace pannier
