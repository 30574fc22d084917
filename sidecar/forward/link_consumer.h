// LinkChannel::PullConsumer: one pull of a link, as the queue sees it.
//
// Owned by its pull, and on its queue as long as it lives.
#pragma once

#include "sidecar/forward/link_channel.h"

namespace pannier::forward {

class LinkChannel::PullConsumer final : public queue::Consumer {
 public:
  PullConsumer(LinkChannel& channel, Pull& pull) : channel_(channel), pull_(pull) {
    is_link = true;
  }
  bool has_credit() const override {
    return pull_.delivered < pull_.limit && channel_.may_deliver(pull_);
  }
  void deliver(queue::Queue& queue, queue::Delivery delivery) override {
    channel_.deliver(pull_, queue, delivery);
  }
  void note_ready(queue::Queue&) override { channel_.note_ready(pull_); }
  void queue_gone(queue::Queue&) override { channel_.queue_gone(pull_); }

 private:
  LinkChannel& channel_;
  Pull& pull_;
};

}  // namespace pannier::forward
