#include "sidecar/amqp/content_streams.h"

#include <algorithm>

#include "sidecar/amqp/codec.h"

namespace pannier::amqp {

ContentStreams::ContentStreams(ChannelId id, ServerChannel& channel, Owner& owner,
                               SessionContext& context, SessionLink& session)
    : id_(id),
      channel_(channel),
      owner_(owner),
      context_(context),
      session_(session),
      alive_(std::make_shared<ContentStreams*>(this)) {}

ContentStreams::~ContentStreams() { *alive_ = nullptr; }

net::Output& ContentStreams::output() {
  return streams_.empty() ? session_.session_output() : streams_.back().after;
}

std::size_t ContentStreams::held_bytes() const {
  std::size_t bytes = 0;
  for (const Stream& stream : streams_) bytes += stream.after.size();
  return bytes;
}

void ContentStreams::put(Content content) {
  const queue::Message& message = *content.message;
  put_content_header(output(), id_, message.body_size, message.properties(),
                     content.fold ? kFoldedWeight : 0);
  if (message.parts == 0) {
    put_body(output(), id_, message.body, session_.frame_max(), content.fold);
    finish(std::move(content), {}, true);
    return;
  }
  streams_.push_back({std::move(content), {}, 0, false, {}});
  show();
  read_next();
}

bool ContentStreams::settle_later(const queue::Receipt& receipt, std::function<void()> settle) {
  for (Stream& stream : streams_)
    if (stream.content.queue && stream.content.receipt == receipt) {
      stream.settle = std::move(settle);
      return true;
    }
  return false;
}

bool ContentStreams::is_sending(const queue::Receipt& receipt) const {
  return std::any_of(streams_.begin(), streams_.end(), [&](const Stream& stream) {
    return stream.content.queue && stream.content.receipt == receipt;
  });
}

bool ContentStreams::has_settles() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const Stream& stream) { return stream.settle != nullptr; });
}

void ContentStreams::on_room() {
  if (!streams_.empty()) read_next();
}

void ContentStreams::finish(Content content, const std::function<void()>& settle, bool whole) {
  if (content.done) content.done(whole);
  if (settle) settle();
}

void ContentStreams::wind_down() {
  drop(1);
  if (!streams_.empty()) streams_.front().after.clear();
}

// From the last one on: their frames are held back by those before them.
void ContentStreams::drop(std::size_t all_but) {
  while (streams_.size() > all_but) {
    Stream dropped = std::move(streams_.back());
    streams_.pop_back();
    finish(std::move(dropped.content), dropped.settle, false);
  }
  show();
}

// Reads the next part once the last ones have left; then what was held back follows.
void ContentStreams::read_next() {
  Stream& stream = streams_.front();
  const queue::Message& message = *stream.content.message;
  if (stream.reading || session_.is_overfull()) return;
  if (stream.next == message.parts) {
    end_first();
    return;
  }
  stream.reading = true;
  const auto on_read = [alive = alive_](Result<Slice> part) {
    if (ContentStreams* streams = *alive; streams != nullptr) streams->on_part(std::move(part));
  };
  context_.registry.spool().read_part(
      message.body_id, stream.next,
      [on_read, &loop = context_.registry.context().loop](Result<Slice> part) {
        // What is missing is known at once, perhaps within the queue's delivery loop.
        if (part)
          on_read(std::move(part));
        else
          loop.post([on_read, part] { on_read(part); });
      });
}

void ContentStreams::on_part(Result<Slice> part) {
  if (streams_.empty()) return;
  if (!part) {  // the frames that were promised cannot be sent
    drop(0);
    owner_.on_content_failed(part.error());
    return;
  }
  Stream& stream = streams_.front();
  put_body(session_.session_output(), id_, *part, session_.frame_max(), stream.content.fold);
  ++stream.next;
  stream.reading = false;
  // Whoever still reads it has not forgotten it.
  if (stream.content.queue) stream.content.queue->restart_timeout(stream.content.receipt);
  session_.session_rings();
  read_next();
}

void ContentStreams::end_first() {
  Stream ended = std::move(streams_.front());
  streams_.pop_front();
  session_.session_output().put(std::move(ended.after));
  finish(std::move(ended.content), ended.settle, true);
  show();
  session_.session_rings();
  if (streams_.empty())
    owner_.on_contents_sent();
  else
    read_next();
}

}  // namespace pannier::amqp
