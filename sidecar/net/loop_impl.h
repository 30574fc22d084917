// Loop::Impl: the loop as net's own files see it: the reactor, the buffer that all connections read
// into, and the list of those that have something to write at the end of the turn.
//
// Owned by Loop; private to the room; loop thread.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <vector>

#include "common/bytes.h"
#include "sidecar/net/loop.h"
#include "sidecar/net/session.h"

namespace pannier::net {

namespace asio = boost::asio;

// Something to be done once at the end of the turn, however often it was asked for.
class AtTurnEnd {
 public:
  virtual ~AtTurnEnd() = default;
  virtual void at_turn_end() = 0;
  // The loop goes: without a word to anyone, since whom it would tell may have gone before.
  virtual void abandon() {}
};

struct Loop::Impl {
  static constexpr std::size_t kScratchBytes = 256u << 10;
  static constexpr int kHandlersPerTurn = 256;
  // Between two looks at a moment that has passed, so that a mistake does not take all the time.
  static constexpr std::chrono::milliseconds kWakeInterval{1};

  Impl() : work(io.get_executor()), wake_timer(io), scratch(kScratchBytes) {}
  ~Impl();

  void at_turn_end(std::weak_ptr<AtTurnEnd> who) { waiting.push_back(std::move(who)); }
  void end_turn();
  void drop_ended();
  void wake_at(std::chrono::steady_clock::time_point when);

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer wake_timer;
  std::chrono::steady_clock::time_point wakes_at = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point asleep_until{};
  std::function<void()> end_of_turn;
  std::vector<std::weak_ptr<AtTurnEnd>> waiting;
  std::set<std::shared_ptr<AtTurnEnd>> open;    // connections
  std::vector<std::unique_ptr<Session>> ended;  // until the turn's end: they may be at work
  std::atomic<std::uint64_t> turns{0};
  Bytes spare;    // empty: memory for what TLS makes of some connection's output
  Bytes scratch;  // what is being read from a socket, for the length of one call
};

}  // namespace pannier::net
