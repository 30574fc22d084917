#include "operator/local/manifest_rules.h"

#include <nlohmann/json.hpp>

#include "operator/api/message_queue.h"
#include "operator/api/pod.h"

namespace pannier::local {
namespace {

constexpr const char* kAnew =
    ": delete the manifest, wait until the object is gone, and add it again";

Result<void> check_pod(const kube::Object& manifest, const kube::Object& before) {
  const auto is = api::read_pod(manifest);
  const auto was = api::read_pod(before);
  // By what the runner knows of: defaults that a release fills in are no change.
  if (is && was ? is->spec == was->spec : manifest.spec() == before.spec()) return {};
  return Error{Errc::bad_config, to_text(manifest.key()) +
                                     ": the spec of a pod cannot change: delete the manifest, wait "
                                     "until the pod is gone, and add it again"};
}

std::string queue_name(const kube::Object& object) {
  const kube::Json& spec = object.spec();
  if (spec.is_object() && spec.contains("queueName") && spec["queueName"].is_string())
    return spec["queueName"];
  return object.metadata().name;
}

}  // namespace

Result<void> check_unchanging(const kube::Object& manifest, const kube::Object& before) {
  if (manifest.kind() == api::kPodKind) return check_pod(manifest, before);
  if (manifest.kind() != api::kMessageQueueKind || queue_name(manifest) == queue_name(before))
    return {};
  return Error{Errc::bad_config, to_text(manifest.key()) + ": queueName cannot change from " +
                                     quoted_for_people(queue_name(before)) + " to " +
                                     quoted_for_people(queue_name(manifest)) + kAnew};
}

}  // namespace pannier::local
