#include "sidecar/spool/bodies.h"

#include <algorithm>

namespace pannier::spool {

Bodies::Body* Bodies::find(BodyId id) {
  const auto found = bodies_.find(id);
  return found == bodies_.end() ? nullptr : &found->second;
}

bool Bodies::lies_at(BodyId id, std::uint32_t index, SegmentNumber segment, Offset offset) const {
  const auto found = bodies_.find(id);
  if (found == bodies_.end() || index >= found->second.parts.size()) return false;
  const Part& part = found->second.parts[index];
  return part.segment == segment && part.offset == offset;
}

void Bodies::place(BodyId id, std::uint32_t index, const Part& part) {
  Body& body = bodies_[id];
  if (body.parts.size() <= index) body.parts.resize(index + 1);
  Part& held = body.parts[index];
  if (Segment* old = index_.segment(held.segment); old != nullptr && held.record_bytes > 0)
    index_.add_part_bytes(*old, -std::int64_t{held.record_bytes});
  held = part;
  if (Segment* now = index_.segment(part.segment)) index_.add_part_bytes(*now, part.record_bytes);
}

void Bodies::lose_part(SegmentNumber segment, Offset offset) {
  for (auto& [id, body] : bodies_)
    for (std::uint32_t at = 0; at < body.parts.size(); ++at)
      if (body.parts[at].segment == segment && body.parts[at].offset == offset) place(id, at, {});
}

void Bodies::add_message(BodyId id, Message message) {
  Body& body = bodies_[id];
  if (!body.is_finished()) unfinished_bytes_ -= std::min(unfinished_bytes_, body.bytes);
  by_message_[message.at] = id;
  body.messages.push_back(std::move(message));
}

void Bodies::settle(const Entry& entry) {
  const auto found = by_message_.find(entry.position());
  if (found == by_message_.end()) return;
  const Held body = bodies_.find(found->second);
  std::vector<Message>& messages = body->second.messages;
  const auto message = std::ranges::find(messages, entry.position(), &Message::at);
  std::erase(message->readers, Reader{entry.queue, entry.sequence});
  if (!message->readers.empty()) return;
  messages.erase(message);
  by_message_.erase(found);
  if (messages.empty()) drop(body);
}

void Bodies::move_message(Position from, Position to) {
  const auto found = by_message_.find(from);
  if (found == by_message_.end()) return;
  const BodyId id = found->second;
  by_message_.erase(found);
  by_message_[to] = id;
  std::ranges::find(bodies_[id].messages, from, &Message::at)->at = to;
}

void Bodies::purge(QueueId id, const QueueState* queue) {
  const auto is_gone = [&](const Reader& reader) {
    return reader.queue == id && (queue == nullptr || queue->is_purged(reader.sequence));
  };
  for (auto at = bodies_.begin(); at != bodies_.end();) {
    const Held body = at++;
    std::vector<Message>& messages = body->second.messages;
    for (Message& message : messages)
      if (std::erase_if(message.readers, is_gone) > 0 && message.readers.empty())
        by_message_.erase(message.at);
    const auto has_ended = [](const Message& message) { return message.readers.empty(); };
    if (std::erase_if(messages, has_ended) > 0 && messages.empty()) drop(body);
  }
}

void Bodies::abort(BodyId id) {
  const Held body = bodies_.find(id);
  if (body == bodies_.end() || body->second.is_finished()) return;
  unfinished_bytes_ -= std::min(unfinished_bytes_, body->second.bytes);
  drop(body);
}

// Nobody needs it.
void Bodies::drop(Held body) {
  for (const Part& part : body->second.parts)
    if (Segment* segment = index_.segment(part.segment))
      index_.add_part_bytes(*segment, -std::int64_t{part.record_bytes});
  bodies_.erase(body);
}

}  // namespace pannier::spool
