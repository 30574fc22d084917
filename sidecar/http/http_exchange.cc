#include "sidecar/http/http_exchange.h"

#include <utility>

#include "common/log.h"
#include "sidecar/http/http_session.h"
#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

bool check(Response& response, std::string_view target) {
  if (is_sendable(response)) return true;
  static log::RateLimit limit(5);
  log::error(limit, "an answer had a status or field that must not be sent",
             {{"status", response.status}});
  response = problem(500, "unexpected", "the answer could not be sent", target);
  return false;
}

}  // namespace

HttpExchange::HttpExchange(HttpSession& session, std::shared_ptr<const net::PeerInfo> peer,
                           Request request)
    : session_(&session), peer_(std::move(peer)), request_(std::move(request)) {}

void HttpExchange::answer(Response response, Done done) {
  if (session_ == nullptr || is_answered_) return;
  const bool is_sent = check(response, request_.target);
  response_ = std::move(response);
  done_ = std::move(done);
  // Whatever arrives, it is not what was to be answered.
  if (!is_sent && done_) done_ = [held = std::move(done_)](bool) { held(false); };
  is_answered_ = true;
  charges_.clear();
  wake_at_.reset(), wake_ = {}, gone_ = {};
  session_->on_answer();
}

void HttpExchange::begin(Response head, std::uint64_t size, std::function<void()> on_room,
                         Done done) {
  if (session_ == nullptr || is_answered_) return;
  if (is_sendable(head)) {
    is_streamed_ = true;
    size_ = size;
    left_ = request_.method == "HEAD" ? 0 : size;
    on_room_ = std::move(on_room);
    head.body = {};
  }
  answer(std::move(head), std::move(done));
}

void HttpExchange::open(Response head, std::shared_ptr<StreamUser> user) {
  if (session_ == nullptr || is_answered_) return;
  if (head.status != 101 && !is_sendable(head)) return answer(std::move(head), {});  // as 500
  response_ = std::move(head);
  user_ = std::move(user);
  is_answered_ = true;
  charges_.clear();
  wake_at_.reset(), wake_ = {}, gone_ = {};
  session_->on_stream(*this);
}

void HttpExchange::finish() {
  if (session_ == nullptr || !user_ || std::exchange(is_finished_, true)) return;
  wake_at_.reset(), wake_ = {};
  session_->on_answer();
}

void HttpExchange::put(Slice piece) {
  if (session_ != nullptr && user_ && !is_finished_) {
    pieces_.push_back(std::move(piece));
    return session_->on_answer();
  }
  if (session_ == nullptr || left_ == 0 || is_cut_) return;
  is_asked_ = false;
  if (piece.size() > left_) {
    log::error("a streamed answer is longer than it was said to be", {{"size", size_}});
    return cut_off();
  }
  left_ -= piece.size();
  pieces_.push_back(std::move(piece));
  session_->on_answer();
}

void HttpExchange::cut_off() {
  if (session_ == nullptr || is_cut_ || (is_answered_ && left_ == 0 && !user_)) return;
  is_answered_ = is_cut_ = true;
  charges_.clear();
  wake_at_.reset(), wake_ = {}, gone_ = {};
  session_->on_answer();
}

void HttpExchange::on_gone(std::function<void()> gone) {
  if (session_ != nullptr && !is_answered_) gone_ = std::move(gone);
}

void HttpExchange::wake_at(std::optional<Clock::time_point> when, std::function<void()> wake) {
  if (session_ == nullptr || is_finished_ || (is_answered_ && !user_)) return;
  wake_at_ = when;
  wake_ = when ? std::move(wake) : nullptr;
  session_->on_wake_moved();
}

std::size_t HttpExchange::held_bytes() const {
  std::size_t bytes = response_.body.size();
  for (const Slice& piece : pieces_) bytes += piece.size();
  return bytes;
}

// What is called may hold the last reference, and may call back.
void HttpExchange::end(bool whole, queue::Registry& registry) {
  if (session_ == nullptr) return;
  session_ = nullptr;
  is_gone_ = !whole;
  const auto gone = std::exchange(gone_, {});
  const auto done = std::exchange(done_, {});
  const auto user = std::exchange(user_, {});
  on_room_ = {}, wake_ = {};
  wake_at_.reset();
  charges_.clear();
  pieces_.clear();
  response_.body = {};
  if (user) user->on_end();
  if (is_answered_ && done) done(whole);
  if (!is_answered_ && gone) gone();
  if (request_.body_id != 0) registry.spool().abort_body(std::exchange(request_.body_id, 0));
}

}  // namespace pannier::http
