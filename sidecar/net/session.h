// Session: a protocol as a state machine over bytes and time, without sockets (decision 0001).
//
// Owned by its connection, which feeds it what it reads, sends what it puts out, and wakes it when
// its deadline has come. A session rings its bell when, outside of a call of its connection's,
// output appears, it wants bytes again, its deadline moves or it wants to end. Loop thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "sidecar/net/output.h"

namespace pannier::net {

class Session {
 public:
  virtual ~Session() = default;

  // Bytes as they arrive; whatever is not whole yet, the session keeps. An error ends the
  // connection after what is in the output, and nothing more is heard; most sessions say what was
  // wrong in their protocol first.
  virtual Result<void> on_bytes(ByteView input) = 0;
  virtual void on_time(Clock::time_point now) = 0;
  // One that has come and does not move is looked at again a millisecond later.
  virtual std::optional<Clock::time_point> deadline() const = 0;
  // So many bytes of what was taken from output() are not written yet.
  virtual void on_sent(std::size_t unsent) = 0;
  // Once, and the last call: nothing can be sent any more. The bell is dead by then.
  virtual void on_closed() = 0;

  Output& output() { return output_; }
  const Output& output() const { return output_; }
  // True: close the connection once the output is sent.
  bool wants_close() const { return wants_close_; }
  // False: read no more until it is true again (back-pressure).
  virtual bool wants_bytes() const { return true; }
  void set_bell(std::function<void()> bell) { bell_ = std::move(bell); }

 protected:
  void ring() {
    if (bell_) bell_();
  }
  bool wants_close_ = false;

 private:
  Output output_;
  std::function<void()> bell_;
};

// What a connection knows of the other side before a protocol has spoken.
struct PeerInfo {
  std::string address;  // for logs
  bool is_tls = false;
  bool is_loopback = false;
  std::string certificate_uri;  // SPIFFE URI of a verified client certificate; empty: none
  std::string local_address{};  // that it came to, without a port; empty: unknown
  bool is_control = false;      // over a Unix socket, which only the agent's own user can open
};

}  // namespace pannier::net
