// Pusher::PushConsumer: a queue that is pushed, as the queue sees it.
//
// Owned by its Pushed, and on its queue as long as it lives. Loop thread.
#pragma once

#include "sidecar/forward/pusher.h"

namespace pannier::forward {

class Pusher::PushConsumer final : public queue::Consumer {
 public:
  PushConsumer(Pusher& pusher, Pushed& pushed) : pusher_(pusher), pushed_(pushed) {
    is_link = true;
  }
  bool takes_held_back() const override { return pusher_.is_draining_; }
  bool has_credit() const override { return pusher_.has_credit(pushed_); }
  void deliver(queue::Queue&, queue::Delivery delivery) override {
    pusher_.deliver(pushed_, std::move(delivery));
  }
  void queue_gone(queue::Queue&) override { pusher_.dirty_.insert(&pushed_); }

 private:
  Pusher& pusher_;
  Pushed& pushed_;
};

}  // namespace pannier::forward
