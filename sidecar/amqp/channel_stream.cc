#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

std::size_t Channel::held_bytes() const {
  std::size_t bytes = 0;
  for (const Stream& stream : streams_) bytes += stream.after.size();
  return bytes;
}

void Channel::put_delivery(const queue::QueuePtr& queue, DeliveryTag tag,
                           const queue::Delivery& delivery) {
  Stream content;
  content.message = delivery.message;
  content.queue = queue;
  content.receipt = delivery.receipt;
  content.tag = tag;
  if (tag == 0 && !delivery.settled)  // no acks: settled by being sent whole
    content.done = [queue, receipt = delivery.receipt](bool whole) {
      if (whole)
        static_cast<void>(queue->ack(receipt));
      else
        static_cast<void>(queue->give_back(receipt, {}));
    };
  put_content(std::move(content));
}

void Channel::put_content(Stream content) {
  const queue::Message& message = *content.message;
  put_content_header(output(), id_, message.body_size, message.properties());
  if (message.parts == 0) {
    put_body(output(), id_, message.body, session_.frame_max());
    finish(std::move(content), true);
    return;
  }
  streams_.push_back(std::move(content));
  show_streaming();
  stream_next();
}

void Channel::show_streaming() { session_.note_streaming(*this, !streams_.empty()); }

void Channel::finish(Stream stream, bool whole) {
  if (stream.done) stream.done(whole);
  if (stream.settle) stream.settle();
}

// From the last one on: their frames are held back by those before them.
void Channel::drop_streams(std::size_t all_but) {
  while (streams_.size() > all_but) {
    Stream dropped = std::move(streams_.back());
    streams_.pop_back();
    finish(std::move(dropped), false);
  }
  show_streaming();
}

// Reads the next part once the last ones have left; then what was held back follows.
void Channel::stream_next() {
  Stream& stream = streams_.front();
  if (stream.reading || session_.is_overfull()) return;
  if (stream.next == stream.message->parts) {
    end_stream();
    return;
  }
  stream.reading = true;
  const auto on_read = [alive = alive_](Result<Slice> part) {
    if (Channel* channel = *alive; channel != nullptr) channel->on_part(std::move(part));
  };
  context_.registry.spool().read_part(
      stream.message->body_id, stream.next,
      [on_read, &loop = context_.registry.context().loop](Result<Slice> part) {
        // What is missing is known at once, perhaps within the queue's delivery loop.
        if (part)
          on_read(std::move(part));
        else
          loop.post([on_read, part] { on_read(part); });
      });
}

void Channel::on_part(Result<Slice> part) {
  if (streams_.empty()) return;
  if (!part) {  // the frames that were promised cannot be sent
    drop_streams(0);
    if (ended_)
      session_.content_ended(id_);
    else
      session_.close_channel(id_, reply_to(part.error()), BasicDeliver::kId);
    return;
  }
  Stream& stream = streams_.front();
  put_body(session_.session_output(), id_, *part, session_.frame_max());
  ++stream.next;
  stream.reading = false;
  // Whoever still reads it has not forgotten it.
  if (stream.queue && stream.queue->settings().ack_timeout.count() > 0)
    static_cast<void>(stream.queue->extend(stream.receipt, stream.queue->settings().ack_timeout));
  session_.session_rings();
  stream_next();
}

void Channel::end_stream() {
  Stream ended = std::move(streams_.front());
  streams_.pop_front();
  session_.session_output().put(std::move(ended.after));
  finish(std::move(ended), true);
  show_streaming();
  session_.session_rings();
  if (ended_) {
    session_.content_ended(id_);
    return;
  }
  if (!streams_.empty()) {
    stream_next();
    return;
  }
  // A basic.get that waited comes before further deliveries, or it might wait for ever.
  const auto alive = alive_;
  if (!waiting_.empty()) session_.go_on();
  if (*alive != nullptr && !ended_) pump_consumers();
}

}  // namespace pannier::amqp
