#include "sidecar/spool/journal.h"

#include <cassert>

#include "common/crc32c.h"
#include "sidecar/spool/record_io.h"

namespace pannier::spool {

StagedRecord stage(RecordType type, Bytes meta, Slice head, Slice body, const RecordKeys& keys) {
  StagedRecord record;
  record.header.type = type;
  record.header.meta = static_cast<std::uint32_t>(meta.size());
  record.header.content = static_cast<std::uint32_t>(head.size() + body.size());
  set_stored(record.header, record.header.meta + record.header.content, keys);
  if (!keys.key)
    record.header.payload_crc = crc32c(body.view(), crc32c(head.view(), crc32c(meta, keys.seed)));
  record.meta = std::move(meta);
  record.head = std::move(head);
  record.body = std::move(body);
  return record;
}

StagedRecord stage_content(RecordType type, Bytes meta, StoredContent content,
                           const RecordKeys& keys) {
  StagedRecord record =
      stage(type, std::move(meta), std::move(content.head), std::move(content.body), keys);
  record.header.codec = content.codec;
  record.header.content = content.unfolded;
  return record;
}

StateItem segments_item(const std::vector<SegmentNumber>& numbers) {
  StateItem item{StateKind::segments, false, {}, {}};
  ByteWriter writer(item.value);
  for (const SegmentNumber number : numbers) writer.le(number);
  return item;
}

Result<std::vector<SegmentNumber>> segments_from(ByteView value) {
  if (value.size() % 8 != 0) return Error{Errc::corrupt, "malformed list of segments"};
  std::vector<SegmentNumber> numbers;
  ByteReader in(value);
  while (in.left() > 0) numbers.push_back(in.le<std::uint64_t>());
  return numbers;
}

Bytes key_of(SegmentNumber number) {
  Bytes key;
  ByteWriter(key).le(number);
  return key;
}

Bytes key_of_queue(QueueId queue) {
  Bytes key;
  ByteWriter(key).le(queue);
  return key;
}

Bytes key_of_lane(Lane lane) {
  Bytes key = key_of_queue(lane.queue);
  ByteWriter(key).u8(lane.priority);
  return key;
}

Journal::Journal(Committer& committer, SegmentFiles& files, Index& index, StateStore& states,
                 const Clock& clock, const Uuid& spool_id, std::function<void(Segment&)> on_closed)
    : committer_(committer),
      files_(files),
      index_(index),
      states_(states),
      clock_(clock),
      spool_id_(spool_id),
      on_closed_(std::move(on_closed)) {}

Result<void> Journal::start(SegmentNumber last, Position end) {
  last_ = last;
  committer_.start_at(end);
  return begin_segment(Use::start);
}

std::uint32_t Journal::group_bytes_max() const { return files_.limits().segment_bytes / 4; }

bool Journal::has_room(std::uint32_t bytes, const GroupIndex& adds) const {
  if (open_ == nullptr) return false;
  const std::uint64_t end = committer_.end_after(bytes);
  const std::uint64_t footer = open_->footer_bytes() + adds.footer_bytes;
  return end + aligned(static_cast<std::uint32_t>(footer), kPageSize) + kPageSize <=
             open_->header().segment_bytes &&
         open_->entries + adds.entries <= kEntriesPerSegmentMax;
}

bool Journal::says_what_it_needs() const {
  return open_ != nullptr && (needs_ & ~open_->header().needs) == 0;
}

bool Journal::has_current_key() const {
  return open_ != nullptr && open_->header().key_id == current_key();
}

Result<void> Journal::make_room(std::uint32_t bytes, const GroupIndex& adds, Use use,
                                std::uint16_t needs) {
  needs_ |= needs;
  const bool would_do = has_room(bytes, adds) && says_what_it_needs();
  if (would_do && has_current_key()) return {};
  if (bytes + adds.footer_bytes > files_.limits().segment_bytes / 2 ||
      adds.entries > kEntriesPerSegmentMax)
    return Error{Errc::too_large, "a group of " + std::to_string(bytes) + " bytes and " +
                                      std::to_string(adds.entries) +
                                      " entries does not fit a journal segment"};
  if (auto may = files_.may_take(use); !may) {
    files_.refill();
    return would_do ? Result<void>() : may;  // rather with the key of before than not at all
  }
  close();
  return begin_segment(use);
}

void Journal::close() {
  if (open_ == nullptr) return;
  Segment& closed = *open_;
  open_ = nullptr;
  closed.data_end = committer_.close_segment();
  closed.state = Segment::State::closed;
  on_closed_(closed);
}

Result<void> Journal::begin_segment(Use use) {
  auto file = files_.take(use);
  if (!file) return file.error();
  SegmentHeader header;
  header.number = ++last_;
  header.needs = needs_;
  header.spool_id = spool_id_;
  fill_random(header.salt);
  header.segment_bytes = files_.limits().segment_bytes;
  header.created_ms = clock_.now_ms();
  header.key_id = current_key();
  if (header.key_id != 0) header.needs |= SegmentHeader::kEncrypted;
  auto key = header.key_id != 0 ? keys_->key_of(header) : nullptr;
  open_ = &index_.add_segment(header, *file, key);
  committer_.open_segment(header, file->file, std::move(key));
  const StateItem item = segments_item(index_.numbers());
  Bytes meta;
  item.encode(meta);
  StagedRecord record = stage(RecordType::state, std::move(meta), {}, {}, open_->keys());
  append({&record, 1}, {}, {&item, 1});
  return {};
}

Commit Journal::append(std::span<StagedRecord> group, std::span<const SettleTarget> settles,
                       std::span<const StateItem> states) {
  assert(open_ != nullptr);
  const Commit commit = committer_.append(group);
  for (const SettleTarget& target : settles) open_->note_settles(target);
  for (const StateItem& item : states) {
    open_->note_state(item);
    states_.note(item, open_->number());
  }
  return commit;
}

}  // namespace pannier::spool
