// AgentReport: what an agent says of itself at /v1/status, as the operator uses it, and
// AgentReports, the last one of each.
//
// AgentReport is a value; parsing is pure, ignores what it does not know, and takes nothing that an
// agent says for granted: sizes are limited. AgentReports: any thread. A report older than
// kFreshFor counts as unknown, never as zero. Nothing survives the process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/quantity.h"
#include "common/result.h"

namespace pannier {

struct ReportedQueue {
  std::string name;
  std::string uid;  // empty: a client declared it
  std::uint64_t generation = 0;
  std::string durability;
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
  std::uint64_t delayed = 0;
  std::uint64_t bytes = 0;
  std::uint64_t consumers = 0;
  std::optional<Timestamp> oldest;
  std::uint64_t lost = 0;
};

struct ReportedLink {
  std::string peer;  // as the agent names it
  bool is_push = false;
  std::uint64_t lag = 0;
  double oldest_age_seconds = 0;
  std::uint64_t moved = 0;
};

struct AgentReport {
  std::string version;
  std::string pod_uid;
  std::string spool_id;
  std::string phase;  // serving, draining, ending
  std::string policy_version;
  std::string members_version;
  std::vector<ReportedQueue> queues;
  std::vector<ReportedLink> links;
  std::uint64_t spool_bytes = 0;
  std::uint64_t spool_bytes_max = 0;
  bool is_spool_full = false;
  std::optional<Timestamp> peer_certificate_expires;
  std::string trust_bundle;  // content_hash of the CAs that it checks peers by
  bool is_sorted = false;    // queues: by UID

  const ReportedQueue* find(std::string_view uid) const;
};

Result<AgentReport> parse_agent_report(std::string_view json);

class AgentReports {
 public:
  static constexpr std::chrono::seconds kFreshFor{30};

  explicit AgentReports(const Clock& clock = system_clock())
      : clock_(clock), began_(clock.now()), began_wall_ms_(clock.now_ms()) {}

  void put(AgentReport report);
  void forget(const std::string& pod_uid);
  // None while it is unknown or its last one is too old.
  std::shared_ptr<const AgentReport> find(const std::string& pod_uid) const;
  // However old it is: for what stays true of a pod while it is silent.
  std::shared_ptr<const AgentReport> find_last(const std::string& pod_uid) const;
  // An agent that ran before we began, and that we may simply not have asked yet: not silent, for
  // the first kFreshFor.
  bool is_yet_to_report(const std::string& pod_uid, std::optional<Timestamp> started_at) const;

 private:
  struct Kept {
    std::shared_ptr<const AgentReport> report;
    Clock::time_point at;
  };
  const Clock& clock_;
  const Clock::time_point began_;
  const std::int64_t began_wall_ms_;
  mutable std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

}  // namespace pannier
