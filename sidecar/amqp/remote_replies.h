// RemoteReplies and ReplyGate: answers whose askers are clients of other agents: on their way out,
// and on their way in.
//
// Interfaces; implemented by sidecar/forward. They outlive the channels, but for a gate, which its
// channel owns. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "sidecar/queue/message.h"

namespace pannier::amqp {

class RemoteReplies {
 public:
  enum class Outcome : std::uint8_t {
    taken,  // by whoever asked
    gone,   // nobody waits for it there any more
    lost,   // refused there, or nothing can be known of it
  };
  using Done = std::function<void(Outcome)>;

  virtual ~RemoteReplies() = default;
  // A request that is to be answered to that name has come from another agent.
  virtual bool knows(std::string_view name) const = 0;
  // To whoever asked for an answer to message's routing key. Calls back once, at once or later. The
  // message's parts last as long as `body`.
  virtual void send(queue::MessagePtr message, std::shared_ptr<const void> body, Done done) = 0;
};

// Of a channel that another agent has for answers: which names it was told of.
class ReplyGate {
 public:
  virtual ~ReplyGate() = default;
  virtual bool may_answer(std::string_view name) const = 0;
};

}  // namespace pannier::amqp
