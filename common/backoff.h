// Backoff: how long to wait before the next attempt. The ceiling grows by a factor up to a maximum,
// and chance spreads the attempts of many agents under it, so that they do not come back in step.
//
// Owned by whoever tries; one thread. It keeps no time of its own: it only names the delay.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace pannier {

enum class Jitter : std::uint8_t {
  none,   // the ceiling itself
  equal,  // between half the ceiling and all of it: spreads, and never tries again at once
  full,   // between nothing and the ceiling: spreads best
};

struct BackoffPolicy {
  std::chrono::milliseconds initial{100};
  std::chrono::milliseconds max{30'000};
  double factor = 2;
  Jitter jitter = Jitter::equal;
};

class Backoff {
 public:
  using UnitRandom = std::function<double()>;  // 0 <= x < 1

  // Without a source of its own, chance comes from a generator with a random seed.
  explicit Backoff(BackoffPolicy policy, UnitRandom random = {});

  // The delay before the next attempt; each call is one more failure.
  std::chrono::milliseconds next();

  // An attempt went well: the next failure starts from `initial` again.
  void reset();

  // Failures since the last reset.
  std::uint64_t failures() const { return failures_; }

 private:
  BackoffPolicy policy_;
  UnitRandom random_;
  double ceiling_ms_;
  std::uint64_t failures_ = 0;
};

}  // namespace pannier
