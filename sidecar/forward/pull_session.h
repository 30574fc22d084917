// PullSession: a client session whose user may go before it does.
//
// Owned by its connection; loop thread. It passes on what it hears until it is let go of; after
// that nothing it hears matters.
#pragma once

#include <memory>

#include "sidecar/amqp/client_session.h"

namespace pannier::forward {

using HandlerRef = std::shared_ptr<amqp::ClientHandler*>;  // to null: let go of

class HandlerRelay : private amqp::ClientHandler {
 public:
  explicit HandlerRelay(HandlerRef to) : to_(std::move(to)) {}
  amqp::ClientHandler& handler() { return *this; }

 private:
  template <typename Tell>
  void tell(Tell&& tell_it) {
    if (*to_ != nullptr) tell_it(**to_);
  }
  void on_open() override {
    tell([](auto& to) { to.on_open(); });
  }
  void on_end(const amqp::Ending& ending) override {
    tell([&](auto& to) { to.on_end(ending); });
  }
  void on_room() override {
    tell([](auto& to) { to.on_room(); });
  }
  void on_answer(amqp::ChannelId channel, const amqp::Answer& answer) override {
    tell([&](auto& to) { to.on_answer(channel, answer); });
  }
  void on_channel_closed(amqp::ChannelId channel, const amqp::Ending& ending) override {
    tell([&](auto& to) { to.on_channel_closed(channel, ending); });
  }
  void on_message(amqp::ChannelId channel, const amqp::Incoming& head, Slice body) override {
    tell([&](auto& to) { to.on_message(channel, head, std::move(body)); });
  }
  void on_body_begin(amqp::ChannelId channel, const amqp::Incoming& head) override {
    tell([&](auto& to) { to.on_body_begin(channel, head); });
  }
  void on_body_part(amqp::ChannelId channel, ByteView part) override {
    tell([&](auto& to) { to.on_body_part(channel, part); });
  }
  void on_body_end(amqp::ChannelId channel) override {
    tell([&](auto& to) { to.on_body_end(channel); });
  }
  void on_confirmed(amqp::ChannelId channel, amqp::DeliveryTag first, amqp::DeliveryTag last,
                    bool acked) override {
    tell([&](auto& to) { to.on_confirmed(channel, first, last, acked); });
  }
  Result<void> on_link_method(amqp::ChannelId channel, amqp::MethodId method,
                              ByteView payload) override {
    if (*to_ == nullptr) return Error{Errc::closed, "the link is gone"};
    return (*to_)->on_link_method(channel, method, payload);
  }

  const HandlerRef to_;
};

class PullSession final : private HandlerRelay, public amqp::ClientSession {
 public:
  PullSession(HandlerRef to, amqp::ClientOptions options, const Clock& clock)
      : HandlerRelay(std::move(to)), amqp::ClientSession(handler(), std::move(options), clock) {}
};

}  // namespace pannier::forward
