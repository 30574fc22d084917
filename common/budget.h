// Budget and Charge: a named limit on bytes that many hold a part of, and one such part.
//
// A Budget is owned by whoever sets the limit and outlives its charges; it may be a part of another
// one, which then has to have room too. A charge gives back what it took when it goes. Loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

namespace pannier {

class Budget {
 public:
  explicit Budget(std::uint64_t bytes_max, Budget* whole = nullptr)
      : bytes_max_(bytes_max), whole_(whole) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  std::uint64_t used() const { return used_; }

 private:
  friend class Charge;
  bool take(std::uint64_t bytes) {
    if (used_ + bytes > bytes_max_ || (whole_ != nullptr && !whole_->take(bytes))) return false;
    used_ += bytes;
    return true;
  }
  void give_back(std::uint64_t bytes) {
    used_ -= bytes;
    if (whole_ != nullptr) whole_->give_back(bytes);
  }

  const std::uint64_t bytes_max_;
  Budget* const whole_;
  std::uint64_t used_ = 0;
};

class Charge {
 public:
  // Nothing if there is no room.
  static std::optional<Charge> of(Budget& budget, std::uint64_t bytes) {
    if (!budget.take(bytes)) return {};
    return Charge(budget, bytes);
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->give_back(bytes_);
  }
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

 private:
  Charge(Budget& budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}

  Budget* budget_;
  std::uint64_t bytes_;
};

}  // namespace pannier
