// ClientHandler: what a client session tells its user, and the values it tells it in.
//
// Owned by the user; outlives the session. Loop thread. A callback may call any method of the
// session, but must not destroy it. Views are valid only during the callback. Nothing is called
// back after on_end, and nothing about a channel after on_channel_closed.
#pragma once

#include <string_view>

#include "common/buffer.h"
#include "common/result.h"
#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

// How a channel or the connection came to its end.
struct Ending {
  Error error;
  std::uint16_t reply_code = 0;  // of the server's close; 0: it sent none
  bool asked_for = false;        // by the user; the error says `closed`
};

// To a request that waited for one: the method that answers it, and what it says.
struct Answer {
  MethodId method;              // QueueDeclareOk::kId, BasicGetEmpty::kId, ChannelOpenOk::kId, ...
  std::string_view name;        // declare: the queue; consume and cancel: the consumer tag
  std::uint32_t messages = 0;   // declare, purge, delete
  std::uint32_t consumers = 0;  // declare
};

// What stands around a body: of basic.deliver, basic.get-ok, basic.return or a link's deliver.
struct Incoming {
  enum class Kind : std::uint8_t { delivery, got, returned, linked };
  Kind kind = Kind::delivery;
  bool redelivered = false;
  DeliveryTag tag = 0;            // 0 for a returned one
  std::string_view consumer_tag;  // of a delivery
  std::string_view exchange;
  std::string_view routing_key;
  std::uint32_t messages = 0;    // got: how many are left
  std::uint16_t reply_code = 0;  // returned: why
  std::string_view reply_text;
  ByteView link_method;  // linked: the payload of the method's frame
  ByteView properties;   // as on the wire, flags first; checked if the limits say so
  std::uint64_t body_size = 0;
  bool is_folded = false;  // linked: the body came so; it is handed over unfolded
};

class ClientHandler {
 public:
  virtual ~ClientHandler() = default;

  // The handshake is done: channels can be opened.
  virtual void on_open() {}
  // Once, whatever the reason; the channels are gone without a word of their own.
  virtual void on_end(const Ending& ending) = 0;
  // The server asks publishers to wait, or has ceased to.
  virtual void on_blocked(std::string_view /*reason*/) {}
  virtual void on_unblocked() {}
  // The unsent output was over its limit and is now under half of it.
  virtual void on_room() {}

  // In the order of the requests on this channel; only basic.get's may overtake and be overtaken.
  virtual void on_answer(ChannelId, const Answer&) {}
  virtual void on_channel_closed(ChannelId, const Ending&) {}
  // The server asks for a pause of publishes on this channel (false), or has ceased to.
  virtual void on_flow(ChannelId, bool /*active*/) {}
  // The server has ended this consumer: its queue is gone.
  virtual void on_consumer_cancelled(ChannelId, std::string_view /*consumer_tag*/) {}

  // A body of up to ClientLimits::whole_body_bytes comes whole, a larger one in the parts in which
  // it arrives; a channel that closes in between leaves it without an end.
  virtual void on_message(ChannelId, const Incoming&, Slice /*body*/) {}
  virtual void on_body_begin(ChannelId, const Incoming&) {}
  virtual void on_body_part(ChannelId, ByteView /*part*/) {}
  virtual void on_body_end(ChannelId) {}

  // A method of class 200 without content, with its frame's payload; only if the limits say so. An
  // error is the server's fault and ends the connection.
  virtual Result<void> on_link_method(ChannelId, MethodId, ByteView /*payload*/) { return {}; }

  // All publishes from first to last, each told of once; a returned one has been told of before.
  virtual void on_confirmed(ChannelId, DeliveryTag /*first*/, DeliveryTag /*last*/,
                            bool /*acked*/) {}
};

}  // namespace pannier::amqp
