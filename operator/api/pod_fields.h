// The fields of a pod that Pannier reads, for every Io of yaml_field.h. `Extra` is asked at the end
// of each map of fields, so that strict reading can say what else it takes and what it refuses.
//
// Function templates and constants; any thread; errors are the Io's.
#pragma once

#include <type_traits>

#include "operator/api/names.h"
#include "operator/api/pod.h"

namespace pannier::api {

inline constexpr std::size_t kContainersMax = 1'000;  // of each of the two lists
inline constexpr std::size_t kArgumentsMax = 10'000;
inline constexpr std::size_t kEnvironmentMax = 10'000;
inline constexpr std::int64_t kGraceSecondsMax = 1'000'000'000;
inline constexpr std::size_t kContainerPortsMax = 1'000;
inline constexpr std::size_t kArgumentBytesMax = 131'072;  // Linux's own limit on one

inline constexpr TextRule kArgumentRule{"text", kArgumentBytesMax, nullptr, false, false, true};
inline constexpr TextRule kEnvironmentNameRule{"the name of an environment variable", 4'096,
                                               nullptr, true};
inline constexpr TextRule kFolderRule{"a folder", 4'095};

// For reading objects of the API: what is not known is ignored.
struct NoExtraFields {
  void pod(auto&, const auto&) const {}
  void container(auto&, const auto&) const {}
  void variable(auto&, const auto&) const {}
  void port(auto&) const {}
};

template <typename Io, typename Extra>
void container_fields(Io& io, auto& container, const Extra& extra) {
  io.text("name", container.name, kDnsLabelRule);
  io.text("image", container.image);
  io.text_list("command", container.command, kArgumentsMax, kArgumentRule);
  io.text_list("args", container.args, kArgumentsMax, kArgumentRule);
  io.text("workingDir", container.working_dir, kFolderRule);
  io.list("env", container.env, kEnvironmentMax, [&](auto& in, auto& variable) {
    in.text("name", variable.name, kEnvironmentNameRule);
    in.text("value", variable.value, kArgumentRule);
    extra.variable(in, variable);
  });
  io.list("ports", container.ports, kContainerPortsMax, [&](auto& in, auto& port) {
    in.text("name", port.name);
    in.integer("containerPort", port.port, {1, 65'535});
    extra.port(in);
  });
  extra.container(io, container);
}

template <typename Io, typename Extra = NoExtraFields>
void pod_fields(Io& io, auto& spec, const Extra& extra = {}) {
  const auto fields = [&](auto& in, auto& container) { container_fields(in, container, extra); };
  io.list("initContainers", spec.init_containers, kContainersMax, fields);
  io.list("containers", spec.containers, kContainersMax, fields);
  io.choice("restartPolicy", spec.restart_policy, kRestartPolicyNames);
  io.text("serviceAccountName", spec.service_account, kSubdomainRule);
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(spec.grace).count();
  io.integer("terminationGracePeriodSeconds", seconds, {0, kGraceSecondsMax});
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(spec)>>)
    spec.grace = std::chrono::seconds{seconds};
  io.boolean("hostNetwork", spec.host_network);
  io.section("os", [&](auto& in) { in.text("name", spec.os); });
  extra.pod(io, spec);
}

}  // namespace pannier::api
