// Dead letters: messages that leave a queue other than by an ack, and where they go
// (RabbitMQ's dead letter exchanges).
//
// Pure functions but for the interface, which Registry implements: it knows where exchanges lead.
// Loop thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/queue/message.h"
#include "sidecar/queue/queue_settings.h"

namespace pannier::queue {

class Queue;

enum class Death : std::uint8_t { rejected, expired, max_length, delivery_limit };
std::string_view name_of(Death why);  // as in x-death: "rejected", "maxlen", ...

class DeadLetterSink {
 public:
  virtual ~DeadLetterSink() = default;
  // Takes the message out of its queue (its entry is settled if it is in the spool) and into those
  // that its dead letter exchange leads to, in one group. Errors have changed nothing and are worth
  // another try: spool_full, spool_busy, queue_full.
  virtual Result<void> dead_letter(Queue& from, const spool::Entry& entry,
                                   const MessagePtr& message, Death why,
                                   std::string_view nack_reason) = 0;
};

// The message as it is published again: exchange and routing key of the target, x-death and its
// kin, no expiration; what its last consumer said of it as x-last-nack-reason. Its body is shared.
struct DeadLetter {
  Message message;
  std::vector<std::string> routing_keys;  // that it is routed by: more than one with CC and BCC
};
DeadLetter dead_letter_of(const Message& message, const std::string& queue,
                          const DeadLetterTarget& target, Death why, Milliseconds now,
                          std::string_view nack_reason = {});

// It has been in that queue before and nobody has rejected it since: it would go round for ever.
bool is_cycle(const Table& headers, const std::string& queue);

}  // namespace pannier::queue
