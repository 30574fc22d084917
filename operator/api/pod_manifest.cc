#include "operator/api/pod_manifest.h"

#include <nlohmann/json.hpp>
#include <set>

#include "operator/api/json_yaml.h"
#include "operator/api/pod_fields.h"

namespace pannier::api {
namespace {

// What Kubernetes has and a process of this machine has not. Other keys are typos.
constexpr std::string_view kClusterPodKeys[] = {
    "activeDeadlineSeconds",
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
};
constexpr std::string_view kClusterContainerKeys[] = {
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "tty",
    "volumeDevices",
    "terminationMessagePolicy",
    "volumeMounts",
};

constexpr Named<int> kPullPolicyNames[] = {{"Always", 0}, {"IfNotPresent", 1}, {"Never", 2}};
constexpr Named<int> kProtocolNames[] = {{"TCP", 0}, {"UDP", 1}, {"SCTP", 2}};

template <std::size_t N>
void refuse_each(YamlMap& io, const std::string_view (&keys)[N]) {
  for (const std::string_view key : keys)
    io.refuse(key, "expected what a process of this machine can have, found " + std::string(key) +
                       ", which cannot be honoured without a cluster: remove it");
}

// What a manifest may say beside what we read, and what it may not.
struct ManifestFields {
  void pod(YamlMap& io, const PodSpec& spec) const {
    bool no_effect = false;
    io.boolean("automountServiceAccountToken", no_effect);
    io.boolean("enableServiceLinks", no_effect);
    refuse_each(io, kClusterPodKeys);
    io.check(!spec.containers.empty(), "containers",
             "expected at least one container, found none: add one");
    std::set<std::string_view> names;
    for (const auto* list : {&spec.init_containers, &spec.containers})
      for (const Container& container : *list)
        io.check(container.name.empty() || names.insert(container.name).second,
                 list == &spec.containers ? "containers" : "initContainers",
                 "expected each container's name once, found " + quoted_for_people(container.name) +
                     " again: rename one of the two");
  }

  void container(YamlMap& io, const Container& container) const {
    int no_effect = 1;
    io.choice("imagePullPolicy", no_effect, kPullPolicyNames);
    refuse_each(io, kClusterContainerKeys);
    io.check(container.name != kAgentContainer, "name",
             "expected a container of your own, found the name of the agent's, which is added by "
             "itself: rename or remove it");
    io.check(!container.command.empty(), "command",
             "expected a command, found none; an image's own cannot be honoured without a cluster: "
             "write the command out");
    io.check(container.command.empty() || !container.command.front().empty(), "command",
             "expected a program first, found an empty text: write its name");
  }

  void variable(YamlMap& io, const EnvironmentVariable& variable) const {
    io.refuse("valueFrom",
              "expected a value, found valueFrom, which cannot be honoured without a cluster: "
              "remove it, and write the value out");
    io.check(variable.name.empty() || is_environment_name(variable.name), "name",
             "expected a name of letters, digits, -, _ and ., found another one: correct it");
  }

  void port(YamlMap& io) const {
    int no_effect = 0;
    io.choice("protocol", no_effect, kProtocolNames);
    static constexpr std::string_view kKeys[] = {"hostIP", "hostPort"};
    refuse_each(io, kKeys);
  }
};

}  // namespace

void check_pod_manifest(YamlMap& root) {
  PodSpec spec;
  root.section("spec", [&](YamlMap& io) { pod_fields(io, spec, ManifestFields{}); });
}

kube::Json pod_spec_json(const YamlNode& root) {
  kube::Json spec = kube::Json::object();
  const YamlNode* written = root.find("spec");
  if (written != nullptr && written->kind == YamlNode::Kind::map)
    if (auto json = json_of(*written)) spec = std::move(*json);
  const PodSpec defaults;
  const auto fill = [&](const char* key, kube::Json value) {
    if (!spec.contains(key)) spec[key] = std::move(value);
  };
  fill("restartPolicy", name_in(kRestartPolicyNames, defaults.restart_policy));
  fill("serviceAccountName", defaults.service_account);
  fill("terminationGracePeriodSeconds",
       std::chrono::duration_cast<std::chrono::seconds>(defaults.grace).count());
  return spec;
}

}  // namespace pannier::api
