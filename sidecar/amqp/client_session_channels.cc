#include <algorithm>

#include "sidecar/amqp/client_session.h"

namespace pannier::amqp {

Result<ClientChannel*> ClientSession::find(ChannelId channel) const {
  if (state_ == State::closing || state_ == State::closed)
    return Error{Errc::closed, "the connection is closed"};
  if (channel >= channels_.size() || channels_[channel] == nullptr)
    return Error{Errc::closed, "channel " + std::to_string(channel) + " is not open"};
  return channels_[channel].get();
}

Result<ChannelId> ClientSession::open_channel() {
  if (state_ != State::running) return Error{Errc::closed, "the connection is not open"};
  if (channels_.empty()) channels_.emplace_back();  // number 0 is the connection's
  const auto free = std::find(channels_.begin() + 1, channels_.end(), nullptr);
  const auto at = static_cast<std::size_t>(free - channels_.begin());
  if (at > tuned_.channel_max) return too_many_channels();
  const auto id = static_cast<ChannelId>(at);
  if (auto opened = open_channel(id); !opened) return opened.error();
  return id;
}

Result<void> ClientSession::open_channel(ChannelId number) {
  if (state_ != State::running) return Error{Errc::closed, "the connection is not open"};
  if (number > tuned_.channel_max) return too_many_channels();
  if (channels_.size() <= number) channels_.resize(std::size_t{number} + 1);
  if (number == 0 || channels_[number] != nullptr)
    return Error{Errc::bad_argument, "channel " + std::to_string(number) + " is in use"};
  channels_[number] = std::make_unique<ClientChannel>(number, link_);
  return ask(number, ChannelOpen{});
}

Error ClientSession::too_many_channels() const {
  return {Errc::limit_reached,
          "no more than " + std::to_string(tuned_.channel_max) + " channels were agreed on"};
}

Result<void> ClientSession::close_channel(ChannelId channel) {
  return with(channel, [](ClientChannel& found) -> Result<void> {
    if (found.is_closing()) return Error{Errc::closed, "the channel is closing"};
    found.close({ReplyCode::success, "the client has finished", Scope::channel}, {});
    return {};
  });
}

Result<void> ClientSession::ack(ChannelId channel, DeliveryTag tag, bool multiple) {
  return with(channel, [&](ClientChannel& found) {
    return found.settle(tag, BasicAck{tag, multiple});
  });
}

Result<void> ClientSession::nack(ChannelId channel, DeliveryTag tag, bool multiple, bool requeue) {
  return with(channel, [&](ClientChannel& found) {
    return found.settle(tag, BasicNack{tag, multiple, requeue});
  });
}

Result<void> ClientSession::reject(ChannelId channel, DeliveryTag tag, bool requeue) {
  return with(channel, [&](ClientChannel& found) {
    return found.settle(tag, BasicReject{tag, requeue});
  });
}

Result<DeliveryTag> ClientSession::publish(ChannelId channel, const PublishTo& to,
                                           ByteView properties, const Slice& body) {
  return with(channel, [&](ClientChannel& found) -> Result<DeliveryTag> {
    auto tag = found.begin_publish(to, properties, body.size());
    if (!tag || body.empty()) return tag;
    if (auto put = found.publish_part(body); !put) return put.error();
    return tag;
  });
}

Result<DeliveryTag> ClientSession::publish(ChannelId channel, const PublishTo& to,
                                           const queue::Properties& properties, const Slice& body) {
  Bytes encoded;
  ByteWriter writer(encoded);
  properties.encode(writer);
  return publish(channel, to, encoded, body);
}

Result<DeliveryTag> ClientSession::begin_publish(ChannelId channel, const PublishTo& to,
                                                 ByteView properties, std::uint64_t body_size) {
  return with(channel,
              [&](ClientChannel& found) { return found.begin_publish(to, properties, body_size); });
}

Result<void> ClientSession::publish_part(ChannelId channel, const Slice& part) {
  return with(channel, [&](ClientChannel& found) { return found.publish_part(part); });
}

std::size_t ClientSession::unconfirmed(ChannelId channel) const {
  const auto found = find(channel);
  return found ? (*found)->unconfirmed() : 0;
}

Result<void> ClientSession::on_channel_frame(const Frame& frame) {
  if (state_ == State::closing) return {};
  if (state_ != State::running)
    return Error{Errc::unexpected, "a channel before the connection is open"};
  if (frame.channel >= channels_.size() || channels_[frame.channel] == nullptr)
    return Error{Errc::unexpected,
                 "a frame on channel " + std::to_string(frame.channel) + ", which is not open"};
  ClientChannel& channel = *channels_[frame.channel];
  if (current_ == ChannelClose::kId) return on_channel_close(frame.channel, frame.payload);
  if (!channel.is_closing()) return channel.on_frame(frame, current_);
  // Once our close is out, nothing else counts but the answer to it.
  if (current_ == ChannelCloseOk::kId)
    end_channel(frame.channel, {{Errc::closed, "the channel is closed as asked for"}, 0, true});
  return {};
}

// When closes cross, each side answers the other's and waits for its own answer (1.5.2.5).
Result<void> ClientSession::on_channel_close(ChannelId id, ByteView payload) {
  const auto close = decode<ChannelClose>(payload);
  if (!close) return close.error();
  put_method(output(), id, ChannelCloseOk{});
  if (!channels_[id]->is_closing())
    end_channel(id,
                {error_of_reply(close->reply_code, close->reply_text), close->reply_code, false});
  return {};
}

void ClientSession::end_channel(ChannelId id, const Ending& ending) {
  const std::unique_ptr<ClientChannel> gone = std::move(channels_[id]);
  if (!gone->was_told()) handler_.on_channel_closed(id, ending);
}

}  // namespace pannier::amqp
