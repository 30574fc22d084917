// ClientChannel: one channel of a client session: requests and the answers they wait for, publishes
// and their confirms, and the content that is coming in (AMQP 0-9-1, 4.2.6; 4.7 for its end).
//
// Owned by ClientSession; loop thread. A request that cannot be sent is refused with an Error and
// changes nothing. An error that on_frame returns is the server's fault: too_large costs the
// channel, anything else the connection.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "sidecar/amqp/client_confirms.h"
#include "sidecar/amqp/client_handler.h"
#include "sidecar/amqp/client_options.h"
#include "sidecar/amqp/client_requests.h"
#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/reply.h"
#include "sidecar/queue/properties.h"

namespace pannier::amqp {

// Where a publish goes.
struct PublishTo {
  std::string_view exchange;
  std::string_view routing_key;
  bool mandatory = false;
};

// What a channel may use of its session, which owns it and outlives the channels.
struct ClientLink {
  ClientHandler& handler;
  const ClientLimits& limits;
  net::Output& output;
  std::uint32_t frame_max = 0;
  bool is_running = false;  // neither closing nor closed
};

class ClientChannel {
 public:
  ClientChannel(ChannelId id, ClientLink& link) : id_(id), link_(link) {}
  ClientChannel(const ClientChannel&) = delete;
  ClientChannel& operator=(const ClientChannel&) = delete;

  template <Request Method>
  Result<void> ask(const Method& method) {
    if (auto may = may_ask(); !may) return may;
    if (auto may = may_note(method); !may) return may;
    if (auto put = put_method_within(link_.output, id_, method, link_.frame_max); !put) return put;
    if (wants_answer(method)) waiting_.push_back(AnswerTo<Method>::Ok::kId);
    note(method);
    return {};
  }
  // Any method, sent as it is: no answer is waited for.
  Result<void> send(const auto& method) {
    if (auto may = may_send(); !may) return may;
    return put_method_within(link_.output, id_, method, link_.frame_max);
  }
  Result<void> settle(DeliveryTag tag, const auto& method) {
    if (auto may = may_send(); !may) return may;
    if (tag > last_delivery_)
      return Error{Errc::precondition, "unknown delivery tag " + std::to_string(tag)};
    put_method(link_.output, id_, method);
    return {};
  }

  // A link's method with a content behind it; its parts are published like any other's.
  Result<void> begin_send(const auto& method, ByteView properties, std::uint64_t size,
                          Fold fold = {}) {
    if (auto may = may_begin(properties); !may) return may;
    if (auto put = put_method_within(link_.output, id_, method, link_.frame_max); !put) return put;
    begin_body(properties, size, std::move(fold));
    return {};
  }

  // client_publish.cc
  Result<DeliveryTag> begin_publish(const PublishTo& to, ByteView properties, std::uint64_t size);
  Result<void> publish_part(const Slice& part);
  std::size_t unconfirmed() const { return confirms_.is_on() ? confirms_.outstanding() : 0; }

  void close(const Reply& reply, MethodId cause);
  bool is_live() const { return !is_closing_ && link_.is_running; }
  bool is_closing() const { return is_closing_; }
  // Of the close that the user asked for, not that of an error.
  bool was_told() const { return was_told_; }
  void set_told() { was_told_ = true; }

  Result<void> on_frame(const Frame& frame, MethodId method);

 private:
  enum class Content : std::uint8_t { none, header, body, parts };

  Result<void> may_send() const;
  Result<void> may_ask() const;
  Result<void> may_note(const BasicConsume& method) const;
  Result<void> may_note(const auto&) const { return {}; }
  void note(const BasicConsume&) { has_consumed_ = true; }
  void note(const ConfirmSelect&) { confirms_.select(); }
  void note(const auto&) {}
  DeliveryTag sent() const { return confirms_.published() - (left_ > 0 && is_publish_ ? 1 : 0); }

  Result<void> may_begin(ByteView properties) const;
  void begin_body(ByteView properties, std::uint64_t size, Fold fold);

  Result<void> on_method(MethodId method, ByteView payload);
  Result<void> on_answer(MethodId method, ByteView payload);
  Result<void> on_get_answer(MethodId method, ByteView payload);
  Result<void> on_confirm(DeliveryTag tag, bool multiple, bool acked);
  Result<void> on_cancel(ByteView payload);
  Result<void> on_flow(ByteView payload);
  template <typename Method>
  Result<void> reply(const Method& method);

  // client_content.cc
  Result<void> on_link_method(MethodId method, ByteView payload);
  Result<void> on_content_method(MethodId method, ByteView payload);
  Result<void> begin_content(DeliveryTag tag);
  Result<void> on_header(ByteView payload);
  Result<void> on_body(ByteView payload);
  Result<void> on_piece(ByteView piece);
  Incoming incoming() const;
  void finish_content(Slice body);

  const ChannelId id_;
  ClientLink& link_;
  std::deque<MethodId> waiting_;  // the answers that are due
  bool is_closing_ = false;       // channel.close is out
  bool was_told_ = false;
  bool has_consumed_ = false;
  bool has_mandatory_ = false;

  ClientConfirms confirms_;
  std::uint64_t left_ = 0;   // of the body that is being published in parts
  Fold fold_;                // how that is done
  bool is_publish_ = false;  // that body's, or a link's method's
  Bytes behind_;             // what must not stand within it

  // The message that is coming in; its strings keep their memory for the next one.
  Content content_ = Content::none;
  Incoming::Kind kind_ = Incoming::Kind::delivery;
  BasicDeliver deliver_;
  BasicGetOk got_;
  BasicReturn returned_;
  Bytes link_method_;
  Bytes properties_;
  std::uint64_t body_size_ = 0;
  bool is_folded_ = false;
  std::uint64_t received_ = 0;
  std::shared_ptr<std::byte[]> body_;
  DeliveryTag last_delivery_ = 0;
};

}  // namespace pannier::amqp
