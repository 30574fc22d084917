#include "sidecar/spool/footer.h"

#include <algorithm>

namespace pannier::spool {
namespace {

constexpr std::uint8_t kDueColumn = 1;
constexpr std::uint8_t kExpiryColumn = 2;
constexpr std::uint8_t kGroupColumn = 4;
constexpr std::uint8_t kRedelivered = 1;
constexpr std::uint8_t kTransient = 2;

enum class Section : std::uint16_t { runs = 1, settles = 2, states = 3, parts = 4, bodies = 5 };
constexpr std::uint16_t kNeeded = 1;
constexpr std::size_t kPartSize = 20;
constexpr std::size_t kBodySize = 16;

std::uint64_t raw(Milliseconds ms) { return static_cast<std::uint64_t>(ms); }
Milliseconds signed_ms(std::uint64_t ms) { return static_cast<Milliseconds>(ms); }

Error malformed() { return {Errc::corrupt, "malformed index record"}; }

std::uint8_t columns_of(std::span<const Entry> entries) {
  std::uint8_t columns = 0;
  for (const Entry& entry : entries) {
    if (entry.due != 0) columns |= kDueColumn;
    if (entry.expiry != 0) columns |= kExpiryColumn;
    if (entry.group != 0) columns |= kGroupColumn;
  }
  return columns;
}

class SectionWriter {
 public:
  SectionWriter(Section kind, Bytes& out) : out_(out) {
    ByteWriter writer(out_);
    writer.le(static_cast<std::uint16_t>(kind));
    writer.le(kNeeded);
    writer.le(std::uint32_t{0});
    start_ = out_.size();
  }
  ~SectionWriter() {
    store_le(out_.data() + start_ - 4, static_cast<std::uint32_t>(out_.size() - start_));
  }
  SectionWriter(const SectionWriter&) = delete;
  SectionWriter& operator=(const SectionWriter&) = delete;

 private:
  Bytes& out_;
  std::size_t start_ = 0;
};

void encode_run_info(const RunInfo& run, ByteWriter& out) {
  out.le(run.lane.queue);
  out.u8(run.lane.priority);
  out.u8(run.transient ? kTransient : std::uint8_t{0});
  out.zeros(2);
  out.le(run.count);
  out.le(run.offset);
  out.le(run.record_bytes);
  out.zeros(4);
  out.le(run.first);
  out.le(run.last);
  out.le(run.share_bytes);
  out.le(run.message_bytes);
  out.le(raw(run.first_due));
  out.le(raw(run.first_expiry));
  out.zeros(8);
}

RunInfo decode_run_info(ByteReader& in) {
  RunInfo run;
  run.lane.queue = in.le<std::uint32_t>();
  run.lane.priority = in.u8();
  run.transient = (in.u8() & kTransient) != 0;
  in.skip(2);
  run.count = in.le<std::uint32_t>();
  run.offset = in.le<std::uint32_t>();
  run.record_bytes = in.le<std::uint32_t>();
  in.skip(4);
  run.first = in.le<std::uint64_t>();
  run.last = in.le<std::uint64_t>();
  run.share_bytes = in.le<std::uint64_t>();
  run.message_bytes = in.le<std::uint64_t>();
  run.first_due = signed_ms(in.le<std::uint64_t>());
  run.first_expiry = signed_ms(in.le<std::uint64_t>());
  in.skip(8);
  return run;
}

Result<void> decode_section(Section kind, ByteView bytes, Core& core) {
  ByteReader in(bytes);
  switch (kind) {
    case Section::runs:
      if (bytes.size() % RunInfo::kSize != 0) return malformed();
      while (in.left() > 0) core.runs.push_back(decode_run_info(in));
      return {};
    case Section::settles: {
      auto settles = decode_settles(bytes);
      if (!settles) return settles.error();
      core.settles = std::move(*settles);
      return {};
    }
    case Section::states:
      while (in.left() > 0) {
        auto item = StateItem::decode(in);
        if (!item) return item.error();
        core.states.push_back(std::move(*item));
      }
      return {};
    case Section::parts:
      if (bytes.size() % kPartSize != 0) return malformed();
      while (in.left() > 0) {
        const auto body = in.le<std::uint64_t>();
        const auto index = in.le<std::uint32_t>();
        const auto offset = in.le<std::uint32_t>();
        core.parts.push_back({body, index, offset, in.le<std::uint32_t>()});
      }
      return {};
    case Section::bodies:
      if (bytes.size() % kBodySize != 0) return malformed();
      while (in.left() > 0) {
        const auto body = in.le<std::uint64_t>();
        const auto parts = in.le<std::uint32_t>();
        const auto first = in.le<std::uint16_t>();
        core.bodies.push_back({body, parts, first, in.le<std::uint16_t>()});
      }
      return {};
  }
  return malformed();
}

bool is_known(std::uint16_t kind) {
  return kind >= static_cast<std::uint16_t>(Section::runs) &&
         kind <= static_cast<std::uint16_t>(Section::bodies);
}

}  // namespace

void encode_run(Lane lane, std::span<const Entry> entries, Bytes& out) {
  ByteWriter writer(out);
  const std::uint8_t columns = columns_of(entries);
  writer.le(lane.queue);
  writer.u8(lane.priority);
  writer.u8(columns);
  writer.zeros(2);
  writer.le(static_cast<std::uint32_t>(entries.size()));
  writer.zeros(4);
  for (const Entry& entry : entries) {
    writer.le(entry.sequence);
    writer.le(entry.offset);
    writer.le(entry.record_bytes);
    writer.le(entry.share_bytes);
    writer.le(entry.message_bytes);
    writer.le(entry.ordinal);
    writer.le(entry.delivery_count);
    writer.u8(static_cast<std::uint8_t>((entry.redelivered ? kRedelivered : 0) |
                                        (entry.transient ? kTransient : 0)));
    writer.zeros(3);
  }
  if (columns & kDueColumn)
    for (const Entry& entry : entries) writer.le(raw(entry.due));
  if (columns & kExpiryColumn)
    for (const Entry& entry : entries) writer.le(raw(entry.expiry));
  if (columns & kGroupColumn)
    for (const Entry& entry : entries) writer.le(entry.group);
}

Result<std::vector<Entry>> decode_run(ByteView payload, SegmentNumber segment) {
  ByteReader in(payload);
  const auto queue = in.le<std::uint32_t>();
  const auto priority = in.u8();
  const auto columns = in.u8();
  in.skip(2);
  const auto count = in.le<std::uint32_t>();
  in.skip(4);
  const auto width = kRunEntrySize + ((columns & kDueColumn) ? 8u : 0u) +
                     ((columns & kExpiryColumn) ? 8u : 0u) + ((columns & kGroupColumn) ? 8u : 0u);
  if (!in.ok() || count > kEntriesPerSegmentMax || in.left() != count * width) return malformed();
  std::vector<Entry> entries(count);
  for (Entry& entry : entries) {
    entry.segment = segment;
    entry.queue = queue;
    entry.priority = priority;
    entry.sequence = in.le<std::uint64_t>();
    entry.offset = in.le<std::uint32_t>();
    entry.record_bytes = in.le<std::uint32_t>();
    entry.share_bytes = in.le<std::uint32_t>();
    entry.message_bytes = in.le<std::uint32_t>();
    entry.ordinal = in.le<std::uint16_t>();
    entry.delivery_count = in.le<std::uint16_t>();
    const auto flags = in.u8();
    entry.redelivered = (flags & kRedelivered) != 0;
    entry.transient = (flags & kTransient) != 0;
    in.skip(3);
  }
  if (columns & kDueColumn)
    for (Entry& entry : entries) entry.due = signed_ms(in.le<std::uint64_t>());
  if (columns & kExpiryColumn)
    for (Entry& entry : entries) entry.expiry = signed_ms(in.le<std::uint64_t>());
  if (columns & kGroupColumn)
    for (Entry& entry : entries) entry.group = in.le<std::uint64_t>();
  return entries;
}

void Core::encode(Bytes& out) const {
  {
    const SectionWriter section(Section::runs, out);
    ByteWriter writer(out);
    for (const RunInfo& run : runs) encode_run_info(run, writer);
  }
  {
    const SectionWriter section(Section::settles, out);
    encode_settles(settles, out);
  }
  {
    const SectionWriter section(Section::states, out);
    for (const StateItem& item : states) item.encode(out);
  }
  {
    const SectionWriter section(Section::parts, out);
    ByteWriter writer(out);
    for (const PartInfo& part : parts) {
      writer.le(part.body_id);
      writer.le(part.index);
      writer.le(part.offset);
      writer.le(part.record_bytes);
    }
  }
  {
    const SectionWriter section(Section::bodies, out);
    ByteWriter writer(out);
    for (const BodyInfo& body : bodies) {
      writer.le(body.body_id);
      writer.le(body.parts);
      writer.le(body.first_ordinal);
      writer.le(body.entries);
    }
  }
}

Result<Core> Core::decode(ByteView payload) {
  Core core;
  ByteReader in(payload);
  while (in.left() > 0) {
    const auto kind = in.le<std::uint16_t>();
    const auto flags = in.le<std::uint16_t>();
    const auto size = in.le<std::uint32_t>();
    const ByteView bytes = in.bytes(size);
    if (!in.ok()) return malformed();
    if (!is_known(kind)) {
      if (flags & kNeeded)
        return Error{Errc::wrong_version, "an index section of a later release: " +
                                              std::to_string(kind)};
      continue;
    }
    if (auto done = decode_section(static_cast<Section>(kind), bytes, core); !done)
      return done.error();
  }
  return core;
}

}  // namespace pannier::spool
