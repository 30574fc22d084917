// read_part: a part of an object of the API, such as its spec, read by its description.
//
// Pure; any thread. Fields of a newer release are ignored. Errors are bad_config with every place,
// each a line: "MessageQueue shop/orders: spec.paused: expected ..., found ...: what to do".
#pragma once

#include <string>
#include <utility>

#include "common/yaml_map.h"
#include "operator/api/json_yaml.h"
#include "operator/kube/object.h"

namespace pannier::api {

template <typename Fields>
Result<void> read_part(const kube::Object& object, const kube::Json& part, std::string name,
                       Fields&& fields) {
  YamlProblems problems{to_text(object.key())};
  YamlNode node = yaml_node_of(part);
  if (node.kind == YamlNode::Kind::null) node.kind = YamlNode::Kind::map;  // absent: all defaults
  YamlMap io(node, std::move(name), UnknownKeys::ignore, problems);
  fields(io);
  io.finish();
  return problems.result();
}

template <typename Resource, typename Fields>
Result<Resource> read_resource(const kube::Object& object, Fields&& fields) {
  Resource resource;
  resource.metadata = object.metadata();
  const auto read =
      read_part(object, object.spec(), "spec", [&](YamlMap& io) { fields(io, resource.spec); });
  if (!read) return read.error();
  return resource;
}

}  // namespace pannier::api
