#include <algorithm>

#include "sidecar/spool/settles.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {

Commit Spool::Impl::append_raw(std::span<StagedRecord> group, std::span<const SettleTarget> settles,
                               std::span<const StateItem> items) {
  dirty = true;
  return journal.append(group, settles, items);
}

void Spool::Impl::settle(const Entry& entry) {
  const Entry now = moves.resolved(entry);
  if (index.settle(now)) {
    bodies.settle(now);
    pending_settles[now.segment].push_back(now.ordinal);
    if (!settle_deadline) settle_deadline = clock.now() + options.settle_delay_max;
    check_dead = true;
  }
  release(entry);
}

void Spool::Impl::release(const Entry& entry) {
  if (Segment* segment = index.segment(entry.segment)) {
    if (segment->outstanding > 0) --segment->outstanding;
    return;
  }
  moves.given_back(entry.segment);
}

// Pending settles become records, as many as it takes; what finds no room waits for some.
void Spool::Impl::stage_pending_settles() {
  const std::size_t ordinals_max = journal.group_bytes_max() / 8;
  while (!pending_settles.empty()) {
    Settles settles;
    std::size_t count = 0;
    auto last = pending_settles.begin();
    std::size_t taken = 0;  // of the segment at `last`, which is not taken whole
    for (; last != pending_settles.end() && count < ordinals_max; ++last) {
      const std::vector<Ordinal>& ordinals = last->second;
      taken = std::min(ordinals.size(), ordinals_max - count);
      count += taken + 4;
      if (index.segment(last->first) != nullptr)
        settles.settle(last->first,
                       {ordinals.begin(), ordinals.begin() + static_cast<std::ptrdiff_t>(taken)});
      if (taken < ordinals.size()) break;
      taken = 0;
    }
    if (!settles.empty() && !append_settles(settles.targets())) {
      settle_deadline = clock.now() + options.settle_delay_max;
      return;
    }
    if (taken > 0)
      last->second.erase(last->second.begin(),
                         last->second.begin() + static_cast<std::ptrdiff_t>(taken));
    pending_settles.erase(pending_settles.begin(), last);
  }
  settle_deadline.reset();
}

bool Spool::Impl::append_settles(const std::vector<SettleTarget>& targets) {
  Bytes bytes;
  encode_settles(targets, bytes);
  const auto size = static_cast<std::uint32_t>(bytes.size());
  if (!journal.make_room(size + kRecordOverhead, {0, size}, Use::vital)) return false;
  StagedRecord record =
      stage(RecordType::settle, std::move(bytes), {}, {}, journal.open_segment().keys());
  record.header.first_ordinal = journal.open_segment().entries;
  append_raw({&record, 1}, targets, {});
  return true;
}

// State items in as many groups as their size asks for; each is whole, the last one's commit is
// returned.
Result<Commit> Spool::Impl::append_states(std::vector<StateItem> items, Use use) {
  Commit commit = committer.last_commit();
  for (std::size_t begin = 0; begin < items.size();) {
    Bytes bytes;
    std::size_t end = begin;
    while (end < items.size() &&
           (end == begin || bytes.size() + items[end].encoded_size() < journal.group_bytes_max()))
      items[end++].encode(bytes);
    const auto size = static_cast<std::uint32_t>(bytes.size());
    if (auto room = journal.make_room(size + kRecordOverhead, {0, size}, use); !room)
      return room.error();
    StagedRecord record =
        stage(RecordType::state, std::move(bytes), {}, {}, journal.open_segment().keys());
    record.header.first_ordinal = journal.open_segment().entries;
    commit = append_raw({&record, 1}, {}, std::span(items).subspan(begin, end - begin));
    begin = end;
  }
  return commit;
}

Result<void> Spool::Impl::append_part(BodyId body_id, Slice bytes) {
  Bodies::Body* body = bodies.find(body_id);
  if (body == nullptr || body->is_finished())
    return Error{Errc::not_found, "no such body, or it has its message"};
  if (bodies.unfinished_bytes() + bytes.size() > options.unfinished_body_bytes_max)
    return Error{Errc::limit_reached, "too many bytes in unfinished bodies"};
  const std::size_t size = bytes.size();
  StoredContent content = compressor.compress(body->codec, {}, std::move(bytes));
  const auto record_bytes =
      kRecordOverhead + static_cast<std::uint32_t>(PartMeta::kSize + content.size());
  if (record_bytes > journal.group_bytes_max())
    return Error{Errc::too_large, "a part of " + std::to_string(size) + " bytes"};
  const std::uint16_t needs = content.codec == Codec::none ? 0 : SegmentHeader::kCompressed;
  if (auto room = journal.make_room(record_bytes, {0, 20}, Use::publish, needs); !room) return room;
  Segment& open = journal.open_segment();
  const auto part_index = static_cast<std::uint32_t>(body->parts.size());
  Bytes meta;
  PartMeta{body_id, part_index}.encode(meta);
  StagedRecord record =
      stage_content(RecordType::part, std::move(meta), std::move(content), open.keys());
  record.header.first_ordinal = open.entries;
  append_raw({&record, 1}, {}, {});
  open.parts.push_back({body_id, part_index, record.offset, record.bytes_on_disk()});
  bodies.place(body_id, part_index, {open.number(), record.offset, record.bytes_on_disk()});
  bodies.find(body_id)->bytes += size;
  bodies.add_unfinished(static_cast<std::int64_t>(size));
  return {};
}

}  // namespace pannier::spool
