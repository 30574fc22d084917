#include "common/backoff.h"

#include <algorithm>
#include <utility>

#include "common/random.h"

namespace pannier {
namespace {

double as_ms(std::chrono::milliseconds time) { return static_cast<double>(time.count()); }

}  // namespace

Backoff::Backoff(BackoffPolicy policy, UnitRandom random)
    : policy_(policy), random_(std::move(random)), ceiling_ms_(0) {
  if (!random_) random_ = [generator = Random()]() mutable { return generator.unit(); };
  reset();
}

std::chrono::milliseconds Backoff::next() {
  const double ceiling = ceiling_ms_;
  ceiling_ms_ = std::min(ceiling * std::max(policy_.factor, 1.0), as_ms(policy_.max));
  ++failures_;

  double least = 0;
  if (policy_.jitter == Jitter::none) least = ceiling;
  if (policy_.jitter == Jitter::equal) least = ceiling / 2;
  const double delay = least == ceiling ? ceiling : least + (ceiling - least) * random_();
  return std::chrono::milliseconds(static_cast<std::int64_t>(delay));
}

void Backoff::reset() {
  ceiling_ms_ = std::min(as_ms(policy_.initial), as_ms(policy_.max));
  failures_ = 0;
}

}  // namespace pannier
