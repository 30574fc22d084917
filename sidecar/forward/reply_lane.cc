#include "sidecar/forward/reply_lane.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/forward/link_methods.h"

namespace pannier::forward {

ReplyLane::~ReplyLane() {
  on_lost();
  give_up();
}

void ReplyLane::send(Answer answer) {
  const std::uint64_t bytes = answer.message->bytes();
  const bool is_full = waiting_.size() + sent_.size() >= kRepliesMax ||
                       (!is_idle() && bytes_ + bytes > kReplyBytesMax);
  if (is_full) {
    log::warn("an answer to another agent's client is lost: too many are on their way",
              {{"waiting", waiting_.size()}, {"unconfirmed", sent_.size()}});
    answer.done(Outcome::lost);
    return;
  }
  bytes_ += bytes;
  waiting_.push_back({std::move(answer), clock_.now() + kReplyWaitMax, false});
}

void ReplyLane::finish(Pending pending, Outcome outcome) {
  bytes_ -= pending.answer.message->bytes();
  pending.answer.done(outcome);
}

// Requests need not wait for answers: they are sent behind each other.
void ReplyLane::go_on(amqp::ClientSession& session) {
  if (is_closing_) return;
  if (session_ == nullptr) {
    if (waiting_.empty()) return;
    if (!session.open_channel(kReplyChannel) ||
        !session.ask(kReplyChannel, amqp::ConfirmSelect{false}))
      return give_up();
    session_ = &session;
    connection_ = std::make_shared<ReplyLane*>(this);
  }
  if (stream_) read_next();
  while (!waiting_.empty() && !stream_ && session_ != nullptr && !session_->is_overfull())
    send_first();
}

void ReplyLane::send_first() {
  Pending pending = std::move(waiting_.front());
  waiting_.pop_front();
  const queue::MessagePtr message = pending.answer.message;
  // It comes back if nobody waits for it there.
  const amqp::PublishTo to{"", message->routing_key(), true};
  const bool is_whole = message->parts == 0;
  const auto tag =
      is_whole
          ? session_->publish(kReplyChannel, to, message->properties(), message->body)
          : session_->begin_publish(kReplyChannel, to, message->properties(), message->body_size);
  if (!tag) {
    log::warn("an answer cannot be sent to another agent", {{"error", tag.error().detail}});
    return finish(std::move(pending), Outcome::lost);
  }
  sent_.emplace(*tag, std::move(pending));
  if (is_whole) return;
  stream_ = Stream{message, 0, false};
  read_next();
}

// The next part once the last ones have left.
void ReplyLane::read_next() {
  Stream& stream = *stream_;
  if (stream.is_reading || session_->is_overfull()) return;
  if (stream.next == stream.message->parts) {
    stream_.reset();
    return;
  }
  stream.is_reading = true;
  context_.spool.read_part(stream.message->body_id, stream.next,
                           [connection = connection_, &loop = context_.loop](Result<Slice> part) {
                             loop.post([connection, part = std::move(part)] {
                               if (*connection != nullptr) (*connection)->on_part(part);
                             });
                           });
}

// Without a part the frames that were promised cannot be sent: the channel is given up.
void ReplyLane::on_part(const Result<Slice>& part) {
  stream_->is_reading = false;
  auto sent = part ? session_->publish_part(kReplyChannel, *part) : Result<void>(part.error());
  if (!sent) {
    is_closing_ = true;
    static_cast<void>(session_->close_channel(kReplyChannel));
    on_lost();
    return;
  }
  ++stream_->next;
  go_on(*session_);
}

void ReplyLane::on_confirmed(amqp::DeliveryTag first, amqp::DeliveryTag last, bool acked) {
  for (auto at = sent_.lower_bound(first); at != sent_.end() && at->first <= last;) {
    Pending pending = std::move(at->second);
    at = sent_.erase(at);
    const Outcome answered = pending.is_returned ? Outcome::gone : Outcome::taken;
    finish(std::move(pending), acked ? answered : Outcome::lost);
  }
}

// A return has no tag: it is the first one unreturned that looks the same.
void ReplyLane::on_returned(const amqp::Incoming& head) {
  for (auto& [tag, pending] : sent_) {
    const queue::Message& message = *pending.answer.message;
    if (pending.is_returned || message.routing_key() != head.routing_key ||
        message.body_size != head.body_size ||
        !std::ranges::equal(message.properties(), head.properties))
      continue;
    pending.is_returned = true;
    return;
  }
}

void ReplyLane::on_channel_closed(const Error& why) {
  if (!std::exchange(is_closing_, false))
    log::warn("another agent takes no answers over this link", {{"error", why.detail}});
  on_lost();
}

void ReplyLane::lose_sent() {
  for (auto& [tag, pending] : std::exchange(sent_, {})) finish(std::move(pending), Outcome::lost);
}

void ReplyLane::on_lost() {
  if (connection_) *connection_ = nullptr;
  connection_.reset();
  session_ = nullptr;
  stream_.reset();
  lose_sent();
}

void ReplyLane::give_up() {
  for (Pending& pending : std::exchange(waiting_, {})) finish(std::move(pending), Outcome::lost);
}

void ReplyLane::on_time(Clock::time_point now) {
  while (!waiting_.empty() && waiting_.front().until <= now) {
    Pending late = std::move(waiting_.front());
    waiting_.pop_front();
    finish(std::move(late), Outcome::lost);
  }
}

}  // namespace pannier::forward
