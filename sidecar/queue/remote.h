// Remote: messages that belong to another agent and are delivered here.
//
// A pulled message stays its origin's until the consumer's ack has travelled back: the queue that
// hands it out keeps nothing of it but whom to tell. Interfaces; loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sidecar/queue/message.h"

namespace pannier::queue {

class Queue;

// Where a message came from, and is settled. Shared by the messages that came from there: it
// outlives the connection that they came by.
class RemoteOrigin {
 public:
  enum class Settle : std::uint8_t {
    ack,        // done
    failed,     // back to its place, counted as a failed delivery
    give_back,  // back to its place, not the consumer's fault
    discard,    // dropped for good
  };
  // What its consumer said of a failed delivery: see Queue::Return.
  struct Failure {
    std::optional<std::chrono::milliseconds> delay;
    bool backs_off = false;
    std::string reason;
    auto operator<=>(const Failure&) const = default;
  };
  virtual ~RemoteOrigin() = default;
  // Once for each message that a queue has taken. Must not call back into the queue.
  virtual void settle(std::uint64_t tag, Settle how) = 0;
  // The same as `failed`, with what was said.
  virtual void fail(std::uint64_t tag, const Failure& /*failure*/) { settle(tag, Settle::failed); }
  // Calls back once, later or at once: true when every settle made so far is durable there, false
  // when that cannot be known any more, as the link was lost. May never call back: who asks has a
  // limit of its own.
  virtual void when_durable(std::function<void(bool)> done) = 0;
};

struct RemoteMessage {
  MessagePtr message;
  std::uint16_t delivery_count = 0;
  bool redelivered = false;
  std::shared_ptr<RemoteOrigin> origin;
  std::uint64_t tag = 0;  // the origin's own
};

// How long a get waits for other agents, at most.
inline constexpr std::chrono::milliseconds kRemoteGetMax{100};

// What a queue asks for more, when its consumers could take more than it has.
class RemoteSource {
 public:
  virtual ~RemoteSource() = default;
  // The queue's demand() may have changed: look at it at the end of the turn. Must not call back
  // into the queue.
  virtual void note_demand(Queue& queue) = 0;
  // A get finds nothing here. True: it waits until Queue::no_remote_answer or kRemoteGetMax. Must
  // not call back into the queue.
  virtual bool asks_for_get(Queue& /*queue*/) { return false; }
};

}  // namespace pannier::queue
