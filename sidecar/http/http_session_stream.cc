// Streams: an answer without an end, or what a connection has been upgraded to.
#include <array>
#include <charconv>
#include <utility>

#include "sidecar/http/http_session.h"
#include "sidecar/http/incoming.h"

namespace pannier::http {

// Out of the handler, which process() has called: what is behind the request is heard when it goes
// on.
void HttpSession::on_stream(HttpExchange& exchange) {
  if (is_closed_) return;
  for (const ExchangePointer& each : exchanges_)
    if (each.get() == &exchange) stream_ = each;
  dropped_bytes_ = 0;
  reading_ = Reading::stream;
  on_answer();
}

// Whoever reads events has nothing more to say: some of it is dropped, more ends the connection.
Result<void> HttpSession::hear_stream(ByteView bytes) {
  const std::shared_ptr<StreamUser> user = stream_->user_;
  if (user && stream_->is_upgrade()) {
    user->on_bytes(bytes);
    return {};
  }
  dropped_bytes_ += bytes.size();
  if (dropped_bytes_ <= context_.limits.pipelined_bytes) return {};
  return Error{Errc::limit_reached, "too many bytes behind the request of a stream"};
}

void HttpSession::put_stream_piece(HttpExchange& exchange, const Slice& piece) {
  if (piece.empty()) return;
  if (exchange.is_in_chunks()) {
    std::array<char, 18> size{};
    char* const end = std::to_chars(size.begin(), size.end(), piece.size(), 16).ptr;
    put(as_bytes(std::string_view(size.begin(), end)));
    put(as_bytes(std::string_view("\r\n")));
    put(piece);
    put(as_bytes(std::string_view("\r\n")));
  } else {
    put(piece);
  }
  exchange.stream_bytes_ += piece.size();
  exchange.stream_ends_.emplace_back(put_bytes_, exchange.stream_bytes_);
}

void HttpSession::tell_stream_written(std::uint64_t written) {
  const ExchangePointer stream = stream_;
  if (!stream || !stream->user_) return;
  std::uint64_t bytes = 0;
  for (auto& ends = stream->stream_ends_; !ends.empty() && ends.front().first <= written;) {
    bytes = ends.front().second;
    ends.pop_front();
  }
  const std::shared_ptr<StreamUser> user = stream->user_;
  if (bytes > 0) user->on_written(bytes);
}

}  // namespace pannier::http
