#include "operator/render_agent_config.h"

#include <algorithm>

#include "operator/admit_pod.h"

namespace pannier {
namespace {

// A spool has room for this many segments at least: smaller volumes get smaller segments.
constexpr std::uint64_t kSegmentsMin = 8;
constexpr std::uint64_t kSegmentBytesMin = 1ull << 20;
// Of a local folder's disk, which is everybody's.
constexpr std::uint64_t kReservePercent = 5;
constexpr std::size_t kSocketPathBytesMax = 107;  // sockaddr_un, with its NUL

AgentSpool spool_of(const api::AgentSpoolVolume& volume) {
  AgentSpool spool;
  // What is left of it is for the file system, and for what compaction holds for a moment.
  spool.bytes_max = volume.size - volume.size / 10;
  while (spool.segment_bytes > kSegmentBytesMin &&
         spool.bytes_max / kSegmentsMin < spool.segment_bytes)
    spool.segment_bytes /= 2;
  spool.free_space_reserve =
      std::min(spool.free_space_reserve, volume.size / 100 * kReservePercent);
  return spool;
}

AgentListeners listeners_of(const api::AgentPorts& ports, const api::AgentClassSpec& spec,
                            const LocalAgentPlaces& places) {
  const std::vector<std::string> own{places.address};
  AgentListeners listeners;
  listeners.amqps = {true, own, ports.amqps};
  listeners.https = {true, own, ports.https};
  listeners.peer = {true, own, ports.peer};
  listeners.admin = {true, own, ports.admin};
  listeners.amqp = {spec.plaintext_loopback, own, ports.amqp};
  listeners.http = {spec.plaintext_loopback, own, ports.http};
  listeners.control_socket = places.control_socket;
  return listeners;
}

}  // namespace

Result<AgentConfig> render_local_agent_config(const api::Pod& pod,
                                              const api::AgentClass& agent_class,
                                              const std::string& trust_domain,
                                              const LocalAgentPlaces& places) {
  const api::AgentClassSpec& spec = agent_class.spec;
  if (places.control_socket.size() > kSocketPathBytesMax)
    return Error{Errc::bad_config,
                 "the path of the agent's control socket is " +
                     std::to_string(places.control_socket.size()) + " bytes long, and " +
                     std::to_string(kSocketPathBytesMax) +
                     " is the most that a socket can have: use a folder with a shorter path (" +
                     places.control_socket + ")"};
  const auto ports = ports_of(pod, spec);
  if (!ports) return ports.error();
  AgentConfig config;
  config.class_name = agent_class.metadata.name;
  config.identity.namespace_name = pod.metadata.namespace_name;
  config.identity.pod_name = pod.metadata.name;
  config.identity.pod_uid = pod.metadata.uid;
  config.identity.service_account = pod.spec.service_account;
  config.identity.trust_domain = trust_domain;
  config.listeners = listeners_of(*ports, spec, places);
  config.folders = places.folders;
  config.local = places.files;
  config.spool = spool_of(spec.spool);
  config.client_topology = spec.client_topology;
  config.log_level = spec.log_level;
  // What it does not accept it would refuse at each start: better said once, here.
  if (const auto accepted = parse_agent_config(to_yaml(config), "agent.yaml"); !accepted)
    return accepted.error();
  return config;
}

}  // namespace pannier
