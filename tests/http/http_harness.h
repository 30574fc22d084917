// HttpHarness: an agent's HTTP side on a memory disk, with a handler that a script answers for, and
// HttpPeer: a client that talks bytes to a session.
//
//   HttpPeer peer(agent);
//   peer.sends("GET /q HTTP/1.1\r\nHost: x\r\n\r\n");
//   agent.handler.exchanges.at(0)->answer({200, {}, Slice::copy_of("hello")});
//   EXPECT_EQ(peer.gets(), ...);
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/http/http_context.h"
#include "sidecar/http/http_session.h"
#include "tests/queue/queue_harness.h"

namespace pannier::http {

class ScriptHandler final : public Handler {
 public:
  Result<Plan> plan(const Request& head) override {
    ++plans;
    if (refuses) return *refuses;
    static_cast<void>(head);
    return the_plan;
  }
  void handle(const ExchangePtr& exchange) override {
    exchanges.push_back(exchange);
    if (on_handle) on_handle(exchange);
  }
  Plan the_plan{Login::none, 1u << 20, false};
  std::optional<Error> refuses;
  std::vector<ExchangePtr> exchanges;
  std::function<void(const ExchangePtr&)> on_handle;
  int plans = 0;
};

// Knows guest/guest and the token "token"; later, when it is told to.
class LaterAccess final : public queue::Access {
 public:
  void authenticate(queue::Credentials credentials,
                    std::function<void(Result<queue::Principal>)> done) override {
    ++asked;
    const bool is_known = credentials.kind == queue::Credentials::Kind::bearer
                              ? credentials.secret == "token"
                              : credentials.user == "guest" && credentials.secret == "guest";
    auto answer = [done = std::move(done), is_known] {
      if (is_known)
        done(queue::Principal{queue::Principal::Kind::user, "guest"});
      else
        done(Error{Errc::not_authenticated, "unknown user or wrong password"});
    };
    if (is_later)
      waiting.push_back(std::move(answer));
    else
      answer();
  }
  Result<void> may(const queue::Principal&, Verb, std::string_view) const override { return {}; }
  Result<void> may_declare(const queue::Principal&) const override { return {}; }
  bool is_later = false;
  int asked = 0;
  std::vector<std::function<void()>> waiting;
};

class HttpHarness : public queue::QueueHarness {
 public:
  explicit HttpHarness(spool::Disk& disk, const HttpLimits& limits = {})
      : queue::QueueHarness(disk), context(handler, *registry, access, clock, limits) {
    on_room = [this] { context.on_room(); };
  }
  ScriptHandler handler;
  LaterAccess access;
  HttpContext context;
};

class HttpPeer {
 public:
  explicit HttpPeer(HttpHarness& agent, net::PeerInfo peer = {"test", false, true, ""})
      : agent_(&agent), session_(std::make_unique<HttpSession>(agent.context, std::move(peer))) {
    session_->set_bell([this] { ++rings; });
  }

  HttpPeer& sends(std::string_view bytes) {
    static_cast<void>(session_->on_bytes(as_bytes(bytes)));
    return *this;
  }
  // In pieces of `size` bytes.
  HttpPeer& trickles(std::string_view bytes, std::size_t size) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size())))
      sends(bytes.substr(0, size));
    return *this;
  }
  // What the session has put out, without telling it that it was written.
  HttpPeer& takes() {
    std::vector<ByteView> views;
    session_->output().gather(views);
    for (const ByteView view : views) got_ += as_text(view);
    unsent_ += session_->output().size();
    session_->output().clear();
    return *this;
  }
  HttpPeer& written(std::size_t all_but = 0) {
    takes();
    unsent_ = std::min(unsent_, all_but);
    session_->on_sent(unsent_);
    return *this;
  }
  // All that came since the last time, written.
  std::string gets() {
    for (int i = 0; i < 1'000 && (i == 0 || !session_->output().empty()); ++i) written();
    return std::exchange(got_, {});
  }
  HttpPeer& passes(std::chrono::milliseconds time) {
    agent_->clock.advance(time);
    if (const auto due = session_->deadline(); due && *due <= agent_->clock.now())
      session_->on_time(agent_->clock.now());
    return *this;
  }
  void goes() { session_->on_closed(); }
  void dies() { session_.reset(); }
  HttpSession& session() { return *session_; }
  bool is_over() { return session_->wants_close(); }

  int rings = 0;

 private:
  HttpHarness* agent_;
  std::unique_ptr<HttpSession> session_;
  std::string got_;
  std::size_t unsent_ = 0;
};

inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) +
         "\r\n";
}
inline std::string post(std::string_view body, std::string_view fields = "") {
  return "POST /q HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(fields) + "\r\n" + std::string(body);
}
inline Response says(std::string_view body) { return {200, {}, Slice::copy_of(body)}; }
inline int status_in(std::string_view answer) {
  if (!answer.starts_with("HTTP/1.1 ")) return 0;
  return std::stoi(std::string(answer.substr(9, 3)));
}
inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace pannier::http
