// Connection: the one shell around a session: a socket, plain or with TLS, that is read into the
// session, and the session's output that is written to it.
//
// Keeps itself alive while it is open; whoever made it may hold a weak_ptr. Loop thread; private to
// the room (see listener.h and dialer.h). It reads into a buffer that all connections share, so an
// idle one costs little. One write is in flight at a time. It closes after the session asks for it
// and its output is sent, when the peer has gone, or at a limit.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "sidecar/net/connection_options.h"
#include "sidecar/net/loop_impl.h"
#include "sidecar/net/session.h"
#include "sidecar/net/tls_stream.h"

namespace pannier::net {

class Connection final : public AtTurnEnd, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

  Connection(Loop::Impl& loop, Socket socket, ConnectionOptions options);
  ~Connection() override;

  // Starts to read and write; call once, from a shared_ptr.
  void start();
  // At once, without a word.
  void close();
  bool is_open() const { return socket_.is_open(); }
  void at_turn_end() override;

 private:
  enum class State : std::uint8_t {
    handshake,  // TLS; the session does not exist yet
    running,
    closing,  // everything is said; the peer's end is awaited for a while
  };

  Result<void> begin_tls();
  void begin_session();
  void wait_to_read();
  void wait_to_write();
  void on_readable();
  Result<void> take_in(ByteView bytes);
  Result<void> decrypt(ByteView bytes);
  void write();
  bool has_output() const;
  bool send_some();
  Result<void> take_output();
  void say_goodbye();
  void finish();
  void follow_deadline();
  void on_timer();
  std::optional<Clock::time_point> next_deadline() const;
  void ask_for_turn_end();
  void end(const Error& why);

  Loop::Impl& loop_;
  Socket socket_;
  ConnectionOptions options_;
  State state_ = State::running;
  PeerInfo peer_;
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<Session> session_;
  Output sending_;              // taken from the session
  Bytes cipher_;                // to be sent next
  Bytes cipher_sending_;        // being sent
  std::vector<ByteView> left_;  // of what is being sent: not written yet
  std::size_t left_at_ = 0;     // index into left_
  std::size_t unsent_ = 0;
  bool is_reading_ = false;  // a wait is under way
  bool is_writing_ = false;
  bool had_session_ = false;
  bool said_goodbye_ = false;
  bool waits_for_turn_end_ = false;
  std::shared_ptr<Connection> self_;  // while open
  asio::steady_timer timer_;
  Clock::time_point timer_at_ = Clock::time_point::max();
  Clock::time_point handshake_until_{};
  Clock::time_point stalled_until_{};  // while output cannot be written
  Clock::time_point closed_by_{};
};

}  // namespace pannier::net
