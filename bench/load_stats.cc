#include "bench/load_stats.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>

namespace pannier::bench {
namespace {

constexpr double kWidth = 1.03;

}  // namespace

void LoadStats::add(std::chrono::nanoseconds latency, std::uint64_t count) {
  const double ns = std::max<double>(1.0, static_cast<double>(latency.count()));
  const auto bucket = static_cast<std::size_t>(std::log(ns) / std::log(kWidth));
  buckets_[std::min(bucket, kBuckets - 1)] += count;
  count_ += count;
}

double LoadStats::percentile_us(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > wanted || seen == count_)
      return std::pow(kWidth, static_cast<double>(i + 1)) / 1'000.0;
  }
  return 0;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace pannier::bench
