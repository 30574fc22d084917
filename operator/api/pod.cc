#include "operator/api/pod.h"

#include <nlohmann/json.hpp>

#include "operator/api/pod_fields.h"
#include "operator/api/read_object.h"

namespace pannier::api {
namespace {

struct ContainerStatus {
  std::string name;
  bool started = false;
};

void status_fields(YamlMap& io, PodStatus& status) {
  io.text("phase", status.phase);
  io.text("podIP", status.pod_ip);
  io.optional_timestamp("startTime", status.started_at);
  // The agent is an init container that goes on (a native sidecar).
  std::vector<ContainerStatus> containers;
  io.list("initContainerStatuses", containers, kContainersMax, [](auto& in, auto& container) {
    in.text("name", container.name);
    in.boolean("started", container.started);
  });
  for (const ContainerStatus& container : containers)
    if (container.name == kAgentContainer) status.is_agent_ready = container.started;
}

}  // namespace

Result<Pod> read_pod(const kube::Object& object) {
  auto pod = read_resource<Pod>(object, [](YamlMap& io, PodSpec& spec) { pod_fields(io, spec); });
  if (!pod) return pod.error();
  const auto read = read_part(object, object.status(), "status",
                              [&](YamlMap& io) { status_fields(io, pod->status); });
  if (!read) return read.error();
  return pod;
}

}  // namespace pannier::api
