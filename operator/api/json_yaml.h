// JSON of the API server as a YamlNode, so that one description of a resource reads files of people
// and objects alike; and a person's YAML as the JSON that Kubernetes makes of it.
//
// Pure; any thread. What comes from JSON has no place: its marks are line 0.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/yaml_reader.h"

namespace pannier::api {

// Members that are null are left out, as the API server does. `json` is no deeper than an Object's.
YamlNode yaml_node_of(const nlohmann::json& json);

// Scalars are what YAML 1.1 makes of them (yes is true, 0o17 is 15), as kubectl reads them. Errors
// are bad_argument: a number that JSON has not (.nan, .inf), with its place in the text.
Result<nlohmann::json> json_of(const YamlNode& node);

}  // namespace pannier::api
