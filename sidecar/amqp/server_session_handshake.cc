#include <algorithm>
#include <array>

#include "common/log.h"
#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/handshake.h"
#include "sidecar/amqp/server_session.h"

namespace pannier::amqp {
namespace {

constexpr std::size_t kNameLogged = 255;
constexpr std::array<std::uint8_t, 8> kProtocolHeader{'A', 'M', 'Q', 'P', 0, 0, 9, 1};

}  // namespace

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
  if (context_.link_version != 0 && !peer_.certificate_uri.empty()) {
    start.server_properties.set("pannier-links", context_.link_version);
    start.server_properties.set("pannier-codecs", context_.link_codecs);
  }
  start.mechanisms.text = mechanisms_for(peer_, logins_);
  start.locales.text = "en_US";
  put_method(output(), 0, start);
}

Result<void> ServerSession::on_connection_frame(const Frame& frame) {
  if (frame.type != FrameType::method) return Error{Errc::unexpected, "content on channel 0"};
  auto method = method_id(frame.payload);
  if (!method) return method.error();
  current_ = *method;
  if (*method == ConnectionClose::kId && state_ != State::header) {
    drop_channels(true);
    put_method(output(), 0, ConnectionCloseOk{});
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
  if (state_ == State::start && method == ConnectionStartOk::kId) return on_start_ok(payload);
  if (state_ == State::tune && method == ConnectionTuneOk::kId) return on_tune_ok(payload);
  if (state_ == State::open && method == ConnectionOpen::kId) return on_open(payload);
  if (state_ == State::running && method == ConnectionUpdateSecret::kId) {
    if (auto update = decode_request<ConnectionUpdateSecret>(payload); !update)
      return update.error();
    put_method(output(), 0, ConnectionUpdateSecretOk{});
    return {};
  }
  if (!is_method(method)) return Error{Errc::bad_syntax, "a method that is not known"};
  close_connection(
      make_reply(ReplyCode::channel_error,
                 "unexpected method in connection state " + std::string(name_of(state_)),
                 Scope::connection),
      method);
  return {};
}

std::string_view ServerSession::name_of(State state) {
  switch (state) {
    case State::header:
    case State::start:
    case State::authenticating: return "starting";
    case State::tune: return "tuning";
    case State::open: return "opening";
    case State::running: return "running";
    case State::closing: return "closing";
    case State::closed: return "closed";
  }
  return "";
}

void ServerSession::read_capabilities(const queue::Table& client_properties) {
  if (const queue::Value* name = client_properties.find("connection_name"))
    if (const std::string* text = name->as_text()) client_name_ = text->substr(0, kNameLogged);
  if (const queue::Value* codecs = client_properties.find("pannier-codecs"))
    if (const std::string* text = codecs->as_text()) peer_codecs_ = text->substr(0, kNameLogged);
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
  auto credentials = credentials_from(start->mechanism, start->response.text, peer_, logins_);
  if (!credentials && credentials.error().code != Errc::not_authenticated)
    return credentials.error();
  mechanism_ = start->mechanism;
  state_ = State::authenticating;
  if (!credentials) {
    on_authenticated(credentials.error());
    return {};
  }
  login_ = credentials->user;
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
                                  "Login was refused using authentication mechanism " + mechanism_ +
                                      ". For details see the agent's log.",
                                  Scope::connection),
                       {});
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
  const auto out_of_range = [](const char* field, std::uint32_t asked, const char* side,
                               std::uint32_t limit) {
    return Error{Errc::limit_reached, std::string("negotiated ") + field + " = " +
                                          std::to_string(asked) + " is " + side +
                                          " allowed value (" + std::to_string(limit) + ")"};
  };
  if (tune->frame_max != 0 && tune->frame_max < kFrameMinSize)
    return out_of_range("frame_max", tune->frame_max, "lower than the minimum", kFrameMinSize);
  // 0 is no limit, which is more than ours.
  if (tune->frame_max == 0 || tune->frame_max > limits.frame_max)
    return out_of_range("frame_max", tune->frame_max, "higher than the maximum", limits.frame_max);
  if (tune->channel_max == 0 || tune->channel_max > limits.channel_max)
    return out_of_range("channel_max", tune->channel_max, "higher than the maximum",
                        limits.channel_max);
  frame_max_ = tune->frame_max;
  channel_max_ = tune->channel_max;
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

}  // namespace pannier::amqp
