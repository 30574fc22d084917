// ChannelConsumer: a basic.consume of one channel, as the queue sees it.
//
// Owned by its Channel; on its queue from basic.consume until it is cancelled or the queue
// goes.
#pragma once

#include <algorithm>

#include "sidecar/amqp/channel.h"

namespace pannier::amqp {

class ChannelConsumer final : public queue::Consumer {
 public:
  ChannelConsumer(Channel& channel, std::string tag, queue::QueuePtr queue, std::uint16_t prefetch,
                  std::uint64_t with_serial)
      : serial(with_serial),
        channel_(channel),
        tag_(std::move(tag)),
        queue_(std::move(queue)),
        prefetch_(prefetch) {}

  bool has_credit() const override {
    return has_begun && (no_ack || prefetch_ == 0 || *unacked < prefetch_) &&
           channel_.may_deliver();
  }
  std::uint32_t credit() const override {
    if (!has_credit()) return 0;
    return no_ack || prefetch_ == 0 ? kCreditMax
                                    : std::min<std::uint32_t>(prefetch_ - *unacked, kCreditMax);
  }
  void deliver(queue::Queue& from, queue::Delivery delivery) override {
    channel_.deliver(*this, from, std::move(delivery));
  }
  void queue_gone(queue::Queue&) override { channel_.queue_gone(*this); }

  const std::string& tag() const { return tag_; }
  const queue::QueuePtr& queue() const { return queue_; }
  const std::uint64_t serial;  // tags are used again
  bool has_begun = false;      // consume-ok is out
  // Outlives the consumer in what it left unacknowledged.
  const std::shared_ptr<std::uint32_t> unacked = std::make_shared<std::uint32_t>(0);

 private:
  Channel& channel_;
  std::string tag_;
  queue::QueuePtr queue_;
  std::uint16_t prefetch_ = 0;  // 0: no limit
};

}  // namespace pannier::amqp
