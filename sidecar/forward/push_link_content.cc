#include <algorithm>

#include "sidecar/forward/folding.h"
#include "sidecar/forward/push_link.h"

namespace pannier::forward {

bool PushLink::may_send() const { return is_open() && !stream_ && !session_->is_overfull(); }

bool PushLink::may_put(const PushQueue& push) const {
  return may_send() && push.state == PushQueue::State::active && push.is_wanted &&
         !push.is_stale() && !push.has_waiting() && push.has_room();
}

void PushLink::put(PushQueue& push, queue::Delivery delivery) {
  push.add(std::move(delivery));
  if (const auto known = find(push.name); known.get() == &push) send_waiting(known);
}

// There may be room again: what waits goes first.
void PushLink::go_on() {
  if (stream_) {
    read_next();
    return;
  }
  for (const auto& [name, push] : queues_) {
    if (!may_send()) return;
    send_waiting(push);
  }
}

void PushLink::on_room() {
  go_on();
  parts_.user.on_push_room(*this);
}

void PushLink::send_waiting(const PushQueuePtr& push) {
  while (may_send() && push->state == PushQueue::State::active) {
    PushQueue::Put* next = push->first_waiting();
    if (next == nullptr || !push->has_room_for(*next)) return;
    send_put(push, *next);
  }
}

void PushLink::send_put(const PushQueuePtr& push, PushQueue::Put& put) {
  const queue::Delivery& delivery = put.delivery;
  const queue::Message& message = *delivery.message;
  method_.queue = push->name;
  method_.sequence = delivery.sequence;
  method_.delivery_count = delivery.delivery_count;
  method_.redelivered = delivery.redelivered || put.was_sent;
  const queue::Milliseconds now = parts_.clock.now_ms();
  const auto until = [now](queue::Milliseconds time, queue::Milliseconds least) {
    return time == 0 ? 0 : static_cast<std::uint64_t>(std::max(least, time - now));
  };
  method_.age = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now - message.published));
  method_.delay = until(delivery.due, 0);
  method_.left = until(delivery.expiry, 1);
  method_.exchange = message.exchange();
  method_.routing_key = message.routing_key();
  method_.attributes.text = as_text(message.attributes);
  const bool is_whole = message.parts == 0;
  amqp::Fold fold =
      fold_for(*push->queue, codecs_in(session_->server_properties()), message.body_size);
  const auto sent = is_whole ? session_->send(kPushChannel, method_, message.properties(),
                                              message.body, std::move(fold))
                             : session_->begin_send(kPushChannel, method_, message.properties(),
                                                    message.body_size, std::move(fold));
  if (!sent) {  // the other side's frames are too small for it
    push->note_unfit(put);
    unfit_.emplace_back(push, delivery.sequence);
    return;
  }
  push->note_sent(put, parts_.clock.now());
  if (is_whole) return;
  stream_ = Stream{push, delivery.sequence, delivery.message, 0, message.body_size, false};
  read_next();
}

// Not at once: their queue may be delivering.
void PushLink::give_up_unfit() {
  for (const auto& [push, sequence] : std::exchange(unfit_, {}))
    if (push->find(sequence) != nullptr)
      parts_.user.on_refused(push, push->remove(sequence), "it does not fit into a frame there");
}

// Reads the next part once the last ones have left.
void PushLink::read_next() {
  Stream& stream = *stream_;
  if (stream.is_reading || session_->is_overfull()) return;
  if (stream.next == stream.message->parts) {
    end_stream();
    return;
  }
  stream.is_reading = true;
  // Not at once, even if what is missing is known at once: the queue may be delivering.
  parts_.registry.spool().read_part(
      stream.message->body_id, stream.next,
      [this, handler = handler_, &loop = parts_.registry.context().loop](Result<Slice> part) {
        loop.post([this, handler, part = std::move(part)]() mutable {
          if (*handler != nullptr) on_part(std::move(part));
        });
      });
}

void PushLink::on_part(Result<Slice> part) {
  Stream& stream = *stream_;
  stream.is_reading = false;
  if (part && part->size() > stream.left)
    part = Error{Errc::corrupt, "the parts of a body are more than it"};
  if (part && stream.next + 1 == stream.message->parts && part->size() < stream.left)
    part = Error{Errc::corrupt, "the parts of a body are less than it"};
  if (!part) {  // the frames that were promised cannot be sent
    const PushQueuePtr push = stream.push;
    const queue::Sequence sequence = stream.sequence;
    fault({Errc::closed, "a message cannot be read any more"});
    if (push->find(sequence) != nullptr)
      parts_.user.on_unreadable(push, push->remove(sequence), part.error());
    return;
  }
  stream.left -= part->size();
  ++stream.next;
  stream.push->moved_at = parts_.clock.now();
  if (auto sent = session_->publish_part(kPushChannel, *part); !sent) {
    fault(sent.error());
    return;
  }
  read_next();
}

void PushLink::end_stream() {
  const Stream ended = *std::exchange(stream_, {});
  const PushQueue::Put* put = ended.push->find(ended.sequence);
  if (put != nullptr && put->is == PushQueue::Is::refused)
    answer(ended.push, ended.sequence, LinkTaken::How::refused, "it was refused");
  say_all();
  go_on();
  parts_.user.on_push_room(*this);
}

}  // namespace pannier::forward
