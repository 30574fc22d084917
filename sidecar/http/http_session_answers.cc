// How answers leave: in the order of their requests, and told apart by the bytes that were written.
#include <algorithm>
#include <utility>

#include "sidecar/http/http_session.h"
#include "sidecar/http/incoming.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";
// What is unsent is counted in TLS's bytes: a record is with the peer only once it is whole.
constexpr std::uint64_t kTlsRecordBytes = 17u << 10;

}  // namespace

void HttpSession::put(ByteView bytes) {
  put_bytes_ += bytes.size();
  output().put(bytes);
}

void HttpSession::put(const Slice& slice) {
  put_bytes_ += slice.size();
  output().put(slice);
}

bool HttpSession::is_clogged() const {
  std::size_t bytes = unsent();
  for (const ExchangePointer& exchange : exchanges_) bytes += exchange->held_bytes();
  return bytes > context_.limits.unsent_bytes;
}

void HttpSession::write_answers() {
  if (std::exchange(is_writing_, true)) return;
  while (!exchanges_.empty() && !wants_close_) {
    HttpExchange& exchange = *exchanges_.front();
    if (!exchange.is_answered_ || !write_first(exchange)) break;
    sending_.push_back({put_bytes_, std::move(exchanges_.front())});
    exchanges_.pop_front();
  }
  if (reading_ == Reading::stopped && exchanges_.empty() && !is_processing_) wants_close_ = true;
  is_writing_ = false;
  say_continue();
}

// False: more of it is to come.
bool HttpSession::write_first(HttpExchange& exchange) {
  if (exchange.is_cut_) {
    stop();
    wants_close_ = true;
    return false;
  }
  if (!std::exchange(exchange.has_head_out_, true)) write_head(exchange);
  for (const Slice& piece : std::exchange(exchange.pieces_, {})) {
    if (exchange.user_) {
      put_stream_piece(exchange, piece);
      continue;
    }
    put(piece);
    asks_later_ = asks_later_ || (piece.empty() && exchange.left_ > 0);
  }
  if (!exchange.user_) return exchange.left_ == 0;
  if (!exchange.is_finished_) return false;
  if (exchange.is_in_chunks()) put(as_bytes(kLastChunk));
  stop();  // the connection ends with it
  return true;
}

void HttpSession::write_head(HttpExchange& exchange) {
  const bool is_last = reading_ == Reading::stopped && exchanges_.size() == 1;
  const bool has_content = exchange.response_.status != 204;
  HeadOptions options;
  options.is_in_chunks = exchange.is_in_chunks();
  if (exchange.is_upgrade()) options.upgrade = "websocket";
  if (has_content && !exchange.user_)
    options.content_length =
        exchange.is_streamed_ ? exchange.size_ : exchange.response_.body.size();
  options.closes = (!exchange.keeps_alive_ || is_last || exchange.user_) && !exchange.is_upgrade();
  options.says_keep_alive = exchange.is_http10_;
  options.date = context_.date();
  put(as_bytes(response_head(exchange.response_, options)));
  const Slice body = std::exchange(exchange.response_.body, {});
  if (has_content && exchange.request_.method != "HEAD") put(body);
}

// Only when all before it is answered, and only while the body is wanted and has not come.
void HttpSession::say_continue() {
  if (!incoming_ || !incoming_->expects_continue || !incoming_->body || incoming_->is_rejected ||
      reading_ != Reading::body || exchanges_.front() != incoming_->exchange || at_ < input_.size())
    return;
  incoming_->expects_continue = false;
  put(as_bytes(kContinue));
}

void HttpSession::on_sent(std::size_t unsent_bytes) {
  if (is_closed_) return;
  unsent_ = unsent_bytes;
  std::uint64_t missing = unsent();
  if (unsent_ > 0 && peer_->is_tls) missing += kTlsRecordBytes;
  const std::uint64_t written = put_bytes_ - std::min(put_bytes_, missing);
  tell_stream_written(written);
  if (is_closed_) return;
  while (!sending_.empty() && sending_.front().end <= written) {
    const ExchangePointer sent = std::move(sending_.front().exchange);
    sending_.pop_front();
    sent->end(true, context_.registry);
    if (is_closed_) return;
  }
  ask_for_piece();
  if (is_closed_) return;
  process();
}

// The answer whose turn it is goes on when half of what may be unsent has left.
void HttpSession::ask_for_piece() {
  if (exchanges_.empty() || unsent() > context_.limits.unsent_bytes / 2) return;
  const ExchangePointer exchange = exchanges_.front();
  if (!exchange->has_head_out_ || exchange->left_ == 0 || exchange->is_cut_ ||
      !exchange->on_room_ || std::exchange(exchange->is_asked_, true))
    return;
  const auto on_room = exchange->on_room_;  // which may be let go meanwhile
  on_room();
}

}  // namespace pannier::http
