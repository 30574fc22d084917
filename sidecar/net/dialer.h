// Dialer: opens one connection to another agent or server.
//
// Loop thread. The attempt ends with on_closed of the options, whether it failed to connect or has
// been open for a year; whoever wants to try again does, with a delay of their own
// (common/backoff.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sidecar/net/connection_options.h"
#include "sidecar/net/loop.h"

namespace pannier::net {

// What dial() gives: closing or destroying it closes the connection, with no further word.
class Dialled {
 public:
  virtual ~Dialled() = default;
  virtual void close() = 0;
};

// An IP address, no name. A time out is a named limit of its own.
std::unique_ptr<Dialled> dial(Loop& loop, const std::string& address, std::uint16_t port,
                              ConnectionOptions options,
                              std::chrono::milliseconds timeout = std::chrono::seconds(5));

}  // namespace pannier::net
