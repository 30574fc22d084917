// Pod: what Pannier reads of a Kubernetes pod, and what the local runner can run of it.
//
// Values and pure functions; any thread. read_pod takes any pod and ignores what it does not know;
// strict reading, which refuses what the runner cannot honour, is manifest_reader.h's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/yaml_field.h"
#include "operator/kube/object.h"

namespace pannier::api {

inline constexpr std::string_view kPodKind = "Pod";
inline constexpr std::string_view kNamespaceKind = "Namespace";
inline constexpr std::string_view kInjectLabel = "pannier.dev/inject";  // enabled | disabled
inline constexpr std::string_view kClassAnnotation = "pannier.dev/class";
inline constexpr std::string_view kAmqpsPortAnnotation = "pannier.dev/amqps-port";
inline constexpr std::string_view kHttpsPortAnnotation = "pannier.dev/https-port";
// Set at admission, by us alone: the class that the agent was injected with.
inline constexpr std::string_view kInjectedAnnotation = "pannier.dev/injected";
inline constexpr std::string_view kAgentContainer = "pannier-agent";

enum class RestartPolicy : std::uint8_t { always, on_failure, never };
inline constexpr Named<RestartPolicy> kRestartPolicyNames[] = {
    {"Always", RestartPolicy::always},
    {"OnFailure", RestartPolicy::on_failure},
    {"Never", RestartPolicy::never},
};

struct EnvironmentVariable {
  std::string name;
  std::string value;
  bool operator==(const EnvironmentVariable&) const = default;
};

struct ContainerPort {
  std::string name;
  std::uint16_t port = 0;  // containerPort
  bool operator==(const ContainerPort&) const = default;
};

struct Container {
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<EnvironmentVariable> env;
  std::vector<ContainerPort> ports;
  bool operator==(const Container&) const = default;
};

struct PodSpec {
  std::vector<Container> init_containers;
  std::vector<Container> containers;
  RestartPolicy restart_policy = RestartPolicy::always;
  std::string service_account = "default";
  std::chrono::milliseconds grace = std::chrono::seconds{30};  // terminationGracePeriodSeconds
  bool host_network = false;
  std::string os;  // spec.os.name
  bool operator==(const PodSpec&) const = default;
};

struct PodStatus {
  std::string phase;  // Pending, Running, Succeeded, Failed
  std::string pod_ip;
  bool is_agent_ready = false;  // the agent's container has started
  std::optional<Timestamp> started_at;
};

struct Pod {
  kube::Metadata metadata;
  PodSpec spec;
  PodStatus status;

  bool is_injected() const { return !metadata.annotation(kInjectedAnnotation).empty(); }
  // Has ended, and its agent with it.
  bool is_over() const { return status.phase == "Succeeded" || status.phase == "Failed"; }
};

Result<Pod> read_pod(const kube::Object& object);

}  // namespace pannier::api
