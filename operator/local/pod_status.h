// pod_status: a pod's status as the local runner keeps it: what a kubelet would write, and the
// pids.
//
// Pure; any thread. Times of change come from the status before, where nothing has changed.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/quantity.h"

namespace pannier::local {

struct PodFacts {
  std::string phase;  // Pending, Running, Succeeded, Failed
  std::string address;
  Timestamp started_at{};
  std::string reason;            // why it cannot run, CamelCase; empty: it can
  std::string message;           // the same for people
  std::string not_ready_reason;  // empty: it is ready
  std::string not_ready_message;
  std::vector<nlohmann::json> init_containers;  // the agent's first
  std::vector<nlohmann::json> containers;
};

nlohmann::json pod_status(const PodFacts& facts, const nlohmann::json& before, Timestamp now);

}  // namespace pannier::local
