// AgentClass: how agents are run (crds/agentclass.yaml), as C++. Cluster-scoped.
//
// Values and pure functions; any thread. The defaults here are the CRD's, and tests compare the
// two. Errors are bad_config with every place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent_config.h"
#include "operator/kube/object.h"

namespace pannier::api {

inline constexpr std::string_view kAgentClassKind = "AgentClass";
// On one class at most; where several have it, the oldest counts and the others say so.
inline constexpr std::string_view kDefaultClassAnnotation = "pannier.dev/is-default-class";
inline constexpr std::string_view kDefaultClassName = "default";  // of a pod that names none,
                                                                  // where no class is marked

struct AgentSpoolVolume {
  // Of an emptyDir, or the request of a claim. The spool takes up to 90 % of it.
  std::uint64_t size = 2ull << 30;
  bool is_claim = false;           // volume: EmptyDir | Claim
  std::string storage_class_name;  // of a claim; empty: the cluster's default

  bool operator==(const AgentSpoolVolume&) const = default;
};

struct AgentPorts {
  std::uint16_t amqps = 5671;
  std::uint16_t https = 8443;
  std::uint16_t peer = 7671;
  std::uint16_t admin = 9471;
  std::uint16_t amqp = 5672;  // these two with plaintextLoopback only
  std::uint16_t http = 8000;

  bool operator==(const AgentPorts&) const = default;
};

struct AgentClassSpec {
  std::string image;  // empty: the operator's own release
  std::string image_pull_policy = "IfNotPresent";
  std::vector<std::string> image_pull_secrets;
  AgentSpoolVolume spool;
  AgentPorts ports;
  bool plaintext_loopback = false;
  ClientTopology client_topology = ClientTopology::none;
  std::vector<std::string> allowed_namespaces;  // empty: all
  LogLevel log_level = LogLevel::info;

  bool operator==(const AgentClassSpec&) const = default;
};

struct AgentClass {
  kube::Metadata metadata;
  AgentClassSpec spec;
};

Result<AgentClass> read_agent_class(const kube::Object& object);

bool allows_namespace(const AgentClassSpec& spec, std::string_view namespace_name);

}  // namespace pannier::api
