// HeldBytes: how much memory the messages have that clients were given and that are not written to
// them; and HeldCharge, the part of one request.
//
// Made by ApiHandler, shared with the charges, which may outlive it. Loop thread. What is full
// gives no more messages out; the last one may have gone beyond.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace pannier::http {

struct HeldBytes {
  std::uint64_t bytes = 0;
  std::uint64_t bytes_max = 0;
  std::function<void()> on_room;  // it is full no longer; must not call back at once

  bool is_full() const { return bytes >= bytes_max; }
};

class HeldCharge {
 public:
  explicit HeldCharge(std::shared_ptr<HeldBytes> of) : held_(std::move(of)) {}
  ~HeldCharge() { set(0); }
  HeldCharge(const HeldCharge&) = delete;
  HeldCharge& operator=(const HeldCharge&) = delete;

  void add(std::uint64_t more) { set(bytes_ + more); }
  void set(std::uint64_t bytes) {
    const bool was_full = held_->is_full();
    held_->bytes = held_->bytes - bytes_ + bytes;
    bytes_ = bytes;
    if (was_full && !held_->is_full() && held_->on_room) held_->on_room();
  }
  bool may_grow() const { return !held_->is_full(); }

 private:
  const std::shared_ptr<HeldBytes> held_;
  std::uint64_t bytes_ = 0;
};

}  // namespace pannier::http
