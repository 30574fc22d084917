// LoadStats: latencies in logarithmic buckets, three percent wide, and what a process has used.
//
// One thread. A percentile is the upper bound of its bucket.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace pannier::bench {

class LoadStats {
 public:
  void add(std::chrono::nanoseconds latency, std::uint64_t count = 1);
  std::uint64_t count() const { return count_; }
  // In microseconds; `share` from 0 to 1.
  double percentile_us(double share) const;

 private:
  static constexpr std::size_t kBuckets = 1'024;
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

// User and system time of this process.
double cpu_seconds();

}  // namespace pannier::bench
