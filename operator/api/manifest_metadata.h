// The metadata that a person may write into a manifest.
//
// Pure; any thread; what is wrong is reported to the YamlProblems.
#pragma once

#include <string_view>

#include "common/config_text.h"
#include "common/yaml_map.h"
#include "operator/kube/object.h"

namespace pannier::api {

struct NameRules {
  bool has_namespace = true;
  TextRule name;
};

// Reads root's metadata. What the API server adds is taken and left out: uid, generation and so on.
kube::Json read_manifest_metadata(YamlMap& root, const YamlNode& document, const NameRules& rules,
                                  std::string_view default_namespace, YamlProblems& problems);

}  // namespace pannier::api
