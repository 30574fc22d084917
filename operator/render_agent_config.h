// render_agent_config: the configuration file of one pod's agent, from its class and its pod.
//
// Pure. What it gives is a configuration that an agent accepts. Errors are bad_config: a class that
// cannot serve the pod, or a place that an agent cannot use.
#pragma once

#include <string>

#include "common/agent_config.h"
#include "common/result.h"
#include "operator/api/agent_class.h"
#include "operator/api/pod.h"

namespace pannier {

// Where an agent of the local runner finds and leaves things.
struct LocalAgentPlaces {
  std::string address;  // the pod's own loopback address, for all its listeners
  AgentFolders folders;
  std::string control_socket;
  LocalFiles files;
};

Result<AgentConfig> render_local_agent_config(const api::Pod& pod,
                                              const api::AgentClass& agent_class,
                                              const std::string& trust_domain,
                                              const LocalAgentPlaces& places);

}  // namespace pannier
