// credit_plan: how a queue's credit is spread over the origins that could use it.
//
// Pure; any thread. Shares follow what is ready: as long as there is less than the budget, each
// origin gets what it has announced, and half of the rest waits at all of them for what comes next;
// the other half is kept for whoever announces something. The sum of the targets is never above the
// budget.
#pragma once

#include <cstdint>
#include <vector>

namespace pannier::forward {

struct OriginCredit {
  std::uint64_t ready = 0;        // announced, and not delivered since
  std::uint64_t outstanding = 0;  // granted and not used
  std::uint64_t room = 0;         // the most that may be outstanding
  bool is_suspect = false;        // it has had credit before and did nothing with it: a probe only
};

// A target for each origin. `turn` says who comes first when there is not one for each.
std::vector<std::uint64_t> spread_credit(std::uint64_t budget,
                                         const std::vector<OriginCredit>& origins,
                                         std::size_t turn);

}  // namespace pannier::forward
