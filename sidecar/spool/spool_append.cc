#include <algorithm>
#include <cassert>

#include "sidecar/spool/settles.h"
#include "sidecar/spool/spool_impl.h"

namespace pannier::spool {
namespace {

constexpr std::uint32_t kTargetSizeMax = MessageMeta::kEntrySizeMax;
constexpr std::uint32_t kTargetsMax = 16'384;  // queues that one message goes to
constexpr std::uint32_t kSettleSizeMax = 36;   // one entry, alone in its segment
constexpr std::uint32_t kBodyFooter = 16;
constexpr std::uint32_t kEntryFooterMax = kRunEntrySizeMax;
constexpr std::uint32_t kRunFooterMax = kRunIndexSizeMax;

struct Need {
  std::uint64_t bytes = 0;
  std::uint16_t segment = 0;  // what a reader of it must know
  std::uint64_t publish_bytes = 0;
  GroupIndex index;
};

}  // namespace

// One group on its way into the journal. Everything that can fail comes before anything changes.
class Spool::Impl::Append {
 public:
  Append(Impl& spool, Group& group) : spool_(spool), group_(group), items_(group.states_) {}

  Result<Commit> run() {
    group_.entries_.clear();
    if (auto done = collect_purges(); !done) return done.error();
    if (auto done = collect_needs(); !done) return done.error();
    if (auto room = spool_.journal.make_room(static_cast<std::uint32_t>(need_.bytes), need_.index,
                                             frees_what_it_takes() ? Use::urgent : Use::publish,
                                             need_.segment);
        !room)
      return room.error();
    create_queues();
    stage_all();
    apply_purges();
    const Commit commit = spool_.append_raw(spool_.staged, settled_, items_);
    apply_publishes();
    // Only now: what was published may have the body of what is purged.
    for (const Purge& purge : group_.purges_)
      spool_.bodies.purge(purge.queue, spool_.index.queue(purge.queue));
    apply_settles();
    drop_queues();
    return commit;
  }

 private:
  Result<void> collect_purges();
  Result<void> collect_needs();
  Result<void> need_publish(const Group::Publish& publish);
  bool will_exist(QueueId queue) const;
  bool frees_what_it_takes() const;
  void create_queues();
  void stage_all();
  void stage_publish(const Group::Publish& publish);
  void apply_purges();
  void apply_publishes();
  void apply_settles();
  void drop_queues();

  Impl& spool_;
  Group& group_;
  std::vector<StateItem> items_;
  std::vector<Sequence> purge_bounds_;
  Need need_;
  std::vector<StoredContent> contents_;  // one a message
  std::vector<MessageMeta> metas_;
  std::vector<SettleTarget> settled_;
};

Result<void> Spool::Impl::Append::collect_purges() {
  for (const Purge& purge : group_.purges_) {
    const QueueState* queue = spool_.index.queue(purge.queue);
    if (queue == nullptr)
      return Error{Errc::not_found, "no queue with number " + std::to_string(purge.queue)};
    StateItem item{StateKind::purge, false, key_of_queue(purge.queue), {}};
    ByteWriter writer(item.value);
    writer.le(queue->last_sequence);
    for (const Entry& kept : purge.kept) writer.le(kept.sequence);
    items_.push_back(std::move(item));
    purge_bounds_.push_back(queue->last_sequence);
  }
  return {};
}

bool Spool::Impl::Append::will_exist(QueueId queue) const {
  if (spool_.index.queue(queue) != nullptr) return true;
  return std::any_of(items_.begin(), items_.end(), [&](const StateItem& item) {
    return item.kind == StateKind::queue && !item.erased && item.key == key_of_queue(queue);
  });
}

Result<void> Spool::Impl::Append::need_publish(const Group::Publish& publish) {
  const auto targets = static_cast<std::uint32_t>(publish.targets.size());
  if (targets == 0 || targets > kTargetsMax || publish.content.attributes.size() > 0xFFFF)
    return Error{Errc::too_large, "a message for " + std::to_string(targets) + " queues with " +
                                      std::to_string(publish.content.attributes.size()) +
                                      " bytes of attributes"};
  for (const Target& target : publish.targets)
    if (!will_exist(target.queue))
      return Error{Errc::not_found, "no queue with number " + std::to_string(target.queue)};
  if (publish.content.parts > 0) {
    const Bodies::Body* body = spool_.bodies.find(publish.content.body_id);
    if (body == nullptr || body->parts.size() != publish.content.parts)
      return Error{Errc::not_found, "no live body of " + std::to_string(publish.content.parts) +
                                        " parts with that number"};
  }
  const Content& content = publish.content;
  contents_.push_back(spool_.compressor.compress(content.codec, content.head,
                                                 content.parts > 0 ? Slice() : content.body));
  if (contents_.back().codec != Codec::none) need_.segment = SegmentHeader::kCompressed;
  need_.publish_bytes += contents_.back().size();
  need_.bytes += kRecordOverhead + MessageMeta::kFixedSize + targets * kTargetSizeMax +
                 content.attributes.size() + contents_.back().size();
  need_.index.entries += targets;
  need_.index.footer_bytes += targets * (kEntryFooterMax + kRunFooterMax) + kBodyFooter;
  return {};
}

Result<void> Spool::Impl::Append::collect_needs() {
  for (const Group::Publish& publish : group_.publishes_)
    if (auto done = need_publish(publish); !done) return done;
  const std::uint64_t settles = group_.settles_.size() + group_.changes_.size();
  need_.bytes += 2 * kRecordOverhead + settles * kSettleSizeMax;
  need_.index.footer_bytes += settles * kSettleSizeMax;
  for (const StateItem& item : items_) {
    need_.bytes += item.encoded_size();
    need_.index.footer_bytes += item.encoded_size();
  }
  const std::uint64_t most = spool_.journal.group_bytes_max();
  if (need_.bytes <= most) return {};
  return Error{Errc::too_large, "a group of " + std::to_string(need_.bytes) +
                                    " bytes; the most is " + std::to_string(most)};
}

// Such a group may use the reserve: it cannot fill the spool.
bool Spool::Impl::Append::frees_what_it_takes() const {
  if (group_.publishes_.empty()) return true;
  constexpr std::uint64_t kGrowth = 256;  // headers that dead-lettering adds
  std::uint64_t freed = 0;
  for (const Entry& entry : group_.settles_) freed += entry.share_bytes + kGrowth;
  return freed >= need_.publish_bytes;
}

void Spool::Impl::Append::create_queues() {
  for (const StateItem& item : items_)
    if (item.kind == StateKind::queue && !item.erased)
      spool_.index.add_queue(load_le<std::uint32_t>(item.key.data()));
}

void Spool::Impl::Append::stage_publish(const Group::Publish& publish) {
  const Content& content = publish.content;
  const bool in_parts = content.parts > 0;
  MessageMeta& meta = metas_.emplace_back();
  meta.published = content.published;
  meta.body_id = in_parts ? content.body_id : 0;
  meta.parts = content.parts;
  meta.body_size = in_parts ? content.body_size : content.body.size();
  meta.head_size = static_cast<std::uint32_t>(content.head.size());
  meta.targets = publish.targets;
  meta.attributes = content.attributes;
  for (Target& target : meta.targets)
    target.sequence = ++spool_.index.queue(target.queue)->last_sequence;
  Bytes bytes;
  meta.encode(bytes);
  spool_.staged.push_back(stage_content(RecordType::message, std::move(bytes),
                                        std::move(contents_[metas_.size() - 1]),
                                        spool_.journal.open_segment().keys()));
}

void Spool::Impl::Append::stage_all() {
  const RecordKeys& keys = spool_.journal.open_segment().keys();
  spool_.staged.clear();
  metas_.reserve(group_.publishes_.size());
  for (const Group::Publish& publish : group_.publishes_) stage_publish(publish);
  Settles settles;
  for (const Entry& entry : group_.settles_) settles.settle(spool_.moves.resolved(entry));
  for (const Entry& entry : group_.changes_) settles.change(spool_.moves.resolved(entry));
  settled_ = settles.targets();
  if (!settled_.empty()) {
    Bytes bytes;
    encode_settles(settled_, bytes);
    spool_.staged.push_back(stage(RecordType::settle, std::move(bytes), {}, {}, keys));
  }
  if (!items_.empty()) {
    Bytes bytes;
    for (const StateItem& item : items_) item.encode(bytes);
    spool_.staged.push_back(stage(RecordType::state, std::move(bytes), {}, {}, keys));
  }
  std::uint32_t ordinal = spool_.journal.open_segment().entries;
  for (std::size_t i = 0; i < spool_.staged.size(); ++i) {
    spool_.staged[i].header.first_ordinal = ordinal;
    if (i < metas_.size()) ordinal += static_cast<std::uint32_t>(metas_[i].targets.size());
  }
}

void Spool::Impl::Append::apply_purges() {
  for (std::size_t i = 0; i < group_.purges_.size(); ++i) {
    std::vector<Entry> kept;
    for (const Entry& entry : group_.purges_[i].kept) kept.push_back(spool_.moves.resolved(entry));
    const QueueId queue = group_.purges_[i].queue;
    spool_.index.purge(queue, purge_bounds_[i], kept);
    spool_.times.on_purge(queue);
    spool_.check_dead = true;
  }
}

void Spool::Impl::Append::apply_publishes() {
  Segment& open = spool_.journal.open_segment();
  for (std::size_t i = 0; i < metas_.size(); ++i) {
    const MessageMeta& meta = metas_[i];
    const StagedRecord& record = spool_.staged[i];
    const std::uint32_t first = record.header.first_ordinal;
    const auto targets = static_cast<std::uint32_t>(meta.targets.size());
    for (std::uint32_t at = 0; at < targets; ++at) {
      group_.entries_.push_back(entry_of(meta.targets[at], meta, open.number(), record.offset,
                                         record.bytes_on_disk(), static_cast<Ordinal>(first + at)));
      spool_.index.add(open, group_.entries_.back());
    }
    open.outstanding += targets;
    if (meta.parts == 0) continue;
    open.bodies.push_back({meta.body_id, meta.parts, static_cast<Ordinal>(first),
                           static_cast<std::uint16_t>(targets)});
    std::vector<Bodies::Reader> readers;
    for (const Target& target : meta.targets) readers.push_back({target.queue, target.sequence});
    spool_.bodies.add_message(meta.body_id, {{open.number(), record.offset}, std::move(readers)});
  }
}

void Spool::Impl::Append::apply_settles() {
  for (const Entry& entry : group_.changes_) {
    const Entry now = spool_.moves.resolved(entry);
    Segment* segment = spool_.index.segment(now.segment);
    if (segment == nullptr) continue;
    segment->change_to(now);
    spool_.times.on_change(now);
  }
  for (const Entry& entry : group_.settles_) {
    const Entry now = spool_.moves.resolved(entry);
    if (spool_.index.settle(now)) spool_.bodies.settle(now);
    spool_.release(entry);
    spool_.check_dead = true;
  }
}

void Spool::Impl::Append::drop_queues() {
  for (const StateItem& item : items_) {
    if (item.kind != StateKind::queue || !item.erased) continue;
    const auto queue = load_le<std::uint32_t>(item.key.data());
    const QueueState* dropped = spool_.index.queue(queue);
    const bool had_messages =
        dropped != nullptr && std::ranges::any_of(dropped->lanes, [](const auto& lane) {
          return !lane.second.segments.empty();
        });
    spool_.states.forget_queue(item.key, had_messages);
    spool_.index.drop_queue(queue);
    spool_.bodies.purge(queue, nullptr);
    spool_.check_dead = true;
  }
}

Result<Commit> Spool::Impl::append(Group& group) {
  if (closed) return Error{Errc::closed, "the spool is closed"};
  if (group.empty()) return Error{Errc::bad_argument, "an empty group"};
  return Append(*this, group).run();
}

}  // namespace pannier::spool
