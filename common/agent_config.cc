#include "common/agent_config.h"

#include <map>

#include "common/ip_address.h"
#include "common/yaml_map.h"
#include "common/yaml_writer.h"

namespace pannier {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::size_t kAddressesMax = 16;
constexpr std::size_t kSocketPathBytesMax = 107;  // sockaddr_un, with its NUL
constexpr TextRule kAddressRule{"an IP address", 45, is_ip_address};
constexpr TextRule kSocketRule{"an absolute path of at most 107 bytes", kSocketPathBytesMax,
                               is_absolute_path, true};
constexpr TextRule kUrlRule{"a URL such as https://pannier-operator.pannier.svc:9444", 2'048,
                            is_https_url, true};

template <typename Io>
void identity_fields(Io& io, auto& identity) {
  io.text("namespace", identity.namespace_name, kNamespaceRule);
  io.text("serviceAccount", identity.service_account, kObjectNameRule);
  io.text("trustDomain", identity.trust_domain, required(kObjectNameRule));
  io.text("podInfoFolder", identity.pod_info_folder, kPathRule);
  io.text("podName", identity.pod_name, optional(kObjectNameRule));
  io.text("podUid", identity.pod_uid, optional(kUidRule));
  const bool from_folder = !identity.pod_info_folder.empty();
  io.check(from_folder || !identity.pod_name.empty(), "podName",
           "expected the pod's name, found none: add it, or podInfoFolder");
  io.check(from_folder || !identity.pod_uid.empty(), "podUid",
           "expected the pod's UID, found none: add it, or podInfoFolder");
}

template <typename Io>
void listener_fields(Io& io, auto& listener, bool plaintext, bool needs_address) {
  io.boolean("enabled", listener.enabled);
  io.text_list("addresses", listener.addresses, kAddressesMax, kAddressRule);
  io.integer("port", listener.port, {1, 65'535});
  if (!listener.enabled) return;
  io.check(!listener.addresses.empty() || !needs_address, "addresses",
           "expected at least one address, found none: add one, or set enabled: false");
  if (!plaintext) return;
  for (const std::string& address : listener.addresses)
    io.check(is_loopback_address(address), "addresses",
             "expected loopback addresses (127.0.0.0/8 or ::1) for a listener without TLS, found " +
                 quoted_for_people(address) + ": use a loopback address, or the TLS listener");
}

// Two listeners that would bind the same address and port. Which addresses the pod has is not known
// here.
template <typename Io>
void check_listener_clashes(Io& io, auto& listeners) {
  std::map<std::pair<std::string, std::uint16_t>, std::string_view> bound;
  const auto bind = [&](std::string_view name, const AgentListener& listener) {
    if (!listener.enabled) return;
    const std::vector<std::string> pods_own{"the pod's address"};
    for (const std::string& address : listener.addresses.empty() ? pods_own : listener.addresses) {
      const auto [taken, fresh] = bound.try_emplace({address, listener.port}, name);
      io.check(fresh, name,
               "expected an address and port of its own, found " + address + " port " +
                   std::to_string(listener.port) + " of " + std::string(taken->second) +
                   " again: change one of the two");
    }
  };
  bind("amqps", listeners.amqps);
  bind("https", listeners.https);
  bind("peer", listeners.peer);
  bind("admin", listeners.admin);
  bind("amqp", listeners.amqp);
  bind("http", listeners.http);
}

template <typename Io>
void listeners_fields(Io& io, auto& listeners) {
  io.section("amqps", [&](auto& in) { listener_fields(in, listeners.amqps, false, true); });
  io.section("https", [&](auto& in) { listener_fields(in, listeners.https, false, true); });
  io.section("peer", [&](auto& in) { listener_fields(in, listeners.peer, false, false); });
  io.section("admin", [&](auto& in) {
    in.boolean("plaintext", listeners.admin_plaintext);
    in.boolean("metricsToken", listeners.admin_metrics_token);
    listener_fields(in, listeners.admin, listeners.admin_plaintext, listeners.admin_plaintext);
  });
  io.section("amqp", [&](auto& in) { listener_fields(in, listeners.amqp, true, true); });
  io.section("http", [&](auto& in) { listener_fields(in, listeners.http, true, true); });
  io.section("control",
             [&](auto& in) { in.text("socket", listeners.control_socket, required(kSocketRule)); });
  check_listener_clashes(io, listeners);
}

template <typename Io>
void local_fields(Io& io, auto& local) {
  io.text("policyFile", local.policy_file, required(kPathRule));
  io.text("membersFile", local.members_file, kPathRule);
  io.text("certificateFile", local.certificate_file, kPathRule);
  io.text("keyFile", local.key_file, kPathRule);
  io.text("caFile", local.ca_file, kPathRule);
  const bool none =
      local.certificate_file.empty() && local.key_file.empty() && local.ca_file.empty();
  const bool all =
      !local.certificate_file.empty() && !local.key_file.empty() && !local.ca_file.empty();
  io.check(
      none || all, "certificateFile",
      "expected certificateFile, keyFile and caFile together, found only some of them: add the "
      "others, or remove all three");
}

template <typename Io>
void limit_fields(Io& io, auto& limits) {
  constexpr ByteRange kMemory{1u << 20, 64ull << 30};
  io.integer("connections", limits.connections, {1, 100'000});
  io.integer("connectionsPerPrincipal", limits.connections_per_principal, {1, 100'000});
  io.integer("channelsPerConnection", limits.channels_per_connection, {1, 65'535});
  io.integer("frameBytes", limits.frame_bytes, {4'096, 1'048'576});
  io.bytes("maxMessageBytes", limits.message_bytes, {1'024, kMessageBytesCeiling});
  io.integer("consumers", limits.consumers, {1, 1'000'000});
  io.integer("queues", limits.queues, {1, 1'000'000});
  io.integer("exchanges", limits.exchanges, {1, 1'000'000});
  io.integer("bindings", limits.bindings, {1, 10'000'000});
  io.bytes("unsentBytesPerConnection", limits.unsent_bytes_per_connection, {65'536, 1u << 30});
  io.integer("unackedMessagesPerChannel", limits.unacked_messages_per_channel, {1, 65'535});
  io.bytes("unackedBytesPerChannel", limits.unacked_bytes_per_channel, kMemory);
  io.bytes("memoryCopyBytes", limits.memory_copy_bytes, kMemory);
  io.bytes("entryIndexBytes", limits.entry_index_bytes, kMemory);
  io.bytes("cacheBytes", limits.cache_bytes, kMemory);
  io.bytes("unfinishedBodyBytes", limits.unfinished_body_bytes, kMemory);
  io.duration("handshakeTimeout", limits.handshake_timeout, {seconds{1}, hours{1}});
  io.duration("idleTimeout", limits.idle_timeout, {seconds{1}, hours{24}});
  io.check(limits.message_bytes <= limits.unfinished_body_bytes, "unfinishedBodyBytes",
           "expected at least maxMessageBytes, found less: no message of that size could arrive; "
           "raise it");
}

template <typename Io>
void source_fields(Io& io, auto& config) {
  io.optional_section("operator", config.operator_endpoint, [](auto& in, auto& endpoint) {
    in.text("url", endpoint.url, kUrlRule);
    in.text("caFile", endpoint.ca_file, required(kPathRule));
    in.text("tokenFile", endpoint.token_file, required(kPathRule));
  });
  io.optional_section("local", config.local,
                      [](auto& in, auto& local) { local_fields(in, local); });
  io.check(
      config.operator_endpoint || config.local, "operator",
      "expected operator (url, caFile, tokenFile) or local (policyFile), found neither: add one");
  io.check(!config.operator_endpoint || !config.local, "local",
           "expected either operator or local, found both: remove one");
  const bool peer_needs_files = config.local && config.local->certificate_file.empty();
  io.check(!peer_needs_files || !config.listeners.peer.enabled, "local",
           "expected certificateFile, keyFile and caFile for the peer listener, found none: add "
           "them, or "
           "set listeners.peer.enabled: false");
}

template <typename Io>
void config_fields(Io& io, auto& config) {
  io.integer("schemaVersion", config.schema_version, {1, kAgentConfigSchemaVersion});
  io.text("class", config.class_name, required(kObjectNameRule));
  io.section("identity", [&](auto& in) { identity_fields(in, config.identity); });
  io.section("listeners", [&](auto& in) { listeners_fields(in, config.listeners); });
  io.section("folders", [&](auto& in) {
    in.text("app", config.folders.app, required(kPathRule));
    in.text("agent", config.folders.agent, required(kPathRule));
    in.text("spool", config.folders.spool, required(kPathRule));
  });
  source_fields(io, config);
  io.section("spool", [&](auto& in) {
    in.bytes("maxBytes", config.spool.bytes_max);
    in.bytes("segmentBytes", config.spool.segment_bytes, {1u << 20, 1u << 30});
    in.bytes("freeSpaceReserve", config.spool.free_space_reserve);
    in.optional_section("encryption", config.spool.encryption, [](auto& of, auto& encryption) {
      of.text("keys", encryption.keys_folder, required(kPathRule));
      of.boolean("required", encryption.required);
    });
    in.check(config.spool.segment_bytes % 4'096 == 0, "segmentBytes",
             "expected a multiple of 4Ki, found another size: round it up");
    in.check(
        config.spool.bytes_max == 0 || config.spool.bytes_max / 4 >= config.spool.segment_bytes,
        "maxBytes", "expected 0 or at least 4 segments (segmentBytes), found less: raise it");
  });
  io.section("limits", [&](auto& in) { limit_fields(in, config.limits); });
  io.choice("clientTopology", config.client_topology, kClientTopologyNames);
  io.choice("logLevel", config.log_level, kLogLevelNames);
  io.duration("drainBudget", config.drain_budget, {seconds{0}, hours{1}});
}

}  // namespace

Result<AgentConfig> parse_agent_config(std::string_view text, std::string_view file) {
  return read_document<AgentConfig>(
      text, file, YamlLimits{}, UnknownKeys::refuse, kAgentConfigSchemaVersion,
      [](YamlMap& io, AgentConfig& config) { config_fields(io, config); });
}

std::string to_yaml(const AgentConfig& config) {
  std::string text;
  YamlMapWriter io(text);
  config_fields(io, config);
  return text;
}

}  // namespace pannier
