// Exchange: one request and its answer; Handler, who answers; StreamUser, whose answer does not
// end.
//
// The session makes an exchange for each request. A handler may keep it for as long as it likes:
// once the client has gone, or the answer is made, calls do nothing. Answers of one connection
// leave in the order of their requests, whenever they are made. Callbacks come on the loop thread,
// never out of the call that registers them, and none after on_gone's or done's. Loop thread.
#pragma once

#include <functional>
#include <memory>

#include "common/clock.h"
#include "sidecar/http/request.h"
#include "sidecar/net/session.h"
#include "sidecar/queue/access.h"

namespace pannier::http {

// Who speaks on a stream: see Exchange::open. The session holds it until on_end.
class StreamUser {
 public:
  virtual ~StreamUser() = default;
  // After an upgrade: what the client sends, as it arrives.
  virtual void on_bytes(ByteView bytes) = 0;
  // False: no more of them is read before something has been put or written.
  virtual bool wants_bytes() const { return true; }
  // So many bytes of all that was put have been written to the socket.
  virtual void on_written(std::uint64_t bytes) = 0;
  // Once, and the last call: the client has gone, or all is written after finish().
  virtual void on_end() = 0;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual Request& request() = 0;
  virtual const net::PeerInfo& peer() const = 0;
  // Whoever has logged in; of handlers that asked for it (Plan::login).
  virtual const queue::Principal& principal() const = 0;
  virtual bool is_gone() const = 0;

  // Once. `done`: true when all of it has been written to the socket, false when the client went
  // before.
  using Done = std::function<void(bool whole)>;
  virtual void answer(Response response, Done done = {}) = 0;
  // Instead of answer(): a body of `size` bytes that comes in pieces. `on_room` asks for the next
  // piece, which may be put later; nothing more is asked until it is.
  virtual void begin(Response head, std::uint64_t size, std::function<void()> on_room,
                     Done done = {}) = 0;
  virtual void put(Slice piece) = 0;
  // The body cannot be completed: the connection ends in its midst, so that the client knows.
  virtual void cut_off() = 0;
  // Instead of answer(): a body without an end that is known, put() by put(), until finish(); or,
  // with the status 101, the connection is the user's own from here on, both ways. Out of handle()
  // only: nothing else is read from the connection, which ends with the stream. A timer of
  // wake_at() goes on.
  virtual void open(Response head, std::shared_ptr<StreamUser> user) = 0;
  virtual void finish() = 0;

  // Once, when the client goes before there is an answer.
  virtual void on_gone(std::function<void()> gone) = 0;
  // Once at that time, unless there is an answer by then. A later call replaces an earlier one.
  virtual void wake_at(std::optional<Clock::time_point> when, std::function<void()> wake) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

enum class Login : std::uint8_t {
  none,      // anybody may ask
  optional,  // known if it was given; wrong credentials are an error all the same
  required,  // 401 without
};

// What a handler wants of a request whose head is whole.
struct Plan {
  Login login = Login::required;
  std::uint64_t body_bytes_max = 0;  // more is 413
  bool takes_parts = false;  // beyond HttpLimits::part_bytes the body goes to the spool in parts
  Compression compression = Compression::none;  // of such parts, as their queue asks
  bool may_upgrade = false;                     // to a WebSocket; elsewhere asking for one is 501
};

class Handler {
 public:
  virtual ~Handler() = default;
  // An error is answered at once, before the body is read (Expect: 100-continue).
  virtual Result<Plan> plan(const Request& head) = 0;
  virtual void handle(const ExchangePtr& exchange) = 0;
};

}  // namespace pannier::http
