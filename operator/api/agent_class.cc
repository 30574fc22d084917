#include "operator/api/agent_class.h"

#include <algorithm>
#include <set>

#include "operator/api/read_object.h"
#include "operator/api/resource_fields.h"

namespace pannier::api {

bool is_image_name(std::string_view text) {
  constexpr std::string_view kMarks = "._-/:@+";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool are_distinct(const AgentPorts& ports) {
  return std::set{ports.amqps, ports.https, ports.peer, ports.admin, ports.amqp, ports.http}
             .size() == 6;
}

Result<AgentClass> read_agent_class(const kube::Object& object) {
  return read_resource<AgentClass>(
      object, [](YamlMap& io, AgentClassSpec& spec) { agent_class_fields(io, spec); });
}

bool allows_namespace(const AgentClassSpec& spec, std::string_view namespace_name) {
  const auto& allowed = spec.allowed_namespaces;
  return allowed.empty() ||
         std::find(allowed.begin(), allowed.end(), namespace_name) != allowed.end();
}

}  // namespace pannier::api
