// AgentStatus: what an agent says of itself at GET /v1/status, as far as people are shown it.
//
// A value; parsing is pure and takes nothing for granted: what is missing is nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/quantity.h"

namespace pannier::cli {

struct QueueStatus {
  std::string name;
  std::string uid;  // of its MessageQueue; empty: a client declared it
  std::uint64_t generation = 0;
  std::string durability;
  bool paused = false;
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
  std::uint64_t delayed = 0;
  std::uint64_t bytes = 0;
  std::uint64_t consumers = 0;
  std::optional<Timestamp> oldest;
};

struct AgentStatus {
  std::string version;
  std::string namespace_name;
  std::string pod;
  std::string pod_uid;
  std::string phase;  // serving, draining, ending
  std::optional<Timestamp> started;
  std::string policy_version;
  std::vector<QueueStatus> queues;
  std::uint64_t spool_bytes = 0;
  std::uint64_t spool_max = 0;
  bool is_spool_full = false;
  std::uint64_t confirmed = 0;
  std::optional<Timestamp> certificate_expires;  // the first of them
  std::string json;                              // as it came

  std::uint64_t messages() const;  // in all its queues, whatever their state
  const QueueStatus* find(std::string_view queue) const;
};

// Nothing for what is no status.
std::optional<AgentStatus> parse_agent_status(std::string_view json);

}  // namespace pannier::cli
