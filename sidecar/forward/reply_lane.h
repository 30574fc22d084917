// ReplyLane: answers of clients here to requests that a link has brought, on their way back over
// it: basic.publish with confirms on channel kReplyChannel.
//
// Owned by its PullLink, which tells it what the session says; loop thread. At most kRepliesMax
// answers and kReplyBytesMax of their bodies wait or are unconfirmed; what waits longer than
// kReplyWaitMax for a connection is lost, as is what a cut leaves unconfirmed: nothing is sent
// twice. Each answer's `done` is called once, at the latest when the lane goes.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "sidecar/amqp/client_session.h"
#include "sidecar/amqp/remote_replies.h"
#include "sidecar/queue/queue_context.h"

namespace pannier::forward {

inline constexpr std::size_t kRepliesMax = 4'096;
inline constexpr std::uint64_t kReplyBytesMax = 16u << 20;  // and one answer in any case
inline constexpr std::chrono::seconds kReplyWaitMax{5};

class ReplyLane {
 public:
  using Outcome = amqp::RemoteReplies::Outcome;
  struct Answer {
    queue::MessagePtr message;
    std::shared_ptr<const void> body;  // what keeps its parts
    amqp::RemoteReplies::Done done;
  };

  ReplyLane(queue::QueueContext& context, const Clock& clock) : context_(context), clock_(clock) {}
  ~ReplyLane();
  ReplyLane(const ReplyLane&) = delete;
  ReplyLane& operator=(const ReplyLane&) = delete;

  void send(Answer answer);
  // Sends what waits, as far as there is room; opens the channel first.
  void go_on(amqp::ClientSession& session);

  void on_confirmed(amqp::DeliveryTag first, amqp::DeliveryTag last, bool acked);
  void on_returned(const amqp::Incoming& head);
  void on_channel_closed(const Error& why);
  void on_lost();
  // The other side knows nothing of answers.
  void give_up();
  void on_time(Clock::time_point now);

  // Nothing waits, and nothing is unconfirmed.
  bool is_idle() const { return waiting_.empty() && sent_.empty(); }

 private:
  struct Pending {
    Answer answer;
    Clock::time_point until;
    bool is_returned = false;
  };
  struct Stream {  // a body that is sent part by part
    queue::MessagePtr message;
    std::uint32_t next = 0;
    bool is_reading = false;
  };

  void send_first();
  void read_next();
  void on_part(const Result<Slice>& part);
  void finish(Pending pending, Outcome outcome);
  void lose_sent();

  queue::QueueContext& context_;
  const Clock& clock_;
  amqp::ClientSession* session_ = nullptr;  // whose channel is open
  std::shared_ptr<ReplyLane*> connection_;  // to null: what was read came too late
  std::deque<Pending> waiting_;
  std::map<amqp::DeliveryTag, Pending> sent_;
  std::uint64_t bytes_ = 0;
  std::optional<Stream> stream_;
  bool is_closing_ = false;  // the channel, until the other side has agreed
};

}  // namespace pannier::forward
