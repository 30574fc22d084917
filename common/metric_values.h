// Counter, Gauge and Histogram: the numbers behind the metrics, cheap enough for every message.
//
// Each has one writing thread (the loop's, unless its owner says otherwise), and any thread may
// read: so that adding is a plain load and store, without a locked instruction. Nothing here knows
// names or Prometheus; that is metrics.h.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace pannier {

// Only ever grows.
class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.store(value() + count, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t change) { set(value() + change); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Counts values by the smallest bound that is not below them. `bounds` ascend, are in the unit that
// the metric's name says, and live as long as the program; what is above the last one is counted
// too.
class Histogram {
 public:
  static constexpr std::size_t kBoundsMax = 24;

  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {
    if (bounds.size() > kBoundsMax) std::abort();
  }

  // `count` observations of the same value at once, as a batch of confirms gives them.
  void observe(double value, std::uint64_t count = 1) {
    const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    auto& bucket = counts_[static_cast<std::size_t>(bound - bounds_.begin())];
    bucket.store(bucket.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    sum_.store(sum() + value * static_cast<double>(count), std::memory_order_relaxed);
  }
  void observe(std::chrono::nanoseconds time, std::uint64_t count = 1) {
    observe(std::chrono::duration<double>(time).count(), count);
  }

  std::span<const double> bounds() const { return bounds_; }
  // Values in bucket `i` alone; bucket bounds().size() is what lies above all bounds.
  std::uint64_t count_in(std::size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<const double> bounds_;
  std::array<std::atomic<std::uint64_t>, kBoundsMax + 1> counts_{};
  std::atomic<double> sum_{0};
};

}  // namespace pannier
