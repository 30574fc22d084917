// container_process: how a container of a pod is run as a process: its command with variables
// filled in, and its environment, which is PATH, HOME, LANG, PANNIER_DIR and its own variables.
//
// Pure but for PATH, HOME and LANG, which are the operator's own; any thread.
#pragma once

#include <string>

#include "operator/api/pod.h"
#include "operator/local/places.h"
#include "operator/local/process.h"

namespace pannier::local {

// Of the pod's folder.
std::string container_log(const Places& places, const std::string& pod_uid,
                          const std::string& container);
std::string container_record(const Places& places, const std::string& pod_uid,
                             const std::string& container);

std::vector<std::string> base_environment();  // PATH, HOME, LANG

// `app_folder` is what PANNIER_DIR says; empty: the pod has no agent. A relative workingDir is
// meant from DIR. Errors are bad_config: there is no command.
Result<ProcessSpec> container_process(const Places& places, const api::Pod& pod,
                                      const api::Container& container,
                                      const std::string& app_folder);

// "$(NAME)" as Kubernetes replaces it; "$$" is a "$", and a name that there is not stays as it is.
std::string expand_variables(std::string_view text,
                             const std::map<std::string, std::string>& variables);

}  // namespace pannier::local
