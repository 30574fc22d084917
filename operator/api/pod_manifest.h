// The spec of a pod that a person wrote for `pannier-operator local`: what the runner cannot honour
// is refused.
//
// Pure; any thread; what is wrong is reported to the YamlMap's problems.
#pragma once

#include "common/yaml_map.h"
#include "operator/kube/object.h"

namespace pannier::api {

// `root` is the whole manifest; `spec` what it says under spec.
void check_pod_manifest(YamlMap& root);

// The spec as the API server would keep it; for one that check_pod_manifest had nothing against.
kube::Json pod_spec_json(const YamlNode& root);

}  // namespace pannier::api
