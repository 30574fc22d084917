// Connection: the one shell around a session: a socket, plain or with TLS, that is read into the
// session, and the session's output that is written to it.
//
// Keeps itself alive while it is open; whoever made it may hold a weak_ptr. Loop thread; private to
// the room (see listener.h and dialer.h). It reads into a buffer that all connections share, so an
// idle one costs little. One write is in flight at a time; what TLS makes of the output is made as
// the kernel takes it. It closes after the session asks for it and its output is sent, after an
// error and its last words, when the peer has gone, or at a limit.
#pragma once

#include <sys/uio.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <span>

#include "sidecar/net/connection_options.h"
#include "sidecar/net/loop_impl.h"
#include "sidecar/net/session.h"
#include "sidecar/net/tls_stream.h"

namespace pannier::net {

class Connection final : public AtTurnEnd, public std::enable_shared_from_this<Connection> {
 public:
  using Socket =
      asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;

  Connection(Loop::Impl& loop, Socket socket, ConnectionOptions options);
  ~Connection() override;

  // Starts to read and write; call once, from a shared_ptr.
  void start();
  // At once, without a word.
  void close();
  bool is_open() const { return socket_.is_open(); }
  void at_turn_end() override;
  void abandon() override;

 private:
  enum class State : std::uint8_t {
    handshake,  // TLS; the session does not exist yet
    running,
    closing,  // nothing is heard any more; the last words, and then the peer's end, take a while
  };

  Result<void> begin_tls();
  void begin_session();
  Session* session() const { return is_session_over_ ? nullptr : session_.get(); }
  void end_session();

  bool may_read() const;
  void wait_to_read();
  void on_readable();
  Result<void> take_in(ByteView bytes);
  Result<void> decrypt(ByteView bytes);

  void write();
  bool wants_close() const;
  std::size_t unsent() const;
  void load();
  void seal();
  bool send_some(std::size_t& budget);
  std::size_t gather(std::span<iovec> into, std::size_t budget);
  void drop_sent(std::size_t size);
  void drop_output();
  void drop_cipher();
  void wait_to_write();
  void shut();

  void follow_deadline();
  void on_timer();
  std::optional<Clock::time_point> next_deadline() const;
  void ask_for_turn_end();
  void fail(const Error& why);
  void begin_to_close(const Error& why);
  void end(const Error& why);

  Loop::Impl& loop_;
  Socket socket_;
  ConnectionOptions options_;
  State state_ = State::running;
  PeerInfo peer_;
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<Session> session_;
  Output sending_;              // taken from the session
  std::vector<ByteView> left_;  // of it: not written yet, or not encrypted
  std::size_t left_at_ = 0;     // index into left_
  std::size_t left_bytes_ = 0;
  Bytes cipher_;          // to be sent next
  Bytes cipher_sending_;  // being sent
  std::size_t cipher_sent_ = 0;
  bool is_reading_ = false;  // a wait is under way
  bool is_writing_ = false;
  bool is_session_over_ = false;
  bool said_goodbye_ = false;
  bool is_shut_ = false;  // our end is
  bool waits_for_turn_end_ = false;
  std::unique_ptr<const Error> failed_;  // why it is closing, unless the session wanted it
  asio::steady_timer timer_;
  Clock::time_point timer_at_ = Clock::time_point::max();
  Clock::time_point handshake_until_{};
  Clock::time_point stalled_until_{};  // while output cannot be written
  Clock::time_point closed_by_{};
  Clock::time_point asleep_until_{};  // after the session was woken
};

}  // namespace pannier::net
