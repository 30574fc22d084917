#include "sidecar/http/socket_stream.h"

#include <utility>

#include "sidecar/http/json_text.h"

namespace pannier::http {
namespace {

CloseCode close_code(Errc code) {
  if (code == Errc::closed) return CloseCode::going_away;
  return code == Errc::access_denied ? CloseCode::policy : CloseCode::normal;
}

}  // namespace

std::string reason_text(const Error& why) {
  std::string out = "\"code\":";
  append_string(out, name_of(why.code));
  out += ",\"detail\":";
  append_string(out, why.detail);
  return out;
}

SocketStream::SocketStream(std::shared_ptr<StreamContext> with_context, ExchangePtr exchange,
                           queue::QueuePtr queue, const StreamOptions& options,
                           OnCommand on_command)
    : ApiStream(std::move(with_context), std::move(exchange), std::move(queue), options),
      on_command_(std::move(on_command)),
      reader_(context().limits.request_bytes_max) {}

// Answers only: a client that sends acks before it reads messages must not wait for itself.
bool SocketStream::wants_bytes() const {
  return answer_bytes_ < context().limits.stream_unsent_bytes &&
         waiting_.size() < context().limits.stream_settles;
}

void SocketStream::on_bytes(ByteView bytes) {
  const auto self = shared_from_this();
  while (!is_finished_) {
    auto event = reader_.next(bytes);
    if (!event) return;
    if (!is_closed_)
      on_event(std::move(*event));
    else if (event->opcode == Opcode::close)  // or a fault
      finish();
  }
}

void SocketStream::on_event(WebSocketReader::Event event) {
  if (event.fault) {
    leave(true);
    waiting_.clear();
    has_heard_close_ = true;  // whatever comes is nothing that could be read
    return close_with(close_frame(*event.fault, event.payload));
  }
  switch (event.opcode) {
    case Opcode::text:
      if (!is_over()) on_command_(*this, event.payload);
      return;
    case Opcode::ping: {
      std::string pong;
      append_frame(pong, Opcode::pong, event.payload);
      return put_answer(std::move(pong));
    }
    case Opcode::close:
      leave(true);
      has_heard_close_ = true;
      return close_with(answer_to_close(event.payload));
    case Opcode::binary:
      leave(true);
      return close_with(close_frame(CloseCode::unsupported, "expected text"));
    case Opcode::pong:
    case Opcode::continuation: return;
  }
}

void SocketStream::say(std::string_view members) {
  std::string frame;
  append_frame(frame, Opcode::text, "{" + std::string(members) + "}");
  put_answer(std::move(frame));
}

void SocketStream::put_answer(std::string frame) {
  if (is_closed_) return;
  answer_bytes_ += frame.size();
  const std::size_t size = frame.size();
  put(std::move(frame));
  answers_.emplace_back(put_bytes(), size);
}

void SocketStream::on_written(std::uint64_t bytes) {
  for (; !answers_.empty() && answers_.front().first <= bytes; answers_.pop_front())
    answer_bytes_ -= answers_.front().second;
  ApiStream::on_written(bytes);
}

void SocketStream::on_end() {
  is_closed_ = is_finished_ = true;
  close_until_.reset();
  waiting_.clear();
  ApiStream::on_end();
}

std::string SocketStream::framed(std::string_view, std::string json) {
  std::string frame;
  append_frame(frame, Opcode::text, "{\"type\":\"message\"," + json.substr(1));
  return frame;
}

std::string SocketStream::beat() {
  std::string frame;
  append_frame(frame, Opcode::ping, {});
  return frame;
}

void SocketStream::say_goodbye(const Error& why) {
  say("\"type\":\"gone\"," + reason_text(why));
  close_with(close_frame(close_code(why.code), why.detail));
}

// What was settled is answered first.
void SocketStream::close_with(std::string frame) {
  if (last_frame_.empty()) last_frame_ = std::move(frame);
  close_when_answered();
}

void SocketStream::close_when_answered() {
  if (is_closed_ || last_frame_.empty() || !waiting_.empty()) return;
  put(last_frame_);
  is_closed_ = true;
  if (has_heard_close_) return finish();
  close_until_ = context().clock.now() + context().limits.socket_close_wait;
  arm();
}

void SocketStream::finish() {
  is_finished_ = true;
  close_until_.reset();
  exchange()->finish();
}

std::uint64_t SocketStream::await(Clock::time_point until, std::string late) {
  waiting_[next_waiting_] = {until, std::move(late)};
  arm();
  return next_waiting_++;
}

void SocketStream::answer(std::uint64_t waiting, std::string_view members) {
  if (waiting_.erase(waiting) == 0) return;
  say(members);
  close_when_answered();
}

std::optional<Clock::time_point> SocketStream::next_time() const {
  if (waiting_.empty()) return close_until_;
  return waiting_.begin()->second.until;
}

void SocketStream::on_time(Clock::time_point now) {
  while (!waiting_.empty() && waiting_.begin()->second.until <= now) {
    const std::string late = std::move(waiting_.begin()->second.late);
    waiting_.erase(waiting_.begin());
    say(late);
  }
  if (close_until_ && *close_until_ <= now) return finish();
  close_when_answered();
}

}  // namespace pannier::http
