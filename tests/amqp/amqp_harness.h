// AmqpHarness: an agent's AMQP side on a memory disk, and scripted clients that talk bytes to it.
//
//   Script peer(agent);
//   peer.opens().sends(1, QueueDeclare{...}).gets<QueueDeclareOk>(1);
//
// gets<Method>() fails the test unless the next frame is that method, and returns it. Nothing is
// synced before agent.turn() unless the script says so.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/server_session.h"
#include "tests/queue/queue_harness.h"

namespace pannier::amqp {

// Knows guest/guest, and denies what a test says.
class TestAccess final : public queue::Access {
 public:
  void authenticate(queue::Credentials credentials,
                    std::function<void(Result<queue::Principal>)> done) override {
    const bool is_guest = credentials.user == "guest" && credentials.secret == "guest";
    const bool is_app = credentials.user == "app" && credentials.secret == "secret";
    const bool is_certificate = credentials.kind == queue::Credentials::Kind::certificate;
    if (is_certificate)
      done(queue::Principal{queue::Principal::Kind::agent, credentials.certificate_uri});
    else if (is_guest)
      done(queue::Principal{queue::Principal::Kind::user, "guest"});
    else if (is_app)  // as the pod's own credential, which stands for its ServiceAccount
      done(queue::Principal{queue::Principal::Kind::service_account, "checkout"});
    else
      done(Error{Errc::not_authenticated, "unknown user or wrong password"});
  }
  Result<void> may(const queue::Principal& principal, Verb verb,
                   std::string_view queue) const override {
    if (!denied.contains({verb, std::string(queue)})) return {};
    return Error{Errc::access_denied, "access to queue '" + std::string(queue) +
                                          "' in vhost '/' refused for user '" + principal.name +
                                          "'"};
  }
  Result<void> may_declare(const queue::Principal&) const override {
    if (!denies_declare) return {};
    return Error{Errc::access_denied, "clients may not declare here"};
  }

  std::set<std::pair<Verb, std::string>> denied;
  bool denies_declare = false;
};

// For the small segments of tests.
inline AmqpLimits small_limits() {
  AmqpLimits limits;
  limits.frame_max = 100'000;
  limits.part_bytes = limits.frame_max;
  return limits;
}

class AmqpHarness : public queue::QueueHarness {
 public:
  explicit AmqpHarness(spool::Disk& disk, const AmqpLimits& limits = small_limits())
      : queue::QueueHarness(disk), context(*registry, access, clock, limits) {
    context.vhost_alias = "shop";
    on_room = [this] { context.on_room(); };
    on_synced = [this] { context.on_synced(spool->synced_commit()); };
  }

  TestAccess access;
  SessionContext context;
};

inline Bytes bytes_of(const net::Output& output) {
  std::vector<ByteView> views;
  output.gather(views);
  Bytes bytes;
  for (const ByteView view : views) bytes.insert(bytes.end(), view.begin(), view.end());
  return bytes;
}

class Script {
 public:
  explicit Script(AmqpHarness& agent, net::PeerInfo peer = {"test", false, true, ""},
                  Logins logins = Logins::any)
      : agent_(&agent),
        session_(std::make_unique<ServerSession>(agent.context, std::move(peer), logins)) {}

  Script& raw(std::string_view bytes) {
    static_cast<void>(session_->on_bytes(as_bytes(bytes)));
    return *this;
  }
  Script& raw(ByteView bytes) {
    static_cast<void>(session_->on_bytes(bytes));
    return *this;
  }
  template <typename Method>
  Script& sends(ChannelId channel, const Method& method) {
    net::Output out;
    put_method(out, channel, method);
    return feeds(out);
  }
  Script& sends_content(ChannelId channel, std::string_view body,
                        const queue::Properties& properties = {}) {
    Bytes encoded;
    ByteWriter writer(encoded);
    properties.encode(writer);
    net::Output out;
    put_content_header(out, channel, body.size(), encoded);
    put_body(out, channel, Slice::copy_of(body), agent_->context.limits.frame_max);
    return feeds(out);
  }
  Script& publishes(ChannelId channel, const std::string& exchange, const std::string& key,
                    std::string_view body, bool mandatory = false,
                    const queue::Properties& properties = {}) {
    sends(channel, BasicPublish{0, exchange, key, mandatory, false});
    return sends_content(channel, body, properties);
  }
  Script& feeds(const net::Output& out) { return raw(bytes_of(out)); }

  // The way to a running connection and channel 1.
  Script& opens(queue::Table capabilities = {}) {
    raw(std::string_view("AMQP\0\0\x09\x01", 8));
    gets<ConnectionStart>(0);
    ConnectionStartOk ok;
    if (!capabilities.empty()) ok.client_properties.set("capabilities", std::move(capabilities));
    ok.mechanism = "PLAIN";
    ok.response.text = std::string("\0guest\0guest", 12);
    ok.locale = "en_US";
    sends(0, ok);
    const auto tune = gets<ConnectionTune>(0);
    sends(0, ConnectionTuneOk{tune.channel_max, tune.frame_max, 0});
    sends(0, ConnectionOpen{"/", "", false});
    gets<ConnectionOpenOk>(0);
    return opens_channel(1);
  }
  Script& opens_channel(ChannelId channel) {
    sends(channel, ChannelOpen{});
    gets<ChannelOpenOk>(channel);
    return *this;
  }

  Script& opens_channel_later(ChannelId channel) { return sends(channel, ChannelOpen{}); }

  template <typename Method>
  Method gets(ChannelId channel) {
    drain();
    auto parsed = parse_frame(ByteView(got_).subspan(at_), 0);
    if (!parsed || parsed->size == 0) {
      ADD_FAILURE() << "nothing came where a method was expected";
      return {};
    }
    EXPECT_EQ(parsed->frame.type, FrameType::method);
    EXPECT_EQ(parsed->frame.channel, channel);
    const auto id = method_id(parsed->frame.payload);
    at_ += parsed->size;
    if (!id || *id != Method::kId) {
      ADD_FAILURE() << "method " << (id ? id->class_id : 0) << "." << (id ? id->method_id : 0)
                    << " came where " << Method::kId.class_id << "." << Method::kId.method_id
                    << " was expected" << why(parsed->frame.payload);
      return {};
    }
    auto decoded = decode<Method>(parsed->frame.payload);
    EXPECT_TRUE(decoded);
    return decoded ? *decoded : Method{};
  }
  // A content header and as many body frames as it says.
  struct Content {
    queue::Properties properties;
    std::string body;
  };
  Content gets_content(ChannelId channel, std::size_t frame_max = 100'000) {
    Content content;
    drain();
    auto header_frame = next(FrameType::header, channel);
    if (!header_frame) return content;
    const auto header = decode_content_header(header_frame->payload);
    if (auto properties = queue::Properties::decode(header->properties))
      content.properties = *properties;
    while (content.body.size() < header->body_size) {
      auto body = next(FrameType::body, channel);
      if (!body) return content;
      EXPECT_LE(body->payload.size() + kFrameOverhead, frame_max);
      content.body += as_text(body->payload);
    }
    return content;
  }
  // The body of a delivery on this channel, with whole frames of other channels in between.
  std::string gets_content_among(ChannelId channel, std::size_t& others) {
    drain();
    std::string body;
    std::uint64_t left = 0;
    bool has_header = false;
    while (!has_header || left > 0) {
      auto parsed = parse_frame(ByteView(got_).subspan(at_), 0);
      if (!parsed || parsed->size == 0) break;
      at_ += parsed->size;
      const Frame& frame = parsed->frame;
      if (frame.channel != channel) {
        ++others;
      } else if (frame.type == FrameType::header) {
        has_header = true;
        left = decode_content_header(frame.payload)->body_size;
      } else if (frame.type == FrameType::body) {
        body += as_text(frame.payload);
        left -= frame.payload.size();
      }
    }
    return body;
  }
  void gets_nothing() {
    drain();
    const auto id =
        at_ + 11 <= got_.size() ? method_id(ByteView(got_).subspan(at_ + 7)) : MethodId{};
    EXPECT_EQ(at_, got_.size()) << "method " << id->class_id << "." << id->method_id << " came";
  }
  // Whatever came until now.
  void forgets() {
    drain();
    at_ = got_.size();
  }
  bool has_more() {
    drain();
    return at_ < got_.size();
  }
  bool is_closed() const { return session_->wants_close(); }
  ServerSession& session() { return *session_; }
  void hangs_up() {
    session_->set_bell({});
    session_->on_closed();
    session_.reset();
  }

 private:
  std::optional<Frame> next(FrameType type, ChannelId channel) {
    auto parsed = parse_frame(ByteView(got_).subspan(at_), 0);
    if (!parsed || parsed->size == 0) {
      ADD_FAILURE() << "content is missing";
      return {};
    }
    EXPECT_EQ(parsed->frame.type, type);
    EXPECT_EQ(parsed->frame.channel, channel);
    at_ += parsed->size;
    return parsed->frame;
  }
  std::string why(ByteView payload) const {
    if (const auto close = decode<ChannelClose>(payload);
        close && method_id(payload)->class_id <= 20)
      return ": " + close->reply_text;
    return "";
  }
  void drain() {
    while (!session_->output().empty()) {
      const Bytes bytes = bytes_of(session_->output());
      got_.insert(got_.end(), bytes.begin(), bytes.end());
      session_->output().clear();
      session_->on_sent(0);
    }
  }

  AmqpHarness* agent_;
  std::unique_ptr<ServerSession> session_;
  Bytes got_;
  std::size_t at_ = 0;
};

}  // namespace pannier::amqp
