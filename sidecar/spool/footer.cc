#include "sidecar/spool/footer.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace pannier::spool {
namespace {

constexpr std::uint8_t kRedelivered = 1;
constexpr std::uint8_t kTransient = 2;

enum class Section : std::uint16_t { runs = 1, settles = 2, states = 3, parts = 4, bodies = 5 };
constexpr std::uint16_t kNeeded = 1;          // of sections and of columns
constexpr unsigned kAllSections = 0b11'1110;  // a bit for each
constexpr std::size_t kPartSize = 20;
constexpr std::size_t kBodySize = 16;

std::uint64_t raw(Milliseconds ms) { return static_cast<std::uint64_t>(ms); }
Milliseconds signed_ms(std::uint64_t ms) { return static_cast<Milliseconds>(ms); }

Error malformed() { return {Errc::corrupt, "malformed index record"}; }

enum class Column : std::uint8_t { published = 1, due = 2, expiry = 3, group = 4 };
constexpr std::array kAllColumns{Column::published, Column::due, Column::expiry, Column::group};
static_assert(kAllColumns.size() == kColumns);

std::uint64_t value_of(const Entry& entry, Column column) {
  switch (column) {
    case Column::published: return raw(entry.published);
    case Column::due: return raw(entry.due);
    case Column::expiry: return raw(entry.expiry);
    case Column::group: return entry.group;
  }
  std::abort();
}

void set_value(Entry& entry, Column column, std::uint64_t value) {
  switch (column) {
    case Column::published: entry.published = signed_ms(value); return;
    case Column::due: entry.due = signed_ms(value); return;
    case Column::expiry: entry.expiry = signed_ms(value); return;
    case Column::group: entry.group = value; return;
  }
}

bool is_known(std::uint8_t tag) {
  return std::ranges::find(kAllColumns, static_cast<Column>(tag)) != kAllColumns.end();
}

// False, and nothing written, when no entry has a value.
bool encode_column(Column column, std::span<const Entry> entries, ByteWriter& out) {
  const auto has = [column](const Entry& entry) { return value_of(entry, column) != 0; };
  const auto values = static_cast<std::size_t>(std::ranges::count_if(entries, has));
  if (values == 0) return false;
  out.u8(static_cast<std::uint8_t>(column));
  out.u8(kNeeded);
  out.zeros(2);
  out.le(static_cast<std::uint32_t>(values));
  if (values < entries.size())
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (has(entries[i])) out.le(static_cast<std::uint16_t>(i));
  for (const Entry& entry : entries)
    if (has(entry)) out.le(value_of(entry, column));
  return true;
}

Result<void> decode_column(ByteReader& in, std::span<Entry> entries) {
  const auto tag = in.u8();
  const auto flags = in.u8();
  in.skip(2);
  const auto values = in.le<std::uint32_t>();
  if (!in.ok() || values > entries.size()) return malformed();
  if (!is_known(tag) && (flags & kNeeded) != 0)
    return Error{Errc::wrong_version, "an index column of a later release: " + std::to_string(tag)};
  const bool is_dense = values == entries.size();
  ByteReader indexes(in.bytes(is_dense ? 0 : std::size_t{values} * 2));
  ByteReader numbers(in.bytes(std::size_t{values} * 8));
  if (!in.ok()) return malformed();
  std::size_t next = 0;  // indexes rise
  for (std::uint32_t i = 0; i < values; ++i) {
    const std::size_t at = is_dense ? i : indexes.le<std::uint16_t>();
    if (at < next || at >= entries.size()) return malformed();
    next = at + 1;
    const auto value = numbers.le<std::uint64_t>();
    if (is_known(tag)) set_value(entries[at], static_cast<Column>(tag), value);
  }
  return {};
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
  out.le(raw(run.first_published));
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
  run.first_published = signed_ms(in.le<std::uint64_t>());
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

std::size_t run_bytes_max(const Entry& entry) {
  std::size_t bytes = kRunEntrySize;
  for (const Column column : kAllColumns)
    if (value_of(entry, column) != 0) bytes += kColumnValueSizeMax;
  return bytes;
}

void encode_run(Lane lane, std::span<const Entry> entries, Bytes& out) {
  ByteWriter writer(out);
  const std::size_t begin = out.size();
  writer.le(lane.queue);
  writer.u8(lane.priority);
  writer.zeros(3);
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
    writer.u8(entry.reason);
    writer.le(entry.acquired_count);
  }
  std::uint8_t columns = 0;
  for (const Column column : kAllColumns)
    if (encode_column(column, entries, writer)) ++columns;
  out[begin + 5] = std::byte{columns};
}

Result<std::vector<Entry>> decode_run(ByteView payload, SegmentNumber segment) {
  ByteReader in(payload);
  const auto queue = in.le<std::uint32_t>();
  const auto priority = in.u8();
  const auto columns = in.u8();
  in.skip(2);
  const auto count = in.le<std::uint32_t>();
  in.skip(4);
  if (!in.ok() || count > kEntriesPerSegmentMax || in.left() < count * kRunEntrySize)
    return malformed();
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
    entry.reason = in.u8();
    entry.acquired_count = in.le<std::uint16_t>();
  }
  for (unsigned i = 0; i < columns; ++i)
    if (auto done = decode_column(in, entries); !done) return done.error();
  if (!in.done()) return malformed();
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
  unsigned seen = 0;  // a bit for each known kind
  ByteReader in(payload);
  while (in.left() > 0) {
    const auto kind = in.le<std::uint16_t>();
    const auto flags = in.le<std::uint16_t>();
    const auto size = in.le<std::uint32_t>();
    const ByteView bytes = in.bytes(size);
    if (!in.ok()) return malformed();
    if (!is_known(kind)) {
      if (flags & kNeeded)
        return Error{Errc::wrong_version,
                     "an index section of a later release: " + std::to_string(kind)};
      continue;
    }
    if ((seen >> kind & 1) != 0) return malformed();
    seen |= 1u << kind;
    if (auto done = decode_section(static_cast<Section>(kind), bytes, core); !done)
      return done.error();
  }
  if (seen != kAllSections) return malformed();
  return core;
}

}  // namespace pannier::spool
