#include "sidecar/amqp/client_session.h"

#include <algorithm>

namespace pannier::amqp {
namespace {

constexpr std::string_view kProtocolHeader{"AMQP\0\0\x09\x01", 8};

Error unexpected(MethodId method) {
  return {Errc::unexpected, "the server sends method " + std::to_string(method.class_id) + "." +
                                std::to_string(method.method_id) +
                                " in this state of the connection"};
}

}  // namespace

ClientSession::ClientSession(ClientHandler& handler, ClientOptions options, const Clock& clock)
    : options_(std::move(options)),
      handler_(handler),
      clock_(clock),
      link_{handler, options_.limits, output(), std::max(options_.frame_max, kFrameMinSize), false},
      until_(clock.now() + options_.limits.handshake),
      last_received_(clock.now()),
      last_sent_(clock.now()) {
  output().put(as_bytes(kProtocolHeader));
}

Result<void> ClientSession::on_bytes(ByteView input) {
  if (state_ == State::closed) return {};
  last_received_ = clock_.now();
  const bool is_apart = input_.empty() && !is_paused_;  // nothing waits: no need to copy it first
  if (!is_apart) input_.insert(input_.end(), input.begin(), input.end());
  const ByteView all = is_apart ? input : ByteView(input_);
  const auto used = static_cast<std::ptrdiff_t>(process(all));
  if (is_apart)
    input_.assign(input.begin() + used, input.end());
  else
    input_.erase(input_.begin(), input_.begin() + used);
  if (fault_) return *fault_;
  return {};
}

std::size_t ClientSession::process(ByteView input) {
  const bool was_called = std::exchange(is_called_, true);
  is_processing_ = true;
  std::size_t used = 0;
  while (state_ != State::closed && !is_paused_) {
    const ByteView rest = input.subspan(used);
    if (state_ == State::start && !rest.empty() && rest[0] == std::byte{'A'}) {
      fail({Errc::not_supported, "the server answers that it does not speak AMQP 0-9-1"});
      break;
    }
    const auto parsed = parse_frame(rest, link_.frame_max);
    if (!parsed) {
      fail(parsed.error());
      break;
    }
    if (parsed->size == 0) break;
    used += parsed->size;
    on_frame(parsed->frame);
  }
  is_processing_ = false;
  is_called_ = was_called;
  return state_ == State::closed ? input.size() : used;
}

void ClientSession::resume() {
  if (!std::exchange(is_paused_, false) || is_processing_) return;
  last_received_ = clock_.now();
  const auto used = static_cast<std::ptrdiff_t>(process(input_));
  input_.erase(input_.begin(), input_.begin() + used);
  if (!is_called_) ring();
}

void ClientSession::show_output() {
  was_overfull_ = was_overfull_ || is_overfull();
  if (!is_called_) ring();
}

void ClientSession::on_frame(const Frame& frame) {
  current_ = {};
  if (frame.type == FrameType::heartbeat) {
    if (frame.channel != 0) fail({Errc::bad_frame, "the server sends a heartbeat on a channel"});
    return;
  }
  if (frame.type == FrameType::method) {
    const auto id = method_id(frame.payload);
    if (!id) return fail(id.error());
    current_ = *id;
  }
  const auto done = frame.channel == 0 ? on_connection_frame(frame) : on_channel_frame(frame);
  if (!done) on_fault(done.error(), frame.channel);
}

Result<void> ClientSession::on_connection_frame(const Frame& frame) {
  if (frame.type != FrameType::method) return Error{Errc::unexpected, "content on channel 0"};
  if (current_ == ConnectionClose::kId) return on_connection_close(frame.payload);
  if (state_ != State::closing) return on_connection_method(current_, frame.payload);
  if (current_ == ConnectionCloseOk::kId)
    finish({{Errc::closed, "the connection is closed as asked for"}, 0, true});
  return {};
}

Result<void> ClientSession::on_connection_method(MethodId method, ByteView payload) {
  if (state_ == State::start && method == ConnectionStart::kId) return on_start(payload);
  if (state_ == State::tune && method == ConnectionTune::kId) return on_tune(payload);
  if (state_ == State::tune && method == ConnectionSecure::kId)
    return Error{Errc::not_supported, "the server asks for a second step of the login"};
  if (state_ == State::open && method == ConnectionOpenOk::kId) {
    set_state(State::running);
    handler_.on_open();
    return {};
  }
  if (state_ != State::running) return unexpected(method);
  if (method == ConnectionBlocked::kId) {
    const auto blocked = decode<ConnectionBlocked>(payload);
    if (!blocked) return blocked.error();
    is_blocked_ = true;
    handler_.on_blocked(blocked->reason);
    return {};
  }
  if (method != ConnectionUnblocked::kId) return unexpected(method);
  is_blocked_ = false;
  handler_.on_unblocked();
  return {};
}

Result<void> ClientSession::on_start(ByteView payload) {
  auto start = decode<ConnectionStart>(payload);
  if (!start) return start.error();
  server_properties_ = std::move(start->server_properties);
  const auto ok = start_ok(options_, *start);
  if (!ok) return ok.error();
  // The server's limit is not known yet, so it is the least that every peer must accept.
  if (auto put = put_method_within(output(), 0, *ok, kFrameMinSize); !put) return put;
  set_state(State::tune);
  return {};
}

Result<void> ClientSession::on_tune(ByteView payload) {
  const auto tune = decode<ConnectionTune>(payload);
  if (!tune) return tune.error();
  const auto ok = tune_ok(options_, *tune);
  if (!ok) return ok.error();
  tuned_ = *ok;
  link_.frame_max = tuned_.frame_max;
  put_method(output(), 0, tuned_);
  if (auto put = put_method_within(output(), 0, ConnectionOpen{options_.vhost, "", false},
                                   tuned_.frame_max);
      !put)
    return put;
  set_state(State::open);
  return {};
}

// Of a refused login the code says no more than 403.
Result<void> ClientSession::on_connection_close(ByteView payload) {
  const auto close = decode<ConnectionClose>(payload);
  if (!close) return close.error();
  put_method(output(), 0, ConnectionCloseOk{});
  Error error = error_of_reply(close->reply_code, close->reply_text);
  if (state_ == State::tune && error.code == Errc::access_denied)
    error.code = Errc::not_authenticated;
  finish({error, close->reply_code, false});
  return {};
}

void ClientSession::set_state(State state) {
  state_ = state;
  link_.is_running = state == State::running;
}

// A message that is too large costs its channel, everything else the connection.
void ClientSession::on_fault(const Error& error, ChannelId channel) {
  if (error.code != Errc::too_large || state_ != State::running || channel == 0) return fail(error);
  ClientChannel& at = *channels_[channel];
  at.close(make_reply(ReplyCode::content_too_large, error.detail, Scope::channel), current_);
  at.set_told();
  handler_.on_channel_closed(channel, {error, 0, false});
}

void ClientSession::fail(const Error& error) {
  if (state_ == State::closed) return;
  const Reply reply = reply_to(error);
  if (state_ != State::closing)
    put_method(output(), 0,
               ConnectionClose{static_cast<std::uint16_t>(reply.code), reply.text,
                               current_.class_id, current_.method_id});
  fault_ = error;
  finish({error, 0, false});
}

void ClientSession::finish(const Ending& ending) {
  if (state_ == State::closed) return;
  set_state(State::closed);
  wants_close_ = true;
  handler_.on_end(ending);
}

void ClientSession::close(std::string_view reason) {
  if (state_ == State::closing || state_ == State::closed) return;
  Reply reply = make_reply(ReplyCode::success, reason, Scope::connection);
  put_method(output(), 0,
             ConnectionClose{static_cast<std::uint16_t>(reply.code), reply.text, 0, 0});
  set_state(State::closing);
  is_paused_ = false;
  until_ = clock_.now() + options_.limits.handshake;
  show_output();
}

void ClientSession::on_closed() {
  const bool asked_for = state_ == State::closing;
  is_called_ = true;
  finish({{state_ == State::tune ? Errc::not_authenticated : Errc::closed,
           state_ == State::tune ? "the server hung up on the login: it may have refused it"
                                 : "the connection is gone"},
          0,
          asked_for});
  is_called_ = false;
}

void ClientSession::on_sent(std::size_t unsent) {
  last_sent_ = clock_.now();
  unsent_ = unsent;
  if (!was_overfull_ || this->unsent() > options_.limits.unsent_bytes / 2) return;
  was_overfull_ = false;
  is_called_ = true;
  if (state_ == State::running) handler_.on_room();
  is_called_ = false;
}

std::optional<Clock::time_point> ClientSession::deadline() const {
  if (state_ == State::closed) return {};
  if (state_ != State::running) return until_;
  if (tuned_.heartbeat == 0) return {};
  const std::chrono::seconds heartbeat(tuned_.heartbeat);
  if (is_paused_) return last_sent_ + heartbeat / 2;
  return std::min(last_sent_ + heartbeat / 2, last_received_ + 2 * heartbeat);
}

// Heartbeats both ways: one when half an interval went by in silence, the end after two (4.2.7).
void ClientSession::on_time(Clock::time_point now) {
  if (state_ == State::closed || deadline().value_or(now) > now) return;
  if (state_ == State::running && tuned_.heartbeat == 0) return;
  const bool is_silent = now >= last_received_ + 2 * std::chrono::seconds(tuned_.heartbeat);
  if (state_ == State::running && (is_paused_ || !is_silent)) {
    last_sent_ = now;
    if (unsent() == 0) put_heartbeat(output());
    return show_output();
  }
  // Nobody listens: what is not sent would only hold the connection.
  output().clear();
  fault_ = state_ == State::running
               ? Error{Errc::timed_out, "the server was silent for two heartbeats"}
               : Error{Errc::timed_out, "the server did not answer in time"};
  is_called_ = true;
  finish({*fault_, 0, state_ == State::closing});
  is_called_ = false;
}

}  // namespace pannier::amqp
