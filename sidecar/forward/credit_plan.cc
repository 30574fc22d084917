#include "sidecar/forward/credit_plan.h"

#include <algorithm>
#include <numeric>

namespace pannier::forward {
namespace {

// Keeps products of it and a budget in range, whatever a peer announces.
constexpr std::uint64_t kReadyMax = 1u << 31;
constexpr std::uint64_t kBudgetMax = 1u << 31;

using Targets = std::vector<std::uint64_t>;
using Origins = std::vector<OriginCredit>;

// Who holds credit keeps it: taking it back costs a way there and back.
std::vector<std::size_t> in_turn(const Origins& origins, std::size_t turn) {
  std::vector<std::size_t> order(origins.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = (turn + i) % order.size();
  std::ranges::stable_sort(order, {}, [&](std::size_t at) {
    return origins[at].is_suspect ? 2 : origins[at].outstanding == 0 ? 1 : 0;
  });
  return order;
}

std::uint64_t wanted(const OriginCredit& origin) {
  const std::uint64_t most = origin.is_suspect ? 1 : kReadyMax;
  return std::min({origin.ready, origin.room, most});
}

// One for each that has something, then in proportion.
void share(std::uint64_t budget, const Origins& origins, const std::vector<std::size_t>& order,
           Targets& targets) {
  std::uint64_t sum = 0;
  for (const std::size_t at : order) {
    const std::uint64_t wants = wanted(origins[at]);
    if (wants == 0) continue;
    if (budget == 0) return;
    targets[at] = 1;
    --budget;
    sum += wants - 1;
  }
  std::uint64_t left = budget;
  for (const std::size_t at : order) {
    const std::uint64_t more = wanted(origins[at]) - targets[at];
    const std::uint64_t part = sum == 0 ? 0 : std::min(more, budget * more / sum);
    targets[at] += part;
    left -= part;
  }
  for (const std::size_t at : order) {
    if (left == 0) return;
    if (targets[at] == wanted(origins[at])) continue;
    ++targets[at];
    --left;
  }
}

void spread_rest(std::uint64_t rest, const Origins& origins, const std::vector<std::size_t>& order,
                 Targets& targets) {
  const std::uint64_t each = std::max<std::uint64_t>(1, rest / 2 / order.size());
  for (const std::size_t at : order) {
    const OriginCredit& origin = origins[at];
    const std::uint64_t most =
        origin.is_suspect ? std::min<std::uint64_t>(1, origin.room) : origin.room;
    if (most <= targets[at]) continue;
    const std::uint64_t more = std::min({each, rest, most - targets[at]});
    targets[at] += more;
    rest -= more;
  }
}

}  // namespace

std::vector<std::uint64_t> spread_credit(std::uint64_t budget,
                                         const std::vector<OriginCredit>& origins,
                                         std::size_t turn) {
  Targets targets(origins.size(), 0);
  if (origins.empty() || budget == 0) return targets;
  budget = std::min(budget, kBudgetMax);
  const auto order = in_turn(origins, turn);
  share(budget, origins, order, targets);
  const std::uint64_t used = std::accumulate(targets.begin(), targets.end(), std::uint64_t{0});
  if (used < budget) spread_rest(budget - used, origins, order, targets);
  return targets;
}

}  // namespace pannier::forward
