// render_members: who one agent's peers are, and for each queue who may pull it and who may receive
// from it: the members document.
//
// Pure: the same view gives the same text, byte for byte. An agent learns of those agents only with
// which it has a queue in common (of mode Peers), and of itself.
//
// Hand-off (design section 5): may_receive lists, of those that serve the queue and are not
// draining, the pods of the same ServiceAccount where there are any, else those whose
// ServiceAccount may Consume.
#pragma once

#include "common/members.h"
#include "operator/namespace_view.h"

namespace pannier {

Members render_members(const NamespaceView& view, const AgentPod& agent);

}  // namespace pannier
