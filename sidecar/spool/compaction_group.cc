#include "sidecar/spool/compaction_group.h"

#include <algorithm>

namespace pannier::spool {
namespace {

Target target_of(const Entry& entry) {
  return {entry.queue,       entry.sequence,       entry.priority, entry.delivery_count,
          entry.redelivered, entry.transient,      entry.due,      entry.expiry,
          entry.group,       entry.acquired_count, entry.reason};
}

}  // namespace

CompactionGroup::CompactionGroup(Spool::Impl& spool, SegmentNumber victim)
    : spool_(spool), victim_(victim) {}

void CompactionGroup::copy_message(const StoredRecord& record, const std::vector<Entry>& entries) {
  const Segment& victim = *spool_.index.segment(victim_);
  Copy copy;
  for (const Entry& entry : entries)
    if (spool_.index.is_live(victim, entry)) copy.old.push_back(victim.current(entry));
  if (copy.old.empty()) return;
  auto meta = MessageMeta::decode(record.meta());
  if (!meta) {
    lose(copy.old, {entries.front().offset, entries.front().offset + entries.front().record_bytes},
         meta.error());
    return;
  }
  copy.meta = std::move(*meta);
  copy.meta.targets.clear();
  for (const Entry& entry : copy.old) {
    copy.meta.targets.push_back(target_of(entry));
    settled_.push_back(entry.ordinal);
  }
  Bytes bytes;
  copy.meta.encode(bytes);
  staged_.push_back(
      stage_content(RecordType::message, std::move(bytes),
                    {record.content(), {}, record.header.codec, record.header.content},
                    spool_.journal.open_segment().keys()));
  copies_.push_back(std::move(copy));
}

void CompactionGroup::copy_part(const StoredRecord& record, Offset at) {
  const auto meta = PartMeta::decode(record.meta());
  if (!meta || !spool_.bodies.lies_at(meta->body_id, meta->index, victim_, at)) return;
  const ByteView old = record.meta();
  staged_.push_back(
      stage_content(RecordType::part, Bytes(old.begin(), old.end()),
                    {record.content(), {}, record.header.codec, record.header.content},
                    spool_.journal.open_segment().keys()));
  copies_.push_back({{}, {}, meta->body_id, meta->index});
}

void CompactionGroup::lose(const std::vector<Entry>& entries, Stretch record, const Error& why) {
  spool_.on_damage(victim_, record, why);
  if (entries.empty()) spool_.bodies.lose_part(victim_, record.begin);
  for (const Entry& entry : entries) {
    settled_.push_back(entry.ordinal);
    lost_.push_back(entry);
  }
}

std::optional<Commit> CompactionGroup::append() {
  Segment& open = spool_.journal.open_segment();
  std::uint32_t ordinal = open.entries;
  for (std::size_t i = 0; i < staged_.size(); ++i) {
    staged_[i].header.first_ordinal = ordinal;
    ordinal += static_cast<std::uint32_t>(copies_[i].meta.targets.size());
  }
  std::vector<SettleTarget> settles;
  if (!settled_.empty()) {
    settles.push_back({victim_, ranges_of(std::move(settled_)), {}});
    Bytes bytes;
    encode_settles(settles, bytes);
    staged_.push_back(stage(RecordType::settle, std::move(bytes), {}, {}, open.keys()));
    staged_.back().header.first_ordinal = ordinal;
  }
  if (staged_.empty()) return {};
  const Commit commit = spool_.append_raw(staged_, settles, {});
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    const Copy& copy = copies_[i];
    const StagedRecord& record = staged_[i];
    bytes_ += record.bytes_on_disk();
    open.moved_in_bytes += record.bytes_on_disk();
    if (copy.part_of == 0) {
      apply_message(copy, record);
      continue;
    }
    open.parts.push_back({copy.part_of, copy.part_index, record.offset, record.bytes_on_disk()});
    spool_.bodies.place(copy.part_of, copy.part_index,
                        {open.number(), record.offset, record.bytes_on_disk()});
  }
  for (const Entry& entry : lost_)
    if (spool_.index.settle(entry)) spool_.bodies.settle(entry);
  return commit;
}

void CompactionGroup::apply_message(const Copy& copy, const StagedRecord& record) {
  Segment& open = spool_.journal.open_segment();
  const bool is_held = spool_.index.segment(victim_)->outstanding > 0;
  const auto entries = static_cast<std::uint32_t>(copy.old.size());
  std::uint32_t ordinal = record.header.first_ordinal;
  for (std::size_t i = 0; i < copy.old.size(); ++i) {
    const Entry& old = copy.old[i];
    const Entry now = entry_of(copy.meta.targets[i], copy.meta, open.number(), record.offset,
                               record.bytes_on_disk(), static_cast<Ordinal>(ordinal++));
    spool_.index.settle(old);
    spool_.index.add(open, now);
    spool_.moves.note(victim_, old.ordinal,
                      {now.segment, now.offset, now.record_bytes, now.share_bytes, now.ordinal},
                      is_held);
  }
  if (copy.meta.parts == 0) return;
  spool_.bodies.move_message(copy.old.front().position(), {open.number(), record.offset});
  open.bodies.push_back({copy.meta.body_id, copy.meta.parts,
                         static_cast<Ordinal>(record.header.first_ordinal),
                         static_cast<std::uint16_t>(entries)});
}

}  // namespace pannier::spool
