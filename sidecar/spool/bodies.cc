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

void Bodies::finish(BodyId id, std::vector<Reader> readers, Position message) {
  Body& body = bodies_[id];
  if (!body.finished) unfinished_bytes_ -= std::min(unfinished_bytes_, body.bytes);
  body.finished = true;
  body.message = message;
  body.readers = std::move(readers);
  by_message_[message] = id;
}

void Bodies::settle(const Entry& entry) {
  const auto found = by_message_.find(entry.position());
  if (found == by_message_.end()) return;
  const BodyId id = found->second;
  std::erase(bodies_[id].readers, Reader{entry.queue, entry.sequence});
  drop_unread(id);
}

void Bodies::drop_unread(BodyId id) {
  Body& body = bodies_[id];
  if (!body.readers.empty()) return;
  by_message_.erase(body.message);
  drop(id);
}

void Bodies::move_message(Position from, Position to) {
  const auto found = by_message_.find(from);
  if (found == by_message_.end()) return;
  const BodyId id = found->second;
  by_message_.erase(found);
  by_message_[to] = id;
  bodies_[id].message = to;
}

void Bodies::purge(QueueId id, const QueueState* queue) {
  std::vector<BodyId> changed;
  for (auto& [body_id, body] : bodies_) {
    const auto gone = [&](const Reader& reader) {
      return reader.queue == id && (queue == nullptr || queue->is_purged(reader.sequence));
    };
    if (body.finished && std::erase_if(body.readers, gone) > 0) changed.push_back(body_id);
  }
  for (const BodyId body_id : changed) drop_unread(body_id);
}

void Bodies::drop(BodyId id) {
  const auto found = bodies_.find(id);
  if (found == bodies_.end()) return;
  for (const Part& part : found->second.parts)
    if (Segment* segment = index_.segment(part.segment))
      index_.add_part_bytes(*segment, -std::int64_t{part.record_bytes});
  if (!found->second.finished)
    unfinished_bytes_ -= std::min(unfinished_bytes_, found->second.bytes);
  bodies_.erase(found);
}

}  // namespace pannier::spool
