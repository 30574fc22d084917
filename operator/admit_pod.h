// admit_pod: whether a pod gets an agent, of which class, or why it may not be made: what the
// webhook and the local runner decide alike.
//
// Pure. Label pannier.dev/inject on the pod wins over that on its namespace; pods that nobody asked
// for are let through as they are. A pod that asks for an agent and cannot have one (host network,
// Windows, an unknown class or one that does not allow its namespace, a port that one of its
// containers declares as well) is refused: the error (bad_config) names what and how to mend it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/agent_class.h"
#include "operator/api/pod.h"

namespace pannier {

struct Admission {
  bool inject = false;
  std::string class_name;   // with inject
  api::AgentPorts ports{};  // the class's, as the pod's annotations change them
};

// The class named `default` exists in any case, with its defaults.
Result<Admission> admit_pod(const api::Pod& pod,
                            const std::map<std::string, std::string>& namespace_labels,
                            const std::vector<api::AgentClass>& classes);

// The ports of a pod's agent. Errors are bad_config: an annotation that is no port, or two that
// are the same.
Result<api::AgentPorts> ports_of(const api::Pod& pod, const api::AgentClassSpec& spec);

// Of a pod that names none: the oldest that is marked, else `default`.
std::string default_class(const std::vector<api::AgentClass>& classes);

}  // namespace pannier
