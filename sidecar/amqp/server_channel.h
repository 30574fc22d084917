// ServerChannel: what a server session needs of a channel: an app's (Channel), or another agent's
// (sidecar/forward).
//
// Owned by ServerSession; loop thread. An error that it returns closes the channel or the
// connection, as its scope says (reply.h).
#pragma once

#include <optional>

#include "common/clock.h"
#include "sidecar/amqp/wire.h"
#include "sidecar/queue/message.h"

namespace pannier::amqp {

class ServerChannel {
 public:
  ServerChannel() = default;
  virtual ~ServerChannel() = default;
  ServerChannel(const ServerChannel&) = delete;
  ServerChannel& operator=(const ServerChannel&) = delete;

  // spool_busy means: nothing has happened, offer the frame again once there is room.
  virtual Result<void> on_method(MethodId method, ByteView payload) = 0;
  virtual Result<void> on_header(ByteView payload) = 0;
  virtual Result<void> on_body(ByteView payload) = 0;

  // The next frame has to be a part of a content.
  virtual bool expects_content() const { return false; }

  // A commit is synced, or the session has worked off what it was fed.
  virtual void on_synced(queue::Commit synced) = 0;
  virtual bool awaits_sync() const = 0;
  // The unsent output has shrunk.
  virtual void on_room() = 0;
  // Asked of links only: an app's channel has no timers.
  virtual std::optional<Clock::time_point> deadline() const { return {}; }
  virtual void on_time(Clock::time_point) {}

  // It lets go of everything, and frames mean nothing any more. A content that has begun is still
  // sent whole, for clients take nothing else in its midst: then is_streaming(), and the session is
  // told when it has ended. Not `counts_deliveries`: it is our own shutdown.
  virtual void wind_down(bool counts_deliveries) = 0;
  // The same, but nothing more is sent.
  virtual void close(bool counts_deliveries) = 0;
  virtual bool is_streaming() const = 0;
  virtual std::size_t held_bytes() const = 0;  // behind contents that are on their way
};

}  // namespace pannier::amqp
