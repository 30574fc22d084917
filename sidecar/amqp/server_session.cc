#include "sidecar/amqp/server_session.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {
ServerSession::ServerSession(SessionContext& context, net::PeerInfo peer, Logins logins)
    : context_(context),
      peer_(std::move(peer)),
      logins_(logins),
      owner_(context.add(*this)),
      frame_max_(context.limits.frame_max_unauthenticated),
      channel_max_(context.limits.channel_max),
      incomplete_(context.limits.incomplete_bytes_per_session, &context.incomplete),
      handshake_until_(context.clock.now() + context.limits.handshake),
      last_received_(context.clock.now()),
      last_sent_(context.clock.now()),
      alive_(std::make_shared<ServerSession*>(this)) {}

ServerSession::~ServerSession() {
  *alive_ = nullptr;
  drop_channels(true);
  context_.remove(*this);
}

void ServerSession::drop_channels(bool counts_deliveries) {
  const auto channels = std::exchange(channels_, {});
  const auto ending = std::exchange(ending_, {});
  for (const auto& [id, channel] : channels) channel->close(counts_deliveries);
  for (const auto& [id, end] : ending) end.channel->close(counts_deliveries);
  context_.registry.drop_owner(owner_);
}

std::size_t ServerSession::unsent() const {
  return const_cast<ServerSession*>(this)->output().size() + unsent_;
}

bool ServerSession::is_overfull() const {
  const bool is_over = unsent() > context_.limits.unsent_bytes;
  holds_back_ = holds_back_ || is_over;
  return is_over;
}

// Well above where deliveries stop: a client that writes while it does not read would otherwise
// wait for us, and we for it.
bool ServerSession::is_clogged() const {
  std::size_t bytes = unsent();
  for (const ServerChannel* channel : streaming_) bytes += channel->held_bytes();
  return bytes > context_.limits.unsent_bytes_max;
}

bool ServerSession::listens() const {
  return !is_held_up_ && !context_.registry.spool().is_behind();
}

bool ServerSession::wants_bytes() const {
  return state_ != State::authenticating && listens() && !is_clogged();
}

Result<void> ServerSession::on_bytes(ByteView input) {
  if (state_ == State::closed) return {};
  last_received_ = context_.clock.now();
  input_.insert(input_.end(), input.begin(), input.end());
  process();
  return {};
}

void ServerSession::process() {
  if (std::exchange(is_processing_, true)) return;  // credentials were checked at once
  std::size_t used = 0;
  while (state_ != State::closed && state_ != State::authenticating) {
    const ByteView rest = ByteView(input_).subspan(used);
    if (state_ == State::header) {
      const std::size_t taken = on_header(rest);
      if (taken == 0) break;
      used += taken;
      continue;
    }
    auto parsed = parse_frame(rest, frame_max_);
    if (!parsed) {
      close_connection(reply_to(parsed.error()), {});
      used = input_.size();
      break;
    }
    if (parsed->size == 0 || (is_stopped_ = state_ == State::running && is_clogged())) break;
    is_held_up_ = !on_frame(parsed->frame);
    if (is_held_up_) {
      context_.await_room(*this);
      break;
    }
    used += parsed->size;
  }
  input_.erase(input_.begin(),
               input_.begin() + static_cast<std::ptrdiff_t>(std::min(used, input_.size())));
  if (state_ == State::closed) input_.clear();
  is_processing_ = false;
  release(context_.registry.spool().synced_commit());
}

// What was held up is offered again; time in which nobody listened is no silence of the client's.
void ServerSession::resume() {
  if (is_processing_ || state_ == State::closed) return;
  is_held_up_ = is_stopped_ = false;
  last_received_ = context_.clock.now();
  process();
}

void ServerSession::go_on() { on_synced(context_.registry.spool().synced_commit()); }

void ServerSession::on_spool_room() {
  if (!is_held_up_) return release(context_.registry.spool().synced_commit());
  resume();
  ring();
}

// False: it has to be offered again.
bool ServerSession::on_frame(const Frame& frame) {
  current_ = {};
  const auto done = frame.type == FrameType::heartbeat ? on_heartbeat(frame)
                    : frame.channel == 0               ? on_connection_frame(frame)
                                                       : on_channel_frame(frame);
  if (done) return true;
  if (done.error().code == Errc::spool_busy) return false;
  refuse(done.error(), frame);
  return true;
}

Result<void> ServerSession::on_heartbeat(const Frame& frame) {
  if (frame.channel != 0) return Error{Errc::unexpected, "a heartbeat on a channel"};
  if (!frame.payload.empty()) return Error{Errc::bad_frame, "a heartbeat with a payload"};
  return {};
}

// Whoever sends what RabbitMQ's reader cannot make out is cut off by it without a word; so it is
// here, and the log says why.
void ServerSession::refuse(const Error& error, const Frame& frame) {
  const Reply reply = reply_to(error);
  if (error.code == Errc::bad_syntax && !is_link()) return cut_off(reply);
  const bool is_content = frame.type == FrameType::header || frame.type == FrameType::body;
  if (is_content && !is_link()) current_ = BasicPublish::kId;
  if (reply.scope == Scope::channel && state_ == State::running && frame.channel != 0)
    close_channel(frame.channel, reply, current_);
  else
    close_connection(reply, current_);
}

void ServerSession::cut_off(const Reply& reply) {
  log::warn("a connection is cut off",
            {{"peer", peer_.address}, {"client", client_name_}, {"reason", reply.text}});
  drop_channels(true);
  finish();
}

Result<void> ServerSession::on_channel_frame(const Frame& frame) {
  if (state_ == State::closing) return {};
  if (state_ != State::running)
    return Error{Errc::unexpected, "a channel before the connection is open"};
  if (frame.type == FrameType::method) {
    const auto id = method_id(frame.payload);
    if (!id) return id.error();
    current_ = *id;
  }
  const auto ending = ending_.find(frame.channel);
  if (closing_channels_.contains(frame.channel)) {
    net::Output& out = ending == ending_.end() ? output() : ending->second.last;
    if (current_ == ChannelClose::kId) put_method(out, frame.channel, ChannelCloseOk{});
    if (current_ == ChannelCloseOk::kId) closing_channels_.erase(frame.channel);
    return {};
  }
  if (ending != ending_.end()) return {};
  if (current_ == ChannelOpen::kId) return open_channel(frame.channel);
  const auto found = channels_.find(frame.channel);
  if (found == channels_.end()) {
    close_connection(
        make_reply(ReplyCode::channel_error, "expected 'channel.open'", Scope::connection),
        current_);
    return {};
  }
  ServerChannel& channel = *found->second;
  switch (frame.type) {
    case FrameType::header: return channel.on_header(frame.payload);
    case FrameType::body: return channel.on_body(frame.payload);
    case FrameType::method: break;
    case FrameType::heartbeat: return {};
  }
  if (current_ == ChannelClose::kId && !channel.expects_content()) {
    net::Output last;
    put_method(last, frame.channel, ChannelCloseOk{});
    end_channel(frame.channel, std::move(last));
    return {};
  }
  if (current_ == BasicPublish::kId && !std::exchange(has_published_, true)) show_blocked();
  return channel.on_method(current_, frame.payload);
}

Result<void> ServerSession::open_channel(ChannelId id) {
  if (channels_.contains(id)) {
    close_connection(
        make_reply(ReplyCode::channel_error, "second 'channel.open' seen", Scope::connection),
        ChannelOpen::kId);
    return {};
  }
  if (channels_.size() >= channel_max_)
    return Error{Errc::limit_reached, "number of channels opened (" +
                                          std::to_string(channels_.size()) +
                                          ") has reached the negotiated channel_max (" +
                                          std::to_string(channel_max_) + ")"};
  auto channel = make_channel(id);
  if (!channel)
    return Error{Errc::access_denied,
                 "agents have no channel " + std::to_string(id) + " on this connection"};
  channels_.emplace(id, std::move(channel));
  put_method(output(), id, ChannelOpenOk{});
  return {};
}

std::unique_ptr<ServerChannel> ServerSession::make_channel(ChannelId id) {
  if (!is_link()) return std::make_unique<Channel>(id, context_, *this);
  return context_.make_link_channel ? context_.make_link_channel(id, *this) : nullptr;
}

void ServerSession::close_channel(ChannelId id, const Reply& reply, MethodId cause) {
  log::info("a channel is closed with an error",
            {{"peer", peer_.address}, {"channel", id}, {"reply", reply.text}});
  net::Output last;
  put_method(last, id,
             ChannelClose{static_cast<std::uint16_t>(reply.code), reply.text, cause.class_id,
                          cause.method_id});
  closing_channels_.insert(id);
  end_channel(id, std::move(last));
  ring();
}

// What the channel says last follows a content that is on its way.
void ServerSession::end_channel(ChannelId id, net::Output last) {
  if (auto node = channels_.extract(id)) {
    std::unique_ptr<ServerChannel> channel = std::move(node.mapped());
    channel->wind_down(true);
    if (channel->is_streaming()) {
      ending_.emplace(id, Ending{std::move(channel), std::move(last)});
      return;
    }
  }
  output().put(std::move(last));
}

void ServerSession::content_ended(ChannelId id) {
  const auto node = ending_.extract(id);
  if (!node) return;
  output().put(std::move(node.mapped().last));
  ring();
}

void ServerSession::note_streaming(const ServerChannel& channel, bool is_streaming) {
  if (is_streaming)
    streaming_.insert(&channel);
  else
    streaming_.erase(&channel);
}

void ServerSession::close_connection(const Reply& reply, MethodId cause, bool counts_deliveries) {
  if (state_ == State::closing || state_ == State::closed) return;
  const bool is_beginning = state_ == State::start || state_ == State::tune;
  if (is_beginning && logins_ != Logins::certificate) return cut_off(reply);  // agents are told
  log::warn("a connection is closed with an error",
            {{"peer", peer_.address}, {"client", client_name_}, {"reply", reply.text}});
  drop_channels(counts_deliveries);
  put_method(output(), 0,
             ConnectionClose{static_cast<std::uint16_t>(reply.code), reply.text, cause.class_id,
                             cause.method_id});
  state_ = State::closing;
  handshake_until_ = context_.clock.now() + context_.limits.handshake;
  ring();
}

void ServerSession::force_close(std::string_view reason) {
  close_connection(make_reply(ReplyCode::connection_forced, reason, Scope::connection), {}, false);
}

void ServerSession::finish() {
  state_ = State::closed;
  wants_close_ = true;
  ring();
}

void ServerSession::on_closed() {
  drop_channels(true);
  state_ = State::closed;
}

void ServerSession::on_sent(std::size_t unsent) {
  last_sent_ = context_.clock.now();
  unsent_ = unsent;
  if (unsent > context_.limits.unsent_bytes / 2) return;
  if (std::exchange(holds_back_, false))
    for (const ChannelId id : channel_ids())
      if (ServerChannel* channel = find_channel(id)) channel->on_room();
  if ((is_stopped_ || is_held_up_) && !is_clogged()) resume();
}

// Of those, too, that only have a content to end. Channels may go while others are called.
std::vector<ChannelId> ServerSession::channel_ids() const {
  std::vector<ChannelId> ids;
  for (const auto& [id, channel] : channels_) ids.push_back(id);
  for (const auto& [id, end] : ending_) ids.push_back(id);
  return ids;
}

ServerChannel* ServerSession::find_channel(ChannelId id) {
  if (const auto found = channels_.find(id); found != channels_.end()) return found->second.get();
  const auto ending = ending_.find(id);
  return ending == ending_.end() ? nullptr : ending->second.channel.get();
}

void ServerSession::on_synced(queue::Commit synced) {
  release(synced);
  if (is_held_up_) resume();
}

void ServerSession::release(queue::Commit synced) {
  std::vector<ChannelId> waiting;
  for (const auto& [id, channel] : channels_)
    if (channel->awaits_sync()) waiting.push_back(id);
  bool awaits = false;
  for (const ChannelId id : waiting) {
    ServerChannel* channel = find_channel(id);
    if (channel == nullptr) continue;
    channel->on_synced(synced);
    awaits = awaits || channel->awaits_sync();
  }
  if (awaits) context_.await_sync(*this);
  if (!output().empty()) ring();
}

void ServerSession::show_blocked() {
  const auto& reason = context_.blocked();
  const bool blocked = reason.has_value();
  if (state_ != State::running || !wants_blocked_ || !has_published_ || blocked == is_blocked_)
    return;
  is_blocked_ = blocked;
  if (blocked)
    put_method(output(), 0, ConnectionBlocked{*reason});
  else
    put_method(output(), 0, ConnectionUnblocked{});
  ring();
}

std::optional<Clock::time_point> ServerSession::deadline() const {
  if (state_ == State::closed) return {};
  if (state_ != State::running) return handshake_until_;
  std::optional<Clock::time_point> next;
  if (heartbeat_.count() > 0)
    next = std::min(last_sent_ + heartbeat_ / 2, last_received_ + 2 * heartbeat_);
  if (is_link())
    for (const auto& [id, channel] : channels_)
      if (const auto due = channel->deadline(); due && (!next || *due < *next)) next = due;
  return next;
}

// Heartbeats both ways: one when half an interval went by in silence, the end after two (4.2.7).
void ServerSession::on_time(Clock::time_point now) {
  if (state_ != State::running) {
    if (now >= handshake_until_ && state_ != State::closed) finish();
    return;
  }
  if (is_link())
    for (const auto& [id, channel] : channels_) channel->on_time(now);
  if (heartbeat_.count() == 0) return;
  if (!listens()) last_received_ = now;  // its heartbeats may be there, unread
  if (now >= last_received_ + 2 * heartbeat_) {
    log::warn("a client has sent nothing for two heartbeats and is cut off",
              {{"peer", peer_.address}, {"client", client_name_}});
    drop_channels(true);
    finish();
    return;
  }
  if (now < last_sent_ + heartbeat_ / 2) return;
  last_sent_ = now;
  put_heartbeat(output());
  ring();
}

}  // namespace pannier::amqp
