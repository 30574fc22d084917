#include "operator/local/admission.h"

#include <nlohmann/json.hpp>

#include "operator/admit_pod.h"

namespace pannier::local {
namespace {

using kube::Json;
using kube::Object;

// Of one kind: those that are there, as the manifests beside this one will make them.
std::vector<Object> objects_of(const kube::Cache& cache, std::string_view kind,
                               const std::vector<api::Manifest>& with) {
  std::vector<Object> all = cache.list(kind);
  for (const api::Manifest& manifest : with) {
    if (manifest.object.kind() != kind) continue;
    std::erase_if(all, [&](const Object& each) { return each.key() == manifest.object.key(); });
    all.push_back(manifest.object);
  }
  return all;
}

std::map<std::string, std::string> labels_of(const kube::Cache& cache, const std::string& name,
                                             const std::vector<api::Manifest>& with) {
  for (const Object& each : objects_of(cache, api::kNamespaceKind, with))
    if (each.metadata().name == name) return each.metadata().labels;
  return {};
}

}  // namespace

Result<Json> admit_manifest(const kube::Cache& cache, const Json& manifest,
                            const std::optional<Object>& before,
                            const std::vector<api::Manifest>& with) {
  const auto object = Object::from_json(manifest);
  if (!object) return object.error();
  if (object->kind() != api::kPodKind) return manifest;
  const std::string injected(api::kInjectedAnnotation);
  if (!object->metadata().annotation(injected).empty())
    return Error{Errc::bad_config,
                 "annotation " + injected + " is the operator's own: remove it; label " +
                     std::string(api::kInjectLabel) + ": enabled asks for an agent"};
  const auto pod = api::read_pod(*object);
  if (!pod) return pod.error();
  std::string class_name;
  if (before) {
    class_name = before->metadata().annotation(injected);
  } else {
    std::vector<api::AgentClass> classes;
    for (const Object& each : objects_of(cache, api::kAgentClassKind, with))
      if (auto read = api::read_agent_class(each)) classes.push_back(std::move(*read));
    const auto admitted =
        admit_pod(*pod, labels_of(cache, pod->metadata.namespace_name, with), classes);
    if (!admitted) return admitted.error();
    if (admitted->inject) class_name = admitted->class_name;
  }
  Json made = manifest;
  if (!class_name.empty()) made["metadata"]["annotations"][injected] = class_name;
  return made;
}

}  // namespace pannier::local
