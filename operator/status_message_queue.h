// status_of: the status of a MessageQueue, from what is wanted and what the agents report.
//
// Pure. Conditions (each with observedGeneration; lastTransitionTime moves only when its status
// does): Ready, Progressing, Degraded, Durable, ForwardStalled, SpoolPressure; while it is being
// deleted Terminating (reason WaitingUntilEmpty, or Discarding, which documents obey). Silent
// agents count as unknown, never as zero, and are named.
#pragma once

#include <cstdint>

#include "operator/kube/object.h"
#include "operator/namespace_view.h"

namespace pannier {

enum class Deletion : std::uint8_t { none, waiting_until_empty, discarding };

// Whether `before`, the object's status, says that its messages may go.
bool is_discarding(const kube::Json& before);

kube::Json status_of(const NamespaceView& view, const ViewedQueue& queue, Deletion deletion,
                     const kube::Json& before, Timestamp now);

}  // namespace pannier
