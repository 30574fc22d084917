// HttpExchange: a request of an HttpSession, and its answer on its way.
//
// Shared by the session and the handler. It loses its session when the answer is written, or when
// the client has gone; from then on calls do nothing. Loop thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/budget.h"
#include "sidecar/http/exchange.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

class HttpSession;

class HttpExchange final : public Exchange {
 public:
  HttpExchange(HttpSession& session, std::shared_ptr<const net::PeerInfo> peer, Request request);

  Request& request() override { return request_; }
  const net::PeerInfo& peer() const override { return *peer_; }
  const queue::Principal& principal() const override { return principal_; }
  bool is_gone() const override { return is_gone_; }
  void answer(Response response, Done done) override;
  void begin(Response head, std::uint64_t size, std::function<void()> on_room, Done done) override;
  void put(Slice piece) override;
  void cut_off() override;
  void open(Response head, std::shared_ptr<StreamUser> user) override;
  void finish() override;
  void on_gone(std::function<void()> gone) override;
  void wake_at(std::optional<Clock::time_point> when, std::function<void()> wake) override;

 private:
  friend class HttpSession;

  bool is_upgrade() const { return user_ && response_.status == 101; }
  bool is_in_chunks() const { return user_ && response_.status != 101 && !is_http10_; }
  std::size_t held_bytes() const;
  // The session is done with it: the answer is written, or (`whole` false) the client has gone.
  void end(bool whole, queue::Registry& registry);

  HttpSession* session_;  // null: over
  std::shared_ptr<const net::PeerInfo> peer_;
  queue::Principal principal_;
  Request request_;
  std::vector<Charge> charges_;  // of the request's body, until the answer
  bool is_http10_ = false;
  bool keeps_alive_ = false;
  bool is_gone_ = false;
  bool is_answered_ = false;
  bool is_streamed_ = false;
  bool is_cut_ = false;
  bool has_head_out_ = false;
  bool is_asked_ = false;     // for the next piece
  bool is_finished_ = false;  // of a stream: nothing more is put
  Response response_;
  std::uint64_t size_ = 0;     // of a streamed body
  std::uint64_t left_ = 0;     // of it, not put yet
  std::vector<Slice> pieces_;  // put before it was this answer's turn
  std::function<void()> on_room_, gone_, wake_;
  Done done_;
  std::shared_ptr<StreamUser> user_;  // of a stream, until it ends
  std::uint64_t stream_bytes_ = 0;    // all that were put out
  // Where pieces of a stream end: in all bytes of the session, and in the stream's own.
  std::deque<std::pair<std::uint64_t, std::uint64_t>> stream_ends_;
  std::optional<Clock::time_point> wake_at_;
};

}  // namespace pannier::http
