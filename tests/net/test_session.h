// TestSession: remembers what it hears and says what a test tells it to.
//
// Its connection owns it; a test looks at its TestPeer, which outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/net/session.h"

namespace pannier::net {

class TestSession;

struct TestPeer {
  // Until the connection has gone.
  Output& output();
  void say(std::string_view text);
  void says_goodbye();

  PeerInfo peer;
  std::string heard;
  std::size_t unsent = 0;
  std::optional<Clock::time_point> wakes_at;
  int woken = 0;
  bool woken_early = false;
  bool wants = true;
  bool fails = false;
  bool is_closed = false;
  bool stays_late = false;  // its deadline does not move when it has come
  std::function<void()> on_heard, on_sent, on_closed, on_gone;
  TestSession* session = nullptr;
};

class TestSession final : public Session {
 public:
  explicit TestSession(std::shared_ptr<TestPeer> at) : at_(std::move(at)) { at_->session = this; }
  ~TestSession() override {
    at_->session = nullptr;
    if (at_->on_gone) at_->on_gone();
  }

  Result<void> on_bytes(ByteView input) override {
    at_->heard += as_text(input);
    if (at_->on_heard) at_->on_heard();
    if (!at_->fails) return {};
    output().put(as_bytes("sorry"));
    return Error{Errc::bad_frame, "told to fail"};
  }
  void on_time(Clock::time_point now) override {
    ++at_->woken;
    at_->woken_early = at_->woken_early || now < *at_->wakes_at;
    if (!at_->stays_late) at_->wakes_at.reset();
  }
  std::optional<Clock::time_point> deadline() const override { return at_->wakes_at; }
  void on_sent(std::size_t left) override {
    at_->unsent = left;
    if (at_->on_sent) at_->on_sent();
  }
  void on_closed() override {
    at_->is_closed = true;
    if (at_->on_closed) at_->on_closed();
  }
  bool wants_bytes() const override { return at_->wants; }

  void rings() { ring(); }
  void leaves() {
    wants_close_ = true;
    ring();
  }

 private:
  std::shared_ptr<TestPeer> at_;
};

inline Output& TestPeer::output() { return session->output(); }
inline void TestPeer::say(std::string_view text) {
  output().put(as_bytes(text));
  session->rings();
}
inline void TestPeer::says_goodbye() { session->leaves(); }

// Makes sessions for a listener or a dialer, and keeps their peers for the test to look at.
class TestSessions {
 public:
  std::unique_ptr<Session> make(const PeerInfo& peer) {
    peers_.push_back(std::make_shared<TestPeer>());
    peers_.back()->peer = peer;
    return std::make_unique<TestSession>(peers_.back());
  }
  std::size_t count() const { return peers_.size(); }
  TestPeer& operator[](std::size_t i) { return *peers_[i]; }
  bool gone(std::size_t i) const { return i < peers_.size() && peers_[i]->is_closed; }

 private:
  std::vector<std::shared_ptr<TestPeer>> peers_;
};

}  // namespace pannier::net
