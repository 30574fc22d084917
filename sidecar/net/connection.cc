#include "sidecar/net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/log.h"

namespace pannier::net {
namespace {

// Of what TLS itself has to say, while the peer does not take it: it may ask for new keys for ever.
constexpr std::size_t kCipherBytesMax = 64u << 10;

// What the kernel has taken counts as sent, and is lost when the peer goes: so it takes little more
// than is on its way. Not of Unix sockets, which have no such thing.
void limit_unsent(int socket) {
  constexpr int kUnsentMax = 256 << 10;
  static_cast<void>(
      ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentMax, sizeof kUnsentMax));
}

using Endpoint = asio::generic::stream_protocol::endpoint;

std::optional<asio::ip::tcp::endpoint> tcp_of(const Endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  if (family != AF_INET && family != AF_INET6) return {};
  asio::ip::tcp::endpoint tcp;
  std::memcpy(tcp.data(), endpoint.data(), std::min(endpoint.size(), tcp.capacity()));
  return tcp;
}

std::string text_of(const asio::ip::tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

}  // namespace

Connection::Connection(Loop::Impl& loop, Socket socket, ConnectionOptions options)
    : loop_(loop), socket_(std::move(socket)), options_(std::move(options)), timer_(loop.io) {}

Connection::~Connection() = default;

void Connection::start() {
  loop_.open.insert(shared_from_this());
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  limit_unsent(socket_.native_handle());
  const auto remote = socket_.remote_endpoint(error);
  if (error) {
    end(Error{Errc::closed, "the peer has gone before it was served"});
    return;
  }
  if (const auto tcp = tcp_of(remote)) {
    peer_.address = text_of(*tcp);
    peer_.is_loopback = tcp->address().is_loopback();
    if (const auto local = tcp_of(socket_.local_endpoint(error)); !error && local)
      peer_.local_address = local->address().to_string();
  } else {
    peer_.address = "the control socket";
    peer_.is_loopback = peer_.is_control = true;
  }
  if (options_.tls) {
    if (auto begun = begin_tls(); !begun) {
      end(begun.error());
      return;
    }
  } else {
    begin_session();
  }
  if (!is_open()) return;
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
  if (tls_) peer_.certificate_uri = tls_->peer_uri();
  session_ = options_.make_session(peer_);
  if (!session_) {
    end(Error{Errc::closed, "the peer is not wanted"});
    return;
  }
  if (!is_open()) {  // closed while it was made
    end_session();
    return;
  }
  session_->set_bell([this] { ask_for_turn_end(); });
  ask_for_turn_end();
}

// It may be at work, and whoever made it may still look at it: it stays until the connection ends.
void Connection::end_session() {
  if (session() == nullptr) return;
  is_session_over_ = true;
  session_->set_bell({});
  session_->on_closed();
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

void Connection::abandon() {
  is_session_over_ = true;
  if (session_) session_->set_bell({});
  boost::system::error_code error;
  socket_.close(error);
  timer_.cancel();
  session_.reset();
}

// Reading stops while the session wants no bytes; what arrives meanwhile waits in the kernel, and
// then with the sender.
bool Connection::may_read() const {
  if (state_ == State::closing) return true;
  if (cipher_.size() > kCipherBytesMax) return false;
  return !session_ || session_->wants_bytes();
}

void Connection::wait_to_read() {
  if (is_reading_ || !may_read()) return;
  is_reading_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->is_reading_ = false;
                       if (!error && self->is_open()) self->on_readable();
                     });
}

void Connection::on_readable() {
  for (std::size_t taken = 0; taken < options_.limits.read_bytes_per_turn && may_read();) {
    const ssize_t got =
        ::recv(socket_.native_handle(), loop_.scratch.data(), loop_.scratch.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      end(Error{Errc::closed, std::error_code(errno, std::generic_category()).message()});
      return;
    }
    if (got == 0) {
      end(Error{Errc::closed, "the peer has closed the connection"});
      return;
    }
    const auto size = static_cast<std::size_t>(got);
    taken += size;
    if (auto done = take_in(ByteView(loop_.scratch).first(size)); !done) fail(done.error());
    if (!is_open()) return;
    if (size < loop_.scratch.size()) break;
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
        if (!session_ && is_open()) begin_session();
        if (of_session && session() != nullptr) of_session = session_->on_bytes(plain);
      },
      cipher_);
  if (!is_open()) return {};
  if (!of_session) return of_session;
  if (!done) return done;
  if (!session_ && tls_->is_established()) begin_session();
  if (tls_->peer_closed()) return Error{Errc::closed, "the peer has closed the connection"};
  return {};
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
  const auto at = next ? std::max(*next, asleep_until_) : Clock::time_point::max();
  if (at >= timer_at_) return;
  timer_at_ = at;
  timer_.expires_at(at);
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
    asleep_until_ = now + Loop::Impl::kWakeInterval;
    if (!is_open()) return;
    ask_for_turn_end();
  }
  follow_deadline();
}

void Connection::close() { end(Error{Errc::closed, "closed by us"}); }

// The last words first: an alert, or what the session has said about it.
void Connection::fail(const Error& why) {
  if (!is_open() || state_ == State::closing) return;
  begin_to_close(why);
  write();
}

void Connection::begin_to_close(const Error& why) {
  if (state_ == State::closing) return;
  state_ = State::closing;
  failed_ = std::make_unique<const Error>(why);
  closed_by_ = system_clock().now() + options_.limits.linger;
}

void Connection::end(const Error& why) {
  if (!is_open()) return;
  const auto self = shared_from_this();  // until this returns
  loop_.open.erase(self);
  const Error& first = failed_ ? *failed_ : why;
  if (tls_ && !session_) {
    static log::RateLimit limit(5);
    log::warn(limit, "a TLS handshake failed", {{"peer", peer_.address}, {"error", first.detail}});
  }
  boost::system::error_code error;
  socket_.close(error);
  timer_.cancel();
  drop_output();
  end_session();
  if (session_) loop_.ended.push_back(std::move(session_));
  if (options_.on_closed) options_.on_closed(first);
}

}  // namespace pannier::net
