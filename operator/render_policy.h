// render_policy: what one agent is to serve, and who may do what with it: the policy document.
//
// Pure: the same view gives the same text, byte for byte. Design section 8: absence parks a queue,
// a tombstone (UID) removes its messages; a queue that is being deleted is `ending`.
#pragma once

#include <string>

#include "common/policy.h"
#include "operator/namespace_view.h"

namespace pannier {

Policy render_policy(const NamespaceView& view, const AgentPod& agent,
                     const std::string& trust_bundle);

}  // namespace pannier
