// DenialLog: writes who was denied what, each denial once a minute however often it comes, and
// afterwards how often it came.
//
// Owned by PolicyAccess. Loop thread. It remembers a limited number; beyond that denials of the
// same second share a line.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/log.h"
#include "sidecar/queue/access.h"

namespace pannier::queue {

std::string_view name_of(Principal::Kind kind);  // "user", "ServiceAccount", "agent"

class DenialLog {
 public:
  static constexpr std::chrono::minutes kInterval{1};

  DenialLog(const Clock& clock, std::size_t remembered_max);

  void note(const Principal& principal, std::string_view verb, std::string_view queue);

  // Writes the counts of denials that are a minute old.
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

 private:
  struct Denied {
    Principal principal;
    std::string verb;
    std::string queue;
    std::uint64_t repeated = 0;
  };

  const Clock& clock_;
  const std::size_t remembered_max_;
  log::RateLimit beyond_;
  std::unordered_map<std::string, Denied> denied_;
  std::deque<std::pair<Clock::time_point, std::string>> forgotten_at_;  // in order
};

}  // namespace pannier::queue
