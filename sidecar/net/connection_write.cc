// How a connection writes: its session's output, whole or encrypted piece by piece, and its end.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "sidecar/net/connection.h"

namespace pannier::net {
namespace {

constexpr std::size_t kPiecesPerWrite = 64;
constexpr int kWritesPerTurn = 64;
constexpr std::size_t kSealBytes = 256u << 10;      // encrypted at a time
constexpr std::size_t kIdleBufferBytes = 4u << 10;  // what an idle connection may keep
constexpr std::size_t kIdlePieces = 64;

// What a socket has heard since; 0: nothing bad.
int error_of(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}

}  // namespace

// As much as the kernel takes, and others' turn allows; the rest later. What has been sent may make
// room for more output.
void Connection::write() {
  std::size_t budget = options_.limits.write_bytes_per_turn;
  for (int writes = 0; is_open() && !is_writing_ && !is_shut_; ++writes) {
    load();
    if (unsent() == 0) break;
    if (writes == kWritesPerTurn || budget == 0) {
      ask_for_turn_end();
      return;
    }
    if (!send_some(budget)) return;
  }
  if (is_open() && !is_writing_ && !is_shut_ && wants_close()) shut();
}

bool Connection::wants_close() const {
  return state_ == State::closing || (session_ && session_->wants_close());
}

std::size_t Connection::unsent() const {
  return left_bytes_ + cipher_sending_.size() - cipher_sent_ + cipher_.size();
}

// What is to be sent next, when all before it is sent.
void Connection::load() {
  if (left_bytes_ == 0 && session() != nullptr) {
    std::swap(sending_, session_->output());
    sending_.gather(left_);
    left_bytes_ = sending_.size();
    if (state_ == State::closing) end_session();
  }
  if (tls_ && cipher_sent_ == cipher_sending_.size()) seal();
}

// TLS has a word of its own for the end, after the session's last.
void Connection::seal() {
  std::array<ByteView, kPiecesPerWrite> pieces;
  std::size_t count = 0;
  std::size_t size = 0;
  for (std::size_t i = left_at_; i < left_.size() && count < pieces.size() && size < kSealBytes;) {
    pieces[count] = left_[i].first(std::min(left_[i].size(), kSealBytes - size));
    size += pieces[count++].size();
    ++i;
  }
  if (size > 0) {
    if (cipher_.empty()) std::swap(cipher_, loop_.spare);
    if (const auto sealed = tls_->encrypt(std::span(pieces).first(count), cipher_); sealed) {
      drop_sent(size);
    } else {
      drop_output();
      begin_to_close(sealed.error());
    }
  }
  if (size == 0 && wants_close() && !std::exchange(said_goodbye_, true))
    tls_->close_notify(cipher_);
  std::swap(cipher_, cipher_sending_);
  cipher_sent_ = 0;
}

// False: the connection has ended.
bool Connection::send_some(std::size_t& budget) {
  std::array<iovec, kPiecesPerWrite> pieces;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = gather(pieces, budget);
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
  if (sent < 0 && errno == EINTR) return true;
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    wait_to_write();
    return true;
  }
  if (sent < 0) {
    end(Error{Errc::closed, std::error_code(errno, std::generic_category()).message()});
    return false;
  }
  // The kernel takes the first bytes for a peer that has closed, too. Over loopback its reset is
  // here by now, and a session must not take them for sent.
  if (const int error = error_of(socket_.native_handle()); error != 0) {
    end(Error{Errc::closed, std::error_code(error, std::generic_category()).message()});
    return false;
  }
  const auto size = static_cast<std::size_t>(sent);
  budget -= std::min(budget, size);
  stalled_until_ = Clock::time_point{};
  if (!tls_) {
    drop_sent(size);
  } else if (cipher_sent_ += size; cipher_sent_ == cipher_sending_.size()) {
    drop_cipher();
  }
  if (session() != nullptr) session_->on_sent(unsent());
  return is_open();
}

std::size_t Connection::gather(std::span<iovec> into, std::size_t budget) {
  std::size_t count = 0;
  const auto add = [&](ByteView bytes) {
    const std::size_t size = std::min(bytes.size(), budget);
    into[count++] = {const_cast<std::byte*>(bytes.data()), size};
    budget -= size;
  };
  if (tls_) {
    add(ByteView(cipher_sending_).subspan(cipher_sent_));
    return count;
  }
  for (std::size_t i = left_at_; i < left_.size() && count < into.size() && budget > 0; ++i)
    add(left_[i]);
  return count;
}

void Connection::drop_sent(std::size_t size) {
  left_bytes_ -= size;
  while (size > 0) {
    ByteView& piece = left_[left_at_];
    const std::size_t part = std::min(size, piece.size());
    piece = piece.subspan(part);
    size -= part;
    if (piece.empty()) ++left_at_;
  }
  if (left_bytes_ == 0) drop_output();
}

void Connection::drop_output() {
  left_.clear();
  left_at_ = 0;
  left_bytes_ = 0;
  sending_.clear();
  if (left_.capacity() > kIdlePieces) std::vector<ByteView>().swap(left_);
  if (sending_.owned().capacity() > kIdleBufferBytes) sending_ = Output();
}

// All connections use one buffer after the other; only those whose peers are slow hold their own.
void Connection::drop_cipher() {
  cipher_sending_.clear();
  cipher_sent_ = 0;
  if (cipher_sending_.capacity() > loop_.spare.capacity()) std::swap(cipher_sending_, loop_.spare);
  Bytes().swap(cipher_sending_);
  if (cipher_.empty()) Bytes().swap(cipher_);
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
void Connection::shut() {
  if (state_ != State::closing) closed_by_ = system_clock().now() + options_.limits.linger;
  state_ = State::closing;
  is_shut_ = true;
  boost::system::error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  end_session();
}

}  // namespace pannier::net
