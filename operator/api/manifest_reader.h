// read_manifests: a file that a person wrote, as objects, checked as strictly as the API server
// checks by our CRDs: unknown fields, wrong types, values out of range and broken cross-field rules
// are refused with file, line, column, what was expected and what to do.
//
// Pure; any thread. Kinds: MessageQueue, AgentClass, MessageQueueUser, Pod, Namespace,
// ServiceAccount and Secret; another kind is refused. Of a Pod everything that the local runner
// cannot honour is refused as well. Defaults are filled in, as the API server does. A file is read
// whole or not at all: the error tells of every mistake in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/yaml_reader.h"
#include "operator/kube/object.h"

namespace pannier::api {

struct Manifest {
  kube::Object object;  // without uid, generation, status: those are the store's
  YamlMark place;       // where its document begins
};

// A namespaced object that names no namespace gets `default_namespace`.
Result<std::vector<Manifest>> read_manifests(std::string_view text, std::string_view file,
                                             std::string_view default_namespace = "default");

}  // namespace pannier::api
