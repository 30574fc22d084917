// Descriptor: one of the system's file descriptors, closed when its owner goes.
//
// A handle that moves; one thread at a time. Errors of close() are not looked at: who wrote has
// synced before.
#pragma once

#include <unistd.h>

#include <utility>

namespace pannier {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& from) noexcept : number_(from.release()) {}
  Descriptor& operator=(Descriptor&& from) noexcept {
    if (this != &from) reset(from.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void reset(int number = -1) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }

 private:
  int number_;
};

}  // namespace pannier
