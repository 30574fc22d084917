#include "sidecar/http/http_session.h"

#include <utility>

#include "sidecar/http/incoming.h"

namespace pannier::http {

HttpSession::HttpSession(HttpContext& context, net::PeerInfo peer)
    : context_(context),
      peer_(std::make_shared<const net::PeerInfo>(std::move(peer))),
      incomplete_(context.limits.incomplete_bytes_per_session, &context.incomplete),
      alive_(std::make_shared<HttpSession*>(this)) {
  context_.add(*this);
  follow_limit();
}

HttpSession::~HttpSession() {
  on_closed();
  *alive_ = nullptr;
  context_.remove(*this);
}

Result<void> HttpSession::on_bytes(ByteView bytes) {
  if (is_closed_) return {};
  if (reading_ == Reading::stopped) {
    dropped_bytes_ += bytes.size();
    return {};
  }
  if (reading_ == Reading::stream) return hear_stream(bytes);
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  process();
  return {};
}

bool HttpSession::wants_bytes() const {
  if (reading_ == Reading::room) return false;
  if (reading_ == Reading::stream && stream_->user_)
    return !stream_->is_upgrade() || stream_->user_->wants_bytes();
  const std::size_t held = reading_ == Reading::stopped ? dropped_bytes_ : input_.size();
  return held < context_.limits.pipelined_bytes;
}

// Requests that were handed over are told; what was put out and not written has not arrived.
void HttpSession::on_closed() {
  if (std::exchange(is_closed_, true)) return;
  reading_ = Reading::stopped;
  incoming_.reset();
  const auto sending = std::exchange(sending_, {});
  const auto exchanges = std::exchange(exchanges_, {});
  const auto stream = std::exchange(stream_, {});  // one of them
  for (const Sending& sent : sending) sent.exchange->end(false, context_.registry);
  for (const ExchangePointer& exchange : exchanges) exchange->end(false, context_.registry);
  input_.clear();
  limit_ = Limit::none;
}

void HttpSession::on_spool_room() {
  if (is_closed_ || reading_ != Reading::room) return;
  reading_ = Reading::body;
  process();
  ring();
}

void HttpSession::wind_down() {
  if (is_closed_ || reading_ == Reading::stopped) return;
  if (reading_ == Reading::stream) return;  // whose user ends it: a last word may be answered
  if (incoming_ && !incoming_->is_rejected) {
    const ExchangePointer exchange = incoming_->exchange;
    stop();
    exchange->answer(problem(Error{Errc::closed, "the agent ends"}, exchange->request().target),
                     {});
  }
  stop();
  on_answer();
}

// Nothing more is heard: what is being read is not finished.
void HttpSession::stop() {
  reading_ = Reading::stopped;
  incoming_.reset();
  if (!is_processing_) input_.clear();
}

// The next request is read when this has been sent: a handler that answers is not asked meanwhile.
void HttpSession::on_answer() {
  if (is_closed_) return;
  write_answers();
  if (!is_processing_) follow_limit();
  ring();
}

void HttpSession::on_wake_moved() { ring(); }

}  // namespace pannier::http
