// FakeExchange: a request without a connection, for the tests of handlers.
//
// Shared by the test and the handler under test, on the test's one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/http/exchange.h"

namespace pannier::http {

class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(Request request, queue::Principal principal = {})
      : request_(std::move(request)), principal_(std::move(principal)) {}

  Request& request() override { return request_; }
  const net::PeerInfo& peer() const override { return peer_info; }
  const queue::Principal& principal() const override { return principal_; }
  bool is_gone() const override { return is_gone_; }

  void answer(Response response, Done done) override {
    if (is_gone_ || answered) return;
    answered = std::move(response);
    done_ = std::move(done);
    gone_ = wake_ = {};
  }
  void begin(Response head, std::uint64_t size, std::function<void()> on_room, Done done) override {
    if (is_gone_ || answered) return;
    answered = std::move(head);
    announced_size = size;
    on_room_ = std::move(on_room);
    done_ = std::move(done);
    gone_ = wake_ = {};
  }
  void put(Slice piece) override { pieces.push_back(std::move(piece)); }
  void open(Response head, std::shared_ptr<StreamUser> user) override {
    if (is_gone_ || answered) return;
    answered = std::move(head);
    stream = std::move(user);
  }
  void finish() override {
    is_finished = true;
    wake_ = {};
  }
  void cut_off() override { is_cut_off = true; }
  void on_gone(std::function<void()> gone) override { gone_ = std::move(gone); }
  void wake_at(std::optional<Clock::time_point> when, std::function<void()> wake) override {
    wake_at_time = when;
    ++wakes_set;
    wake_ = std::move(wake);
  }

  // What the connection would do.
  void goes() {
    is_gone_ = true;
    wake_ = {};
    if (stream) return ends_stream();
    if (answered) return written(false);
    if (auto gone = std::exchange(gone_, {})) gone();
  }
  void written(bool whole = true) {
    on_room_ = {};
    if (auto done = std::exchange(done_, {})) done(whole);
  }
  void has_room() {
    if (on_room_) on_room_();
  }
  void wakes() {
    wake_at_time.reset();
    if (auto wake = std::exchange(wake_, {})) wake();
  }
  std::string reads_unwritten() const {
    std::string all;
    for (std::size_t i = next_piece_; i < pieces.size(); ++i) all += text(pieces[i]);
    return all;
  }
  // Of a stream: all that was put since the last time, and written.
  std::string reads() {
    std::string all;
    for (; next_piece_ < pieces.size(); ++next_piece_) all += text(pieces[next_piece_]);
    read_bytes_ += all.size();
    if (stream && !all.empty()) stream->on_written(read_bytes_);
    return all;
  }
  void ends_stream() {
    if (const auto user = std::exchange(stream, {})) user->on_end();
  }
  std::string body() const {
    if (!announced_size) return text(answered->body);
    std::string all;
    for (const Slice& piece : pieces) all += text(piece);
    return all;
  }

  net::PeerInfo peer_info{"test", false, true, ""};
  std::optional<Response> answered;
  std::optional<std::uint64_t> announced_size;
  std::vector<Slice> pieces;
  std::optional<Clock::time_point> wake_at_time;
  int wakes_set = 0;
  bool is_cut_off = false;
  std::shared_ptr<StreamUser> stream;
  bool is_finished = false;

 private:
  static std::string text(const Slice& slice) {
    return {reinterpret_cast<const char*>(slice.view().data()), slice.size()};
  }

  Request request_;
  queue::Principal principal_;
  bool is_gone_ = false;
  std::size_t next_piece_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::function<void()> gone_, wake_, on_room_;
  Done done_;
};

}  // namespace pannier::http
