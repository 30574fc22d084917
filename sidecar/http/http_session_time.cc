// Time: how long a client may take, and what handlers asked to be woken for.
#include <algorithm>
#include <utility>
#include <vector>

#include "sidecar/http/http_session.h"
#include "sidecar/http/incoming.h"

namespace pannier::http {

// Whose turn it is: time that the client waits for us is none of its own.
void HttpSession::follow_limit() {
  Limit limit = Limit::none;
  if (reading_ == Reading::head && !is_held_up()) {
    if (!input_.empty())
      limit = Limit::head;
    else if (exchanges_.empty() && unsent() == 0)
      limit = Limit::idle;
  } else if (reading_ == Reading::body && incoming_ && !incoming_->expects_continue) {
    limit = Limit::body;
  }
  const std::uint64_t received = limit == Limit::body ? incoming_->body->received() : 0;
  const bool is_same = limit == limit_ && limit_request_ == requests_;
  if (is_same && received < progress_ + context_.limits.body_progress_bytes) return;
  limit_ = limit;
  limit_request_ = requests_;
  progress_ = received;
  limit_since_ = context_.clock.now();
}

std::optional<Clock::time_point> HttpSession::deadline() const {
  if (is_closed_) return {};
  std::optional<Clock::time_point> next;
  const auto add = [&next](Clock::time_point when) { next = next ? std::min(*next, when) : when; };
  const HttpLimits& limits = context_.limits;
  if (!wants_close_) {
    if (limit_ == Limit::idle) add(limit_since_ + limits.idle_timeout);
    if (limit_ == Limit::head) add(limit_since_ + limits.head_timeout);
    if (limit_ == Limit::body) add(limit_since_ + limits.body_timeout);
  }
  for (const ExchangePointer& exchange : exchanges_)
    if (exchange->wake_at_) add(*exchange->wake_at_);
  if (asks_later_) add(limit_since_);
  return next;
}

void HttpSession::on_time(Clock::time_point now) {
  if (is_closed_) return;
  if (std::exchange(asks_later_, false)) ask_for_piece();
  if (is_closed_) return;
  const auto is_over = [&](Limit limit, std::chrono::milliseconds timeout) {
    return limit_ == limit && !wants_close_ && now >= limit_since_ + timeout;
  };
  if (is_over(Limit::idle, context_.limits.idle_timeout)) {
    stop();
    wants_close_ = true;
    limit_ = Limit::none;
  } else if (is_over(Limit::head, context_.limits.head_timeout) ||
             is_over(Limit::body, context_.limits.body_timeout)) {
    refuse({408, "timed_out", "the request did not arrive in time"});
    follow_limit();
  }
  wake_exchanges(now);
}

void HttpSession::wake_exchanges(Clock::time_point now) {
  std::vector<ExchangePointer> due;
  for (const ExchangePointer& exchange : exchanges_)
    if (exchange->wake_at_ && *exchange->wake_at_ <= now) due.push_back(exchange);
  for (const ExchangePointer& exchange : due) {
    if (!exchange->wake_at_ || *exchange->wake_at_ > now) continue;
    exchange->wake_at_.reset();
    if (const auto wake = std::exchange(exchange->wake_, {})) wake();
  }
}

}  // namespace pannier::http
