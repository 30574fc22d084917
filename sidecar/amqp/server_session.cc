#include "sidecar/amqp/server_session.h"

#include <algorithm>
#include <array>

#include "common/log.h"
#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/handshake.h"

namespace pannier::amqp {
namespace {

constexpr std::array<std::uint8_t, 8> kProtocolHeader{'A', 'M', 'Q', 'P', 0, 0, 9, 1};

}  // namespace

ServerSession::ServerSession(SessionContext& context, net::PeerInfo peer)
    : context_(context),
      peer_(std::move(peer)),
      owner_(context.add(*this)),
      frame_max_(context.limits.frame_max_unauthenticated),
      channel_max_(context.limits.channel_max),
      handshake_until_(context.clock.now() + context.limits.handshake),
      last_received_(context.clock.now()),
      last_sent_(context.clock.now()),
      alive_(std::make_shared<ServerSession*>(this)) {}

ServerSession::~ServerSession() {
  *alive_ = nullptr;
  drop_channels();
  context_.remove(*this);
}

void ServerSession::drop_channels() {
  const auto channels = std::exchange(channels_, {});
  for (const auto& [id, channel] : channels) channel->close(true);
  context_.registry.drop_owner(owner_);
}

bool ServerSession::is_overfull() const {
  return const_cast<ServerSession*>(this)->output().size() + unsent_ > context_.limits.unsent_bytes;
}

bool ServerSession::wants_bytes() const {
  return state_ != State::authenticating && !is_held_up_ &&
         !context_.registry.spool().is_behind() && !is_overfull();
}

Result<void> ServerSession::on_bytes(ByteView input) {
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
    if (parsed->size == 0) break;
    is_held_up_ = !on_frame(parsed->frame);
    if (is_held_up_) {
      context_.await_room(*this);
      break;
    }
    used += parsed->size;
  }
  input_.erase(input_.begin(),
               input_.begin() + static_cast<std::ptrdiff_t>(std::min(used, input_.size())));
  is_processing_ = false;
  on_synced(context_.registry.spool().synced_commit());
}

void ServerSession::on_spool_room() {
  if (!std::exchange(is_held_up_, false)) return;
  process();
  ring();
}

// Anything but our version is answered with the header that we speak, and the connection ends
// (4.2.2).
std::size_t ServerSession::on_header(ByteView input) {
  const std::size_t size = std::min(input.size(), kProtocolHeader.size());
  const auto ours = std::as_bytes(std::span(kProtocolHeader));
  if (!std::equal(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size), ours.begin())) {
    output().put(ours);
    state_ = State::closed;
    wants_close_ = true;
    return input.size();
  }
  if (size < kProtocolHeader.size()) return 0;
  send_start();
  return kProtocolHeader.size();
}

void ServerSession::send_start() {
  state_ = State::start;
  ConnectionStart start;
  start.version_minor = 9;
  start.server_properties = server_properties(context_.product_version);
  start.mechanisms.text = peer_.certificate_uri.empty() ? "PLAIN" : "PLAIN EXTERNAL";
  start.locales.text = "en_US";
  put_method(output(), 0, start);
}

// False: it has to be offered again.
bool ServerSession::on_frame(const Frame& frame) {
  if (frame.type == FrameType::heartbeat) {
    if (frame.channel != 0)
      close_connection(
          make_reply(ReplyCode::frame_error, "a heartbeat on a channel", Scope::connection), {});
    return true;
  }
  current_ = {};
  if (frame.type == FrameType::method)
    if (auto id = method_id(frame.payload)) current_ = *id;
  const auto done = frame.channel == 0 ? on_connection_frame(frame) : on_channel_frame(frame);
  if (done) return true;
  if (done.error().code == Errc::spool_busy && frame.type != FrameType::method) return false;
  const Reply reply = reply_to(done.error());
  if (reply.scope == Scope::channel && state_ == State::running && frame.channel != 0)
    close_channel(frame.channel, reply, current_);
  else
    close_connection(reply, current_);
  return true;
}

Result<void> ServerSession::on_connection_frame(const Frame& frame) {
  if (frame.type != FrameType::method) return Error{Errc::unexpected, "content on channel 0"};
  auto method = method_id(frame.payload);
  if (!method) return method.error();
  if (*method == ConnectionClose::kId && state_ != State::header) {
    drop_channels();
    if (state_ != State::closing) put_method(output(), 0, ConnectionCloseOk{});
    finish();
    return {};
  }
  if (state_ == State::closing) {
    if (*method == ConnectionCloseOk::kId) finish();
    return {};
  }
  return on_connection_method(*method, frame.payload);
}

Result<void> ServerSession::on_connection_method(MethodId method, ByteView payload) {
  const auto unexpected = [&] {
    return Error{Errc::unexpected, "method " + std::to_string(method.class_id) + "." +
                                       std::to_string(method.method_id) +
                                       " in this state of the connection"};
  };
  switch (state_) {
    case State::start:
      return method == ConnectionStartOk::kId ? on_start_ok(payload) : Result<void>(unexpected());
    case State::tune:
      return method == ConnectionTuneOk::kId ? on_tune_ok(payload) : Result<void>(unexpected());
    case State::open:
      return method == ConnectionOpen::kId ? on_open(payload) : Result<void>(unexpected());
    case State::running:
      if (method != ConnectionUpdateSecret::kId) return unexpected();
      put_method(output(), 0, ConnectionUpdateSecretOk{});
      return {};
    case State::header:
    case State::authenticating:
    case State::closing:
    case State::closed: return unexpected();
  }
  return unexpected();
}

void ServerSession::read_capabilities(const queue::Table& client_properties) {
  if (const queue::Value* name = client_properties.find("connection_name"))
    if (const std::string* text = name->as_text()) client_name_ = *text;
  const queue::Value* value = client_properties.find("capabilities");
  const queue::Table* capabilities = value == nullptr ? nullptr : value->as_table();
  if (capabilities == nullptr) return;
  const auto has = [&](std::string_view key) {
    const queue::Value* flag = capabilities->find(key);
    return flag != nullptr && flag->as_bool() != nullptr && *flag->as_bool();
  };
  wants_cancel_notify_ = has("consumer_cancel_notify");
  wants_blocked_ = has("connection.blocked");
  wants_close_on_failure_ = has("authentication_failure_close");
}

Result<void> ServerSession::on_start_ok(ByteView payload) {
  const auto start = decode<ConnectionStartOk>(payload);
  if (!start) return start.error();
  read_capabilities(start->client_properties);
  auto credentials = credentials_from(start->mechanism, start->response.text, peer_);
  if (!credentials) return credentials.error();
  state_ = State::authenticating;
  context_.access.authenticate(std::move(*credentials),
                               [alive = alive_](Result<queue::Principal> principal) {
                                 if (*alive != nullptr)
                                   (*alive)->on_authenticated(std::move(principal));
                               });
  return {};
}

void ServerSession::on_authenticated(Result<queue::Principal> principal) {
  if (state_ != State::authenticating) return;
  if (!principal) {
    log::warn("a client could not be authenticated",
              {{"peer", peer_.address}, {"error", principal.error().detail}});
    // Clients that have said so are told; others are cut off, as they expect (RabbitMQ's
    // extension).
    if (wants_close_on_failure_)
      close_connection(make_reply(ReplyCode::access_refused,
                                  "Login was refused using authentication mechanism PLAIN. For "
                                  "details see the agent's log.",
                                  Scope::connection),
                       ConnectionStartOk::kId);
    else
      finish();
  } else {
    principal_ = std::move(*principal);
    send_tune();
  }
  process();  // what came meanwhile
  ring();
}

void ServerSession::send_tune() {
  state_ = State::tune;
  put_method(output(), 0,
             ConnectionTune{context_.limits.channel_max, context_.limits.frame_max,
                            context_.limits.heartbeat_seconds});
}

Result<void> ServerSession::on_tune_ok(ByteView payload) {
  const auto tune = decode<ConnectionTuneOk>(payload);
  if (!tune) return tune.error();
  const AmqpLimits& limits = context_.limits;
  if (tune->frame_max != 0 &&
      (tune->frame_max < kFrameMinSize || tune->frame_max > limits.frame_max))
    return Error{Errc::limit_reached, "negotiated frame_max = " + std::to_string(tune->frame_max) +
                                          " is not within " + std::to_string(kFrameMinSize) +
                                          " and " + std::to_string(limits.frame_max)};
  if (tune->channel_max > limits.channel_max)
    return Error{Errc::limit_reached,
                 "negotiated channel_max = " + std::to_string(tune->channel_max) +
                     " is higher than the maximum allowed value (" +
                     std::to_string(limits.channel_max) + ")"};
  frame_max_ = tune->frame_max == 0 ? limits.frame_max : tune->frame_max;
  if (tune->channel_max != 0) channel_max_ = tune->channel_max;
  heartbeat_ = std::chrono::seconds(tune->heartbeat);
  state_ = State::open;
  return {};
}

Result<void> ServerSession::on_open(ByteView payload) {
  const auto open = decode<ConnectionOpen>(payload);
  if (!open) return open.error();
  if (open->virtual_host != context_.vhost && open->virtual_host != context_.vhost_alias)
    return Error{Errc::limit_reached, "vhost '" + open->virtual_host + "' not found"};
  put_method(output(), 0, ConnectionOpenOk{});
  state_ = State::running;
  return {};
}

Result<void> ServerSession::on_channel_frame(const Frame& frame) {
  if (state_ == State::closing) return {};
  if (state_ != State::running)
    return Error{Errc::unexpected, "a channel before the connection is open"};
  const auto closing = closing_channels_.find(frame.channel);
  if (closing != closing_channels_.end()) {
    if (current_ == ChannelClose::kId) put_method(output(), frame.channel, ChannelCloseOk{});
    if (current_ == ChannelCloseOk::kId || current_ == ChannelClose::kId)
      closing_channels_.erase(closing);
    return {};
  }
  if (current_ == ChannelOpen::kId) return open_channel(frame.channel);
  const auto found = channels_.find(frame.channel);
  if (found == channels_.end()) {
    close_connection(
        make_reply(ReplyCode::channel_error, "expected 'channel.open'", Scope::connection),
        current_);
    return {};
  }
  Channel& channel = *found->second;
  switch (frame.type) {
    case FrameType::header: return channel.on_header(frame.payload);
    case FrameType::body: return channel.on_body(frame.payload);
    case FrameType::method: break;
    case FrameType::heartbeat: return {};
  }
  if (current_ == ChannelClose::kId) {
    const std::unique_ptr<Channel> gone = std::move(found->second);
    channels_.erase(found);
    gone->close(true);
    put_method(output(), frame.channel, ChannelCloseOk{});
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
  if (id > channel_max_ || channels_.size() >= channel_max_)
    return Error{Errc::limit_reached, "number of channels opened (" +
                                          std::to_string(channels_.size()) +
                                          ") has reached the negotiated channel_max (" +
                                          std::to_string(channel_max_) + ")"};
  channels_.emplace(id, std::make_unique<Channel>(id, context_, *this));
  put_method(output(), id, ChannelOpenOk{});
  return {};
}

void ServerSession::close_channel(ChannelId id, const Reply& reply, MethodId cause) {
  const auto found = channels_.find(id);
  log::info("a channel is closed with an error",
            {{"peer", peer_.address}, {"channel", id}, {"reply", reply.text}});
  if (found != channels_.end()) {
    const std::unique_ptr<Channel> gone = std::move(found->second);
    channels_.erase(found);
    gone->close(true);
  }
  put_method(output(), id,
             ChannelClose{static_cast<std::uint16_t>(reply.code), reply.text, cause.class_id,
                          cause.method_id});
  closing_channels_[id] = true;
  ring();
}

void ServerSession::close_connection(const Reply& reply, MethodId cause) {
  if (state_ == State::closing || state_ == State::closed) return;
  log::warn("a connection is closed with an error",
            {{"peer", peer_.address}, {"client", client_name_}, {"reply", reply.text}});
  drop_channels();
  put_method(output(), 0,
             ConnectionClose{static_cast<std::uint16_t>(reply.code), reply.text, cause.class_id,
                             cause.method_id});
  state_ = State::closing;
  handshake_until_ = context_.clock.now() + context_.limits.handshake;
  ring();
}

void ServerSession::force_close(std::string_view reason) {
  close_connection(make_reply(ReplyCode::connection_forced, reason, Scope::connection), {});
}

void ServerSession::finish() {
  state_ = State::closed;
  wants_close_ = true;
  ring();
}

void ServerSession::on_closed() {
  drop_channels();
  state_ = State::closed;
}

void ServerSession::on_sent(std::size_t unsent) {
  last_sent_ = context_.clock.now();
  unsent_ = unsent;
  if (unsent > context_.limits.unsent_bytes / 2) return;
  for (const auto& [id, channel] : channels_) channel->on_room();
}

void ServerSession::on_synced(queue::Commit synced) {
  bool awaits = false;
  for (const auto& [id, channel] : channels_) {
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
  if (state_ != State::running) return handshake_until_;
  if (heartbeat_.count() == 0) return {};
  return std::min(last_sent_ + heartbeat_ / 2, last_received_ + 2 * heartbeat_);
}

// Heartbeats both ways: one when half an interval went by in silence, the end after two (4.2.7).
void ServerSession::on_time(Clock::time_point now) {
  if (state_ != State::running) {
    if (now >= handshake_until_) finish();
    return;
  }
  if (heartbeat_.count() == 0) return;
  if (now >= last_received_ + 2 * heartbeat_) {
    log::warn("a client has sent nothing for two heartbeats and is cut off",
              {{"peer", peer_.address}, {"client", client_name_}});
    drop_channels();
    finish();
    return;
  }
  if (now < last_sent_ + heartbeat_ / 2) return;
  last_sent_ = now;
  put_heartbeat(output());
  ring();
}

}  // namespace pannier::amqp
