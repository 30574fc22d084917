// AgentConfig: what `pannier-agent --config FILE` reads, written by the injector, the local runner
// or a person. With policy.h and members.h it is the whole contract between operator and agent.
//
// A value type; parse and to_yaml are pure; any thread. Unknown keys are refused. What can change
// while an agent runs is in the policy; this file is read at start and on SIGHUP. Errors are
// bad_config with the place of every mistake, or wrong_version for a file of a newer release. Every
// default is what an injected sidecar uses. parse_agent_config(to_yaml(config)) gives back an equal
// config for each valid one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config_text.h"
#include "common/result.h"

namespace pannier {

inline constexpr int kAgentConfigSchemaVersion = 1;
inline constexpr std::uint64_t kMessageBytesCeiling = 128ull << 20;

struct AgentIdentity {
  std::string namespace_name;
  std::string pod_name;
  std::string pod_uid;
  std::string service_account;
  std::string trust_domain = "pannier.local";
  // A downward API volume with the files `name` and `uid`, for what was not known when the file was
  // written: a pod has no UID yet, and often no name, when it is injected. It fills fields left
  // empty.
  std::string pod_info_folder;

  bool operator==(const AgentIdentity&) const = default;
};

// In the agent's own folder after a clean end: its last /v1/status, for whoever takes its spool
// away.
inline constexpr const char* kFinalStatusFile = "final-status.json";

struct AgentListener {
  bool enabled = true;
  std::vector<std::string> addresses;  // none, for peer and admin: the pod's own
  std::uint16_t port = 0;

  bool operator==(const AgentListener&) const = default;
};

struct AgentListeners {
  AgentListener amqps{true, {"127.0.0.1", "::1"}, 5671};
  AgentListener https{true, {"127.0.0.1", "::1"}, 8443};
  AgentListener peer{true, {}, 7671};
  AgentListener admin{true, {}, 9471};
  bool admin_plaintext = false;      // on loopback only
  bool admin_metrics_token = false;  // GET /metrics needs a token
  // Plaintext, on loopback only.
  AgentListener amqp{false, {"127.0.0.1", "::1"}, 5672};
  AgentListener http{false, {"127.0.0.1", "::1"}, 8000};
  std::string control_socket = "/var/run/pannier-agent/control.sock";

  bool operator==(const AgentListeners&) const = default;
};

struct AgentFolders {
  std::string app = "/var/run/pannier";  // PANNIER_DIR, which the agent fills for the app
  std::string agent =
      "/var/run/pannier-agent";  // keys, identity, last documents; the agent's alone
  std::string spool = "/var/lib/pannier/spool";

  bool operator==(const AgentFolders&) const = default;
};

// Where policy, members and identity come from: the operator, or files. Exactly one of the two is
// set.
struct OperatorEndpoint {
  std::string url;
  std::string ca_file;
  std::string token_file;

  bool operator==(const OperatorEndpoint&) const = default;
};
struct LocalFiles {
  std::string policy_file;
  std::string members_file;
  std::string
      certificate_file;  // these three only together; without them there is no peer listener
  std::string key_file;
  std::string ca_file;

  bool operator==(const LocalFiles&) const = default;
};

// Keys by number, in files of a folder that is looked at again and again: a Secret's volume.
struct AgentEncryption {
  std::string keys_folder;
  bool required = false;  // what is not encrypted is refused

  bool operator==(const AgentEncryption&) const = default;
};

struct AgentSpool {
  std::uint64_t bytes_max = 0;  // 0: 90 % of the volume
  std::uint64_t segment_bytes = 16ull << 20;
  std::uint64_t free_space_reserve = 64ull << 20;
  std::optional<AgentEncryption> encryption;  // none: what is new is not encrypted

  bool operator==(const AgentSpool&) const = default;
};

struct AgentLimits {
  std::uint32_t connections = 4'096;
  std::uint32_t connections_per_principal = 2'048;
  std::uint32_t channels_per_connection = 2'047;
  std::uint32_t frame_bytes = 131'072;
  std::uint64_t message_bytes = 16ull << 20;
  std::uint32_t consumers = 10'000;
  std::uint32_t queues = 10'000;
  std::uint32_t exchanges = 10'000;
  std::uint32_t bindings = 100'000;
  std::uint64_t unsent_bytes_per_connection = 1ull << 20;
  std::uint32_t unacked_messages_per_channel = 65'535;
  std::uint64_t unacked_bytes_per_channel = 256ull << 20;
  std::uint64_t memory_copy_bytes = 16ull << 20;  // bodies of recent messages, all queues together
  std::uint64_t entry_index_bytes = 16ull << 20;  // heads and tails of queues
  std::uint64_t cache_bytes = 4ull << 20;         // slices of sealed segments' footers
  std::uint64_t unfinished_body_bytes = 256ull << 20;
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds{10};
  std::chrono::milliseconds idle_timeout = std::chrono::minutes{3};  // HTTP; AMQP has heartbeats

  bool operator==(const AgentLimits&) const = default;
};

enum class LogLevel : std::uint8_t { debug, info, warning, error };
inline constexpr Named<LogLevel> kLogLevelNames[] = {
    {"debug", LogLevel::debug},
    {"info", LogLevel::info},
    {"warning", LogLevel::warning},
    {"error", LogLevel::error},
};

struct AgentConfig {
  int schema_version = kAgentConfigSchemaVersion;
  std::string class_name = "default";
  AgentIdentity identity;
  AgentListeners listeners;
  AgentFolders folders;
  std::optional<OperatorEndpoint> operator_endpoint;
  std::optional<LocalFiles> local;
  AgentSpool spool;
  AgentLimits limits;
  ClientTopology client_topology = ClientTopology::none;
  LogLevel log_level = LogLevel::info;
  std::chrono::milliseconds drain_budget = std::chrono::seconds{25};

  bool operator==(const AgentConfig&) const = default;
};

// `file` is the name that errors show.
Result<AgentConfig> parse_agent_config(std::string_view text, std::string_view file);

// Canonical: equal configs have equal text.
std::string to_yaml(const AgentConfig& config);

}  // namespace pannier
