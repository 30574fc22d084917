// What the API server would not let a manifest change.
//
// Pure functions; any thread. Errors are bad_config, say what to do, and have no place.
#pragma once

#include <string_view>

#include "operator/kube/object.h"

namespace pannier::local {

inline constexpr std::string_view kManifestKinds[] = {
    "AgentClass", "MessageQueue", "MessageQueueUser", "Namespace",
    "Pod",        "Secret",       "ServiceAccount"};

// A pod's spec and a queue's name stay as they were when the object was made.
Result<void> check_unchanging(const kube::Object& manifest, const kube::Object& before);

}  // namespace pannier::local
