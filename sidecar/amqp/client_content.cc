#include <algorithm>

#include "sidecar/amqp/client_channel.h"

namespace pannier::amqp {

Result<void> ClientChannel::on_content_method(MethodId method, ByteView payload) {
  if (method == BasicDeliver::kId) {
    if (!has_consumed_) return Error{Errc::unexpected, "a delivery where nothing consumes"};
    if (auto done = decode_into(deliver_, payload); !done) return done;
    kind_ = Incoming::Kind::delivery;
    return begin_content(deliver_.delivery_tag);
  }
  if (method == BasicGetOk::kId) {
    if (auto done = decode_into(got_, payload); !done) return done;
    kind_ = Incoming::Kind::got;
    return begin_content(got_.delivery_tag);
  }
  if (!has_mandatory_) return Error{Errc::unexpected, "a return where nothing was mandatory"};
  if (auto done = decode_into(returned_, payload); !done) return done;
  kind_ = Incoming::Kind::returned;
  content_ = Content::header;
  return {};
}

Result<void> ClientChannel::on_link_method(MethodId method, ByteView payload) {
  if (!link_.limits.speaks_links)
    return Error{Errc::unexpected, "a method of links where none was asked for"};
  if (method != kLinkedContent) return link_.handler.on_link_method(id_, method, payload);
  link_method_.assign(payload.begin(), payload.end());
  kind_ = Incoming::Kind::linked;
  content_ = Content::header;
  return {};
}

Result<void> ClientChannel::begin_content(DeliveryTag tag) {
  if (tag <= last_delivery_)
    return Error{Errc::unexpected, "delivery tag " + std::to_string(tag) + " after " +
                                       std::to_string(last_delivery_)};
  last_delivery_ = tag;
  content_ = Content::header;
  return {};
}

Result<void> ClientChannel::on_header(ByteView payload) {
  if (content_ != Content::header)
    return Error{Errc::unexpected, "a content header that nothing announced"};
  const auto header = decode_content_header(payload);
  if (!header) return header.error();
  if (header->class_id != kBasicClass)
    return Error{Errc::unexpected, "a content header of another class than basic"};
  if (link_.limits.checks_properties)
    if (const auto decoded = queue::Properties::decode(header->properties); !decoded)
      return decoded.error();
  if (header->body_size > link_.limits.message_bytes_max)
    return Error{Errc::too_large, "a message of " + std::to_string(header->body_size) +
                                      " bytes comes; the most is " +
                                      std::to_string(link_.limits.message_bytes_max)};
  properties_.assign(header->properties.begin(), header->properties.end());
  body_size_ = header->body_size;
  is_folded_ = kind_ == Incoming::Kind::linked && header->weight == kFoldedWeight;
  if (is_folded_ && !link_.limits.unfold)
    return Error{Errc::unexpected, "a folded body where none was asked for"};
  received_ = 0;
  if (body_size_ == 0) {
    finish_content({});
  } else if (body_size_ > link_.limits.whole_body_bytes) {
    content_ = Content::parts;
    link_.handler.on_body_begin(id_, incoming());
  } else {
    content_ = Content::body;
  }
  return {};
}

Result<void> ClientChannel::on_body(ByteView payload) {
  if (content_ != Content::body && content_ != Content::parts)
    return Error{Errc::unexpected, "a body frame that nothing announced"};
  if (!is_folded_) return on_piece(payload);
  const auto piece = link_.limits.unfold(payload, link_.frame_max);
  return piece ? on_piece(piece->view()) : piece.error();
}

Result<void> ClientChannel::on_piece(ByteView payload) {
  if (payload.size() > body_size_ - received_)
    return Error{Errc::bad_frame, "a body longer than its header says"};
  if (payload.empty()) return {};
  const auto at = static_cast<std::size_t>(received_);
  received_ += payload.size();
  const bool is_last = received_ == body_size_;
  if (content_ == Content::parts) {
    if (is_last) content_ = Content::none;
    link_.handler.on_body_part(id_, payload);
    if (is_last && is_live()) link_.handler.on_body_end(id_);
    return {};
  }
  const auto size = static_cast<std::size_t>(body_size_);
  if (body_ == nullptr) body_ = std::make_shared_for_overwrite<std::byte[]>(size);
  std::ranges::copy(payload, body_.get() + at);
  if (is_last) finish_content(Slice(std::exchange(body_, nullptr), 0, size));
  return {};
}

void ClientChannel::finish_content(Slice body) {
  content_ = Content::none;
  link_.handler.on_message(id_, incoming(), std::move(body));
}

Incoming ClientChannel::incoming() const {
  Incoming message;
  message.kind = kind_;
  message.properties = properties_;
  message.body_size = body_size_;
  message.is_folded = is_folded_;
  switch (kind_) {
    case Incoming::Kind::delivery:
      message.tag = deliver_.delivery_tag;
      message.redelivered = deliver_.redelivered;
      message.consumer_tag = deliver_.consumer_tag;
      message.exchange = deliver_.exchange;
      message.routing_key = deliver_.routing_key;
      break;
    case Incoming::Kind::got:
      message.tag = got_.delivery_tag;
      message.redelivered = got_.redelivered;
      message.exchange = got_.exchange;
      message.routing_key = got_.routing_key;
      message.messages = got_.message_count;
      break;
    case Incoming::Kind::returned:
      message.reply_code = returned_.reply_code;
      message.reply_text = returned_.reply_text;
      message.exchange = returned_.exchange;
      message.routing_key = returned_.routing_key;
      break;
    case Incoming::Kind::linked: message.link_method = link_method_; break;
  }
  return message;
}

}  // namespace pannier::amqp
