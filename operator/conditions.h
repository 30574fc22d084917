// Conditions: the list `conditions` of a status, as it becomes; and how messages name agents.
//
// Owned by whoever makes one status; one thread. lastTransitionTime is kept from the status before
// unless the condition's status changes, so that equal facts give equal JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "operator/kube/object.h"

namespace pannier {

inline constexpr std::size_t kNamedAgentsMax = 5;

enum class ConditionStatus : std::uint8_t { is_false, is_true, unknown };

struct Condition {
  std::string_view type;
  ConditionStatus status = ConditionStatus::unknown;
  std::string_view reason;
  std::string message;
};

// In the order in which they are given.
kube::Json conditions_json(const std::vector<Condition>& conditions, const kube::Json& before,
                           std::uint64_t generation, Timestamp now);

// Now, as a status shows it.
Timestamp wall_time(const Clock& clock);

// The condition of that type in a status; null when it has none.
const kube::Json& find_condition(const kube::Json& status, std::string_view type);

// "a, b and c"; beyond kNamedAgentsMax "a, b, c, d, e and 7 more". Sorts them.
std::string listed(std::vector<std::string> names);

}  // namespace pannier
