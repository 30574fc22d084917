// ClientSession: the client's side of one AMQP 0-9-1 connection (specification 2.2.4, 4.2), as a
// state machine over bytes and time: start, tune, open, running, closing, closed.
//
// Owned by its connection, which calls on_closed() before it destroys it; loop thread. Tells its
// user through a ClientHandler, which outlives it: callbacks come only out of on_bytes, on_time,
// on_sent, on_closed and resume, and may call any method but must not destroy it or feed it bytes.
//
// A method that cannot do what it is asked for answers with an Error and sends nothing. What the
// server does against the protocol is answered with connection.close and ends the session;
// a message beyond the limit, and an error of a channel, cost that channel only. Either way the
// handler is told why, once.
//
//   auto channel = session.open_channel();                 // in on_open
//   session.ask(*channel, ConfirmSelect{});                // requests need not wait for answers
//   session.publish(*channel, {"", "orders"}, properties, body);
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "sidecar/amqp/client_channel.h"
#include "sidecar/net/session.h"

namespace pannier::amqp {

class ClientSession : public net::Session {
 public:
  ClientSession(ClientHandler& handler, ClientOptions options, const Clock& clock);

  Result<void> on_bytes(ByteView input) override;
  void on_time(Clock::time_point now) override;
  std::optional<Clock::time_point> deadline() const override;
  void on_sent(std::size_t unsent) override;
  void on_closed() override;
  bool wants_bytes() const override { return !is_paused_; }

  // The lowest free number. What is asked of a channel before its open is answered is sent behind.
  Result<ChannelId> open_channel();
  // That very one. Errors: bad_argument (0, or it is in use), limit_reached.
  Result<void> open_channel(ChannelId number);
  // Its end is told once the server has agreed. A body that is not complete is abandoned; other
  // servers than ours end the connection for that.
  Result<void> close_channel(ChannelId channel);
  // Answered by on_answer; those with no_wait, not at all.
  template <Request Method>
  Result<void> ask(ChannelId channel, const Method& method) {
    return with(channel, [&](ClientChannel& found) { return found.ask(method); });
  }

  // Any other method, as it is: those of links.
  template <typename Method>
  Result<void> send(ChannelId channel, const Method& method) {
    return with(channel, [&](ClientChannel& found) { return found.send(method); });
  }

  // The same with a content behind it, whole or in parts, as with publish: publish_part takes the
  // parts of either.
  template <typename Method>
  Result<void> send(ChannelId channel, const Method& method, ByteView properties, const Slice& body,
                    Fold fold = {}) {
    return with(channel, [&](ClientChannel& found) -> Result<void> {
      auto begun = found.begin_send(method, properties, body.size(), std::move(fold));
      return !begun || body.empty() ? begun : found.publish_part(body);
    });
  }
  template <typename Method>
  Result<void> begin_send(ChannelId channel, const Method& method, ByteView properties,
                          std::uint64_t body_size, Fold fold = {}) {
    return with(channel, [&](ClientChannel& found) {
      return found.begin_send(method, properties, body_size, std::move(fold));
    });
  }

  // Of tag 0 with multiple: all that was delivered.
  Result<void> ack(ChannelId channel, DeliveryTag tag, bool multiple = false);
  Result<void> nack(ChannelId channel, DeliveryTag tag, bool multiple, bool requeue);
  Result<void> reject(ChannelId channel, DeliveryTag tag, bool requeue);

  // The number that on_confirmed will name, 0 before confirm.select. Properties are as on the wire,
  // flags first, as heads of messages keep them, or empty; large bodies are not copied. Nothing is
  // refused for unsent output: ask is_overfull().
  Result<DeliveryTag> publish(ChannelId channel, const PublishTo& to, ByteView properties,
                              const Slice& body);
  Result<DeliveryTag> publish(ChannelId channel, const PublishTo& to,
                              const queue::Properties& properties, const Slice& body);
  // A body in parts; until it is complete, the channel takes nothing else.
  Result<DeliveryTag> begin_publish(ChannelId channel, const PublishTo& to, ByteView properties,
                                    std::uint64_t body_size);
  Result<void> publish_part(ChannelId channel, const Slice& part);
  std::size_t unconfirmed(ChannelId channel) const;

  // connection.close; on_end follows with the server's answer, or when the time for it is up.
  void close(std::string_view reason = "the client has finished");

  // No further frame is looked at, and no byte wanted, until resume(), which may call back. The
  // server's silence does not count meanwhile.
  void pause() { is_paused_ = true; }
  void resume();

  bool is_open() const { return state_ == State::running; }
  bool is_blocked() const { return is_blocked_; }
  std::size_t unsent() const { return output().size() + unsent_; }
  bool is_overfull() const { return unsent() > options_.limits.unsent_bytes; }
  const queue::Table& server_properties() const { return server_properties_; }
  const ConnectionTuneOk& tuned() const { return tuned_; }

 private:
  enum class State : std::uint8_t {
    start,  // the protocol header is out
    tune,   // start-ok is out
    open,   // tune-ok and connection.open are out
    running,
    closing,  // connection.close is out
    closed,
  };

  Result<ClientChannel*> find(ChannelId channel) const;
  template <typename Act>
  auto with(ChannelId id, Act&& act) -> decltype(act(std::declval<ClientChannel&>())) {
    auto found = find(id);
    if (!found) return found.error();
    auto done = act(**found);
    show_output();
    return done;
  }
  Error too_many_channels() const;
  void show_output();
  std::size_t process(ByteView input);
  void on_frame(const Frame& frame);
  Result<void> on_connection_frame(const Frame& frame);
  Result<void> on_connection_method(MethodId method, ByteView payload);
  Result<void> on_start(ByteView payload);
  Result<void> on_tune(ByteView payload);
  Result<void> on_connection_close(ByteView payload);
  Result<void> on_channel_frame(const Frame& frame);
  Result<void> on_channel_close(ChannelId id, ByteView payload);
  void end_channel(ChannelId id, const Ending& ending);
  void on_fault(const Error& error, ChannelId channel);
  void fail(const Error& error);
  void finish(const Ending& ending);
  void set_state(State state);

  const ClientOptions options_;
  ClientHandler& handler_;
  const Clock& clock_;
  ClientLink link_;
  State state_ = State::start;
  Bytes input_;                                           // what is not a whole frame yet
  std::vector<std::unique_ptr<ClientChannel>> channels_;  // by number; null: free
  queue::Table server_properties_;
  ConnectionTuneOk tuned_;
  std::optional<Error> fault_;  // the server's, or a silence
  MethodId current_{};          // the method being handled, for close's class and method
  bool is_paused_ = false;
  bool is_blocked_ = false;
  bool was_overfull_ = false;
  bool is_processing_ = false;  // input
  bool is_called_ = false;      // by the connection, which looks at the output afterwards
  Clock::time_point until_{};   // of the handshake, or of the close
  Clock::time_point last_received_{};
  Clock::time_point last_sent_{};
  std::size_t unsent_ = 0;  // taken by the connection and not yet written
};

}  // namespace pannier::amqp
