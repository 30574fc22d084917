#include "sidecar/net/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/log.h"

namespace pannier::net {
namespace {

constexpr std::size_t kPiecesPerWrite = 64;
constexpr std::size_t kIdleBufferBytes = 16u << 10;  // what an idle connection may keep

std::string text_of(const asio::ip::tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

std::string reason(int code) { return std::error_code(code, std::generic_category()).message(); }

}  // namespace

Connection::Connection(Loop::Impl& loop, Socket socket, ConnectionOptions options)
    : loop_(loop), socket_(std::move(socket)), options_(std::move(options)), timer_(loop.io) {}

Connection::~Connection() = default;

void Connection::start() {
  self_ = shared_from_this();
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  const auto remote = socket_.remote_endpoint(error);
  if (error) {
    end(Error{Errc::closed, "the peer has gone before it was served"});
    return;
  }
  peer_.address = text_of(remote);
  peer_.is_loopback = remote.address().is_loopback();
  if (options_.tls) {
    if (auto begun = begin_tls(); !begun) {
      end(begun.error());
      return;
    }
  } else {
    begin_session();
  }
  follow_deadline();
  wait_to_read();
}

Result<void> Connection::begin_tls() {
  state_ = State::handshake;
  handshake_until_ = system_clock().now() + options_.limits.handshake;
  peer_.is_tls = true;
  if (!options_.is_client) {
    tls_ = std::make_unique<TlsStream>(options_.tls);
    return {};
  }
  tls_ = std::make_unique<TlsStream>(options_.tls, options_.tls_server);
  ask_for_turn_end();
  return tls_->start(cipher_);
}

void Connection::begin_session() {
  state_ = State::running;
  had_session_ = true;
  if (tls_) peer_.certificate_uri = tls_->peer_uri();
  session_ = options_.make_session(peer_);
  session_->set_bell([this] { ask_for_turn_end(); });
  ask_for_turn_end();
}

void Connection::ask_for_turn_end() {
  if (std::exchange(waits_for_turn_end_, true)) return;
  loop_.at_turn_end(weak_from_this());
}

void Connection::at_turn_end() {
  waits_for_turn_end_ = false;
  if (!is_open()) return;
  write();
  if (!is_open()) return;
  wait_to_read();
  follow_deadline();
}

// Reading stops while the session wants no bytes; what arrives meanwhile waits in the kernel, and
// then with the sender.
void Connection::wait_to_read() {
  const bool wants = state_ != State::running || session_->wants_bytes();
  if (is_reading_ || !wants) return;
  is_reading_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->is_reading_ = false;
                       if (!error && self->is_open()) self->on_readable();
                     });
}

void Connection::on_readable() {
  for (std::size_t taken = 0; taken < options_.limits.read_bytes_per_turn;) {
    const ssize_t got =
        ::recv(socket_.native_handle(), loop_.scratch.data(), loop_.scratch.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      end(Error{Errc::closed, reason(errno)});
      return;
    }
    if (got == 0) {
      end(Error{Errc::closed, "the peer has closed the connection"});
      return;
    }
    const auto size = static_cast<std::size_t>(got);
    taken += size;
    if (auto done = take_in(ByteView(loop_.scratch).first(size)); !done) {
      write();  // what the session, or TLS, has to say about it
      end(done.error());
      return;
    }
    if (!is_open() || size < loop_.scratch.size()) break;
    if (session_ && !session_->wants_bytes()) break;
  }
  ask_for_turn_end();
}

Result<void> Connection::take_in(ByteView bytes) {
  if (state_ == State::closing) return {};  // whatever it still says
  return tls_ ? decrypt(bytes) : session_->on_bytes(bytes);
}

Result<void> Connection::decrypt(ByteView bytes) {
  Result<void> of_session;
  auto done = tls_->on_ciphertext(
      bytes,
      [&](ByteView plain) {
        if (!session_) begin_session();
        if (of_session) of_session = session_->on_bytes(plain);
      },
      cipher_);
  if (!of_session) return of_session;
  if (!done) return done;
  if (!session_ && tls_->is_established()) begin_session();
  if (tls_->peer_closed()) return Error{Errc::closed, "the peer has closed the connection"};
  return {};
}

bool Connection::has_output() const {
  return !cipher_.empty() || (session_ && !session_->output().empty());
}

Result<void> Connection::take_output() {
  left_.clear();
  left_at_ = 0;
  if (session_) {
    std::swap(sending_, session_->output());
    sending_.gather(left_);
  }
  if (!tls_) {
    unsent_ = sending_.size();
    return {};
  }
  auto sealed = left_.empty() ? Result<void>() : tls_->encrypt(left_, cipher_);
  left_.clear();
  sending_.clear();
  cipher_sending_.clear();
  std::swap(cipher_, cipher_sending_);
  unsent_ = cipher_sending_.size();
  if (unsent_ > 0) left_.push_back(cipher_sending_);
  return sealed;
}

// As much as the kernel takes; the rest when it takes more. What has been sent may make room for
// more output.
void Connection::write() {
  while (is_open() && !is_writing_) {
    if (unsent_ == 0) {
      say_goodbye();
      if (!has_output()) break;
      if (auto taken = take_output(); !taken) {
        end(taken.error());
        return;
      }
    }
    const std::size_t before = unsent_;
    if (!send_some()) return;
    if (unsent_ < before) {
      stalled_until_ = Clock::time_point{};
      if (session_) session_->on_sent(unsent_);
    }
    if (unsent_ > 0) wait_to_write();
  }
  if (unsent_ == 0 && session_ && session_->wants_close() && state_ == State::running) finish();
}

// TLS has a word of its own for the end, after the session's last.
void Connection::say_goodbye() {
  if (!tls_ || said_goodbye_ || !session_ || !session_->wants_close() || has_output()) return;
  said_goodbye_ = true;
  tls_->close_notify(cipher_);
}

// False: the connection has ended.
bool Connection::send_some() {
  while (unsent_ > 0) {
    std::array<iovec, kPiecesPerWrite> pieces;
    std::size_t count = 0;
    for (std::size_t i = left_at_; i < left_.size() && count < pieces.size(); ++i, ++count)
      pieces[count] = {const_cast<std::byte*>(left_[i].data()), left_[i].size()};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (sent < 0) {
      end(Error{Errc::closed, reason(errno)});
      return false;
    }
    auto size = static_cast<std::size_t>(sent);
    unsent_ -= size;
    while (size > 0) {
      ByteView& piece = left_[left_at_];
      const std::size_t part = std::min(size, piece.size());
      piece = piece.subspan(part);
      size -= part;
      if (piece.empty()) ++left_at_;
    }
  }
  sending_.clear();
  if (sending_.owned().capacity() > kIdleBufferBytes) sending_ = Output();
  if (cipher_sending_.capacity() > kIdleBufferBytes) Bytes().swap(cipher_sending_);
  return true;
}

void Connection::wait_to_write() {
  is_writing_ = true;
  if (stalled_until_ == Clock::time_point{})
    stalled_until_ = system_clock().now() + options_.limits.write_stall;
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->is_writing_ = false;
                       if (!error && self->is_open()) self->ask_for_turn_end();
                     });
}

// Our end first; then the peer's is awaited, so that what we said is not cut off by a reset.
void Connection::finish() {
  state_ = State::closing;
  closed_by_ = system_clock().now() + options_.limits.linger;
  boost::system::error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  wait_to_read();
}

std::optional<Clock::time_point> Connection::next_deadline() const {
  if (state_ == State::closing) return closed_by_;
  std::optional<Clock::time_point> next = session_ ? session_->deadline() : handshake_until_;
  if (stalled_until_ != Clock::time_point{})
    next = next ? std::min(*next, stalled_until_) : stalled_until_;
  return next;
}

// A timer that is set earlier than need be is left alone: it looks again when it fires.
void Connection::follow_deadline() {
  const auto next = next_deadline();
  if (!next || *next >= timer_at_) return;
  timer_at_ = *next;
  timer_.expires_at(*next);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || !self->is_open()) return;
    self->timer_at_ = Clock::time_point::max();
    self->on_timer();
  });
}

void Connection::on_timer() {
  const auto now = system_clock().now();
  const auto next = next_deadline();
  if (next && *next <= now) {
    if (state_ == State::closing) {
      end(Error{Errc::closed, "closed"});
      return;
    }
    if (!session_) {
      end(Error{Errc::timed_out, "the TLS handshake took too long"});
      return;
    }
    if (stalled_until_ != Clock::time_point{} && stalled_until_ <= now) {
      end(Error{Errc::timed_out, "the peer does not take what is sent to it"});
      return;
    }
    session_->on_time(now);
    ask_for_turn_end();
  }
  follow_deadline();
}

void Connection::close() { end(Error{Errc::closed, "closed by us"}); }

void Connection::end(const Error& why) {
  if (!is_open()) return;
  if (tls_ && !had_session_) {
    static log::RateLimit limit(5);
    log::warn(limit, "a TLS handshake failed", {{"peer", peer_.address}, {"error", why.detail}});
  }
  const auto self = std::exchange(self_, nullptr);  // until this returns
  boost::system::error_code error;
  socket_.close(error);
  timer_.cancel();
  if (session_) {
    session_->on_closed();
    loop_.ended.push_back(std::move(session_));
  }
  if (options_.on_closed) options_.on_closed(why);
}

}  // namespace pannier::net
