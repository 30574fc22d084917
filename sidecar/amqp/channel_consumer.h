// ChannelConsumer: a basic.consume of one channel, as the queue sees it.
//
// Owned by its Channel; on its queue from consume-ok until it is cancelled or the queue goes.
#pragma once

#include "sidecar/amqp/channel.h"

namespace pannier::amqp {

class ChannelConsumer final : public queue::Consumer {
 public:
  ChannelConsumer(Channel& channel, std::string tag, queue::QueuePtr queue, std::uint16_t prefetch)
      : channel_(channel), tag_(std::move(tag)), queue_(std::move(queue)), prefetch_(prefetch) {}

  bool has_credit() const override {
    return (no_ack || prefetch_ == 0 || unacked < prefetch_) && channel_.may_deliver();
  }
  void deliver(queue::Queue& from, queue::Delivery delivery) override {
    channel_.deliver(*this, from, std::move(delivery));
  }
  void queue_gone(queue::Queue&) override { channel_.queue_gone(*this); }

  const std::string& tag() const { return tag_; }
  const queue::QueuePtr& queue() const { return queue_; }
  std::uint32_t unacked = 0;

 private:
  Channel& channel_;
  std::string tag_;
  queue::QueuePtr queue_;
  std::uint16_t prefetch_ = 0;  // 0: no limit
};

}  // namespace pannier::amqp
