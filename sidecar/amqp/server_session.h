// ServerSession: the server's side of one AMQP 0-9-1 connection, as a state machine over bytes and
// time: header, start, tune, open, running, closing.
//
// Owned by its connection; loop thread. Errors are answered as RabbitMQ does: an error of a channel
// closes that channel, one of the connection closes it with connection.close and the reply code,
// and whoever does not answer is cut off at the handshake limit. Until the limits are agreed on a
// client is told nothing but that its login was refused, if it asked to be told. When it ends,
// unacknowledged deliveries go back and exclusive queues go.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/handshake.h"
#include "sidecar/amqp/session_context.h"

namespace pannier::amqp {

class ServerSession final : public net::Session, public SessionLink {
 public:
  ServerSession(SessionContext& context, net::PeerInfo peer, Logins logins = Logins::any);
  ~ServerSession() override;

  Result<void> on_bytes(ByteView input) override;
  void on_time(Clock::time_point now) override;
  std::optional<Clock::time_point> deadline() const override;
  void on_sent(std::size_t unsent) override;
  void on_closed() override;
  bool wants_bytes() const override;

  // A commit is synced.
  void on_synced(queue::Commit synced);
  // A publish that the spool was too busy for can go on, and so can channels that wait for it.
  void on_spool_room();
  // connection.blocked and unblocked, as the context has it, for publishers that asked.
  void show_blocked();
  // The agent ends, or an operator asks: connection.close with CONNECTION_FORCED.
  void force_close(std::string_view reason);

  // Another agent's connection.
  bool is_link() const { return principal_.kind == queue::Principal::Kind::agent; }
  std::size_t channels() const { return channels_.size(); }
  const std::string& user() const { return principal_.name; }

 private:
  enum class State : std::uint8_t {
    header,          // the eight bytes of the protocol header
    start,           // connection.start is out
    authenticating,  // credentials are being checked
    tune,            // connection.tune is out
    open,            // connection.open is expected
    running,
    closing,  // connection.close is out; nothing but close-ok counts
    closed,
  };

  // SessionLink
  net::Output& session_output() override { return output(); }
  void session_rings() override { ring(); }
  void await_sync() override { context_.await_sync(*this); }
  void await_room() override { context_.await_room(*this); }
  const queue::Principal& principal() const override { return principal_; }
  const std::string& login() const override { return login_; }
  queue::OwnerId owner() const override { return owner_; }
  std::uint32_t frame_max() const override { return frame_max_; }
  Budget& incomplete() override { return incomplete_; }
  bool wants_cancel_notify() const override { return wants_cancel_notify_; }
  std::string_view peer_codecs() const override { return peer_codecs_; }
  bool is_overfull() const override;
  std::size_t unsent_bytes() const override { return unsent(); }
  void go_on() override;
  void note_streaming(const ServerChannel& channel, bool is_streaming) override;
  void content_ended(ChannelId channel) override;
  void close_channel(ChannelId channel, const Reply& reply, MethodId cause) override;
  void end_session(const Reply& reply) override { close_connection(reply, {}); }

  struct Ending {  // a closed channel with a content that is still to be sent whole
    std::unique_ptr<ServerChannel> channel;
    net::Output last;
  };

  static std::string_view name_of(State state);
  std::size_t on_header(ByteView input);
  void process();
  void resume();
  void release(queue::Commit synced);
  std::size_t unsent() const;
  bool is_clogged() const;
  bool listens() const;
  bool on_frame(const Frame& frame);
  Result<void> on_heartbeat(const Frame& frame);
  void refuse(const Error& error, const Frame& frame);
  void cut_off(const Reply& reply);
  Result<void> on_connection_frame(const Frame& frame);
  Result<void> on_connection_method(MethodId method, ByteView payload);
  Result<void> on_channel_frame(const Frame& frame);
  Result<void> on_start_ok(ByteView payload);
  Result<void> on_tune_ok(ByteView payload);
  Result<void> on_open(ByteView payload);
  void on_authenticated(Result<queue::Principal> principal);
  Result<void> open_channel(ChannelId id);
  std::unique_ptr<ServerChannel> make_channel(ChannelId id);
  void send_start();
  void send_tune();
  void end_channel(ChannelId id, net::Output last);
  std::vector<ChannelId> channel_ids() const;
  ServerChannel* find_channel(ChannelId id);
  void close_connection(const Reply& reply, MethodId cause, bool counts_deliveries = true);
  void finish();
  void drop_channels(bool counts_deliveries);
  void read_capabilities(const queue::Table& client_properties);

  SessionContext& context_;
  net::PeerInfo peer_;
  Logins logins_;
  State state_ = State::header;
  Bytes input_;  // what is not a whole frame yet
  queue::Principal principal_;
  std::string login_;
  queue::OwnerId owner_ = 0;
  std::uint32_t frame_max_ = 0;
  std::uint16_t channel_max_ = 0;
  std::chrono::milliseconds heartbeat_{0};
  bool wants_cancel_notify_ = false;
  bool wants_blocked_ = false;
  bool wants_close_on_failure_ = false;  // authentication_failure_close
  bool is_blocked_ = false;
  bool has_published_ = false;
  bool is_processing_ = false;
  bool is_held_up_ = false;  // the frame in front waits: for the spool, or for answers to leave
  bool is_stopped_ = false;  // too much is unsent: frames wait
  mutable bool holds_back_ = false;  // somebody waits for the output to shrink
  std::string client_name_;
  std::string peer_codecs_;
  std::string mechanism_;
  MethodId current_{};  // the method being handled, for close's class and method
  Budget incomplete_;
  std::map<ChannelId, std::unique_ptr<ServerChannel>> channels_;
  std::map<ChannelId, Ending> ending_;
  std::set<ChannelId> closing_channels_;  // channel.close is out, or comes after a content
  std::set<const ServerChannel*> streaming_;
  Clock::time_point handshake_until_{};
  Clock::time_point last_received_{};
  Clock::time_point last_sent_{};
  std::size_t unsent_ = 0;  // taken by the connection and not yet written
  std::shared_ptr<ServerSession*> alive_;
};

}  // namespace pannier::amqp
