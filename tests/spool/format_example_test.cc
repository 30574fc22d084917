// docs/spool_format.md ends in a segment, byte by byte. This test reads it from the page, holds
// every field to what the page says of it, decodes it with the code that agents run, opens it as a
// spool, and writes it anew. Whoever changes the format changes the page: a failure prints the new
// dump.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "sidecar/spool/committer.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/record_io.h"
#include "sidecar/spool/sealer.h"
#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kSize = 64u << 10;
constexpr Milliseconds kMorning = FakeClock::kStartMs;
constexpr std::uint64_t kGroupHash = 0x0123456789ABCDEF;

std::string page() {
  std::ifstream in(PANNIER_SPOOL_FORMAT_PAGE, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The lines between ```name and ```.
std::vector<std::string> block(const std::string& name) {
  std::istringstream in(page());
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (inside && line == "```") return lines;
    if (inside) lines.push_back(line);
    inside = inside || line == "```" + name;
  }
  ADD_FAILURE() << "no block " << name << " in " << PANNIER_SPOOL_FORMAT_PAGE;
  return lines;
}

// As `hexdump -C` shows it; what is left out is zero.
Bytes undumped(const std::vector<std::string>& lines) {
  Bytes image(kSize);
  for (const std::string& line : lines) {
    if (line == "*") continue;
    std::istringstream in(line.substr(0, line.find('|')));
    std::size_t at = 0;
    in >> std::hex >> at;
    for (unsigned byte = 0; in >> byte; ++at) image.at(at) = static_cast<std::byte>(byte);
  }
  return image;
}

std::string dumped(ByteView image) {
  std::string text;
  bool is_gap = false;
  for (std::size_t at = 0; at < image.size(); at += 16) {
    const ByteView row = image.subspan(at, 16);
    if (std::ranges::all_of(row, [](std::byte b) { return b == std::byte{0}; })) {
      is_gap = true;
      continue;
    }
    if (std::exchange(is_gap, false)) text += "*\n";
    char cell[24];
    std::snprintf(cell, sizeof cell, "%08zx", at);
    text += cell;
    std::string shown;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto byte = std::to_integer<unsigned>(row[i]);
      std::snprintf(cell, sizeof cell, "%s%02x", i % 8 == 0 ? "  " : " ", byte);
      text += cell;
      shown += byte >= 0x20 && byte < 0x7F && byte != '|' ? static_cast<char>(byte) : '.';
    }
    text += "  |" + shown + "|\n";
  }
  return text + "*\n";
}

struct Field {
  std::size_t at = 0;
  std::size_t size = 0;
  std::string what;   // with the structure that it is in
  std::string value;  // 12, x0c000000 (the bytes in their order) or "text"
};

// Lines "offset structure: name size=value, name size=value, ...", going on in indented lines.
std::vector<Field> explained() {
  std::vector<Field> fields;
  std::size_t at = 0;
  std::string structure;
  for (std::string line : block("fields")) {
    if (line.empty()) continue;
    if (line.front() != ' ') {
      const std::size_t colon = line.find(": ");
      std::istringstream in(line);
      in >> std::hex >> at;
      structure = line.substr(5, colon - 5);
      line = line.substr(colon + 2);
    }
    std::istringstream in(line);
    for (std::string part; std::getline(in, part, ',');) {
      const std::size_t equals = part.find('=');
      if (equals == std::string::npos) continue;  // the comma at the end of a line
      const std::size_t blank = part.rfind(' ', equals);
      Field field{at, std::stoul(part.substr(blank + 1)), structure + ", " + part.substr(0, blank),
                  part.substr(equals + 1)};
      at += field.size;
      fields.push_back(std::move(field));
    }
  }
  return fields;
}

// The field's bytes, written as the page writes its value.
std::string shown_like(const Field& field, ByteView bytes) {
  if (field.value.front() == '"') return '"' + std::string(as_text(bytes)) + '"';
  if (field.value.front() == 'x') {
    std::string hex = "x";
    char cell[3];
    for (const std::byte byte : bytes) {
      std::snprintf(cell, sizeof cell, "%02x", std::to_integer<unsigned>(byte));
      hex += cell;
    }
    return hex;
  }
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    number = number << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return std::to_string(number);
}

SegmentHeader example_header() {
  SegmentHeader header;
  header.number = 1;
  for (unsigned i = 0; i < 16; ++i) header.spool_id[i] = static_cast<std::byte>(0x50 + i);
  for (unsigned i = 0; i < 16; ++i) header.salt[i] = static_cast<std::byte>(0xA0 + i);
  header.segment_bytes = kSize;
  header.created_ms = kMorning;
  return header;
}

// Writes the page's segment with the committer and the sealer, as the journal does.
class Example {
 public:
  Example()
      : committer_(loop_, thread_, clock_, {[](const SyncReport&) {}, [](const Error&) {}}),
        segment_(example_header(), {}) {
    disk_.plant("journal-000001.seg", Bytes(kSize));
    file_ = std::move(disk_.open("journal-000001.seg").value());
    committer_.open_segment(segment_.header(), file_);
  }

  Bytes written() {
    put_states({segments_item({1})});
    put_states({{StateKind::run_state, false, {}, {std::byte{1}}}});
    put_states({{StateKind::counters, false, {}, key_of_queue(2)},
                {StateKind::queue, false, key_of_queue(1), text("orders")},
                {StateKind::queue, false, key_of_queue(2), text("audit")}});
    put_messages();
    StateItem horizon{StateKind::horizon, false, key_of_lane({1, 4}), {}};
    ByteWriter writer(horizon.value);
    writer.le(std::uint64_t{4097});
    writer.le(std::uint64_t{0});
    put_states({horizon});
    sync();
    put_settle();
    sync();
    segment_.data_end = committer_.close_segment();
    EXPECT_TRUE(write_footer(prepare_footer(segment_), *file_));
    return disk_.content("journal-000001.seg");
  }

 private:
  static Bytes text(std::string_view value) {
    const ByteView view = as_bytes(value);
    return {view.begin(), view.end()};
  }
  void sync() {
    clock_.advance(std::chrono::milliseconds(5));
    committer_.flush();
    thread_.run_all();
    loop_.run_all();
  }
  StagedRecord staged(RecordType type, Bytes meta, std::string_view head, std::string_view body) {
    StagedRecord record =
        stage(type, std::move(meta), Slice::copy_of(head), Slice::copy_of(body), segment_.seed());
    record.header.first_ordinal = segment_.entries;
    return record;
  }
  void put_states(const std::vector<StateItem>& items) {
    Bytes meta;
    for (const StateItem& item : items) {
      item.encode(meta);
      segment_.note_state(item);
    }
    StagedRecord record = staged(RecordType::state, std::move(meta), "", "");
    committer_.append({&record, 1});
  }
  void put_messages() {
    MessageMeta one{kMorning + 1, 5, 0, 0, 2, {}, {}};
    Target first{1, 1, 4};
    first.expiry = kMorning + 60'000;
    one.targets = {first};
    one.attributes = text(std::string_view("\x01\x04\0id-1", 7));
    MessageMeta two{kMorning + 2, 7, 0, 0, 2, {}, {}};
    Target second{1, 2, 0};
    second.group = kGroupHash;
    Target third{2, 1, 0};
    third.due = kMorning + 30'000;
    two.targets = {second, third};
    std::vector<StagedRecord> group;
    for (const auto& [meta, head, body] :
         {std::tuple(&one, "h1", "hello"), std::tuple(&two, "h2", "to both")}) {
      Bytes bytes;
      meta->encode(bytes);
      group.push_back(staged(RecordType::message, std::move(bytes), head, body));
      if (meta == &two) group.back().header.first_ordinal = 1;
    }
    committer_.append(group);
    Ordinal ordinal = 0;
    const MessageMeta* const metas[] = {&one, &two};
    for (std::size_t i = 0; i < 2; ++i)
      for (const Target& target : metas[i]->targets)
        segment_.add(
            entry_of(target, *metas[i], 1, group[i].offset, group[i].bytes_on_disk(), ordinal++));
  }
  void put_settle() {
    const std::vector<SettleTarget> targets = {
        {1, {{0, 0}}, {{1, 1, 2, true, 3, kMorning + 9000}}}};
    Bytes meta;
    encode_settles(targets, meta);
    StagedRecord record = staged(RecordType::settle, std::move(meta), "", "");
    committer_.append({&record, 1});
    segment_.note_settles(targets.front());
  }

  MemoryDisk disk_;
  FakeClock clock_;
  ManualExecutor loop_;
  ManualExecutor thread_;
  Committer committer_;
  Segment segment_;
  std::shared_ptr<File> file_;
};

class FormatPage : public testing::Test {
 protected:
  const Bytes image_ = undumped(block("hexdump"));
};

TEST_F(FormatPage, ShowsTheBytesThatAreWritten) {
  Example example;
  const Bytes written = example.written();
  EXPECT_TRUE(written == image_) << "the page's hexdump should be:\n" << dumped(written);
}

TEST_F(FormatPage, ShowsItsDumpAsHexdumpDoes) {
  std::string shown;
  for (const std::string& line : block("hexdump")) shown += line + "\n";
  EXPECT_EQ(shown, dumped(image_));
}

TEST_F(FormatPage, SaysTheTruthOfEveryField) {
  const auto fields = explained();
  ASSERT_GT(fields.size(), 100u);
  for (const Field& field : fields)
    EXPECT_EQ(shown_like(field, ByteView(image_).subspan(field.at, field.size)), field.value)
        << field.what << " at " << std::hex << field.at;
}

TEST_F(FormatPage, LeavesNoByteUnexplained) {
  std::vector<int> covered(kSize);
  for (const Field& field : explained())
    for (std::size_t at = field.at; at < field.at + field.size; ++at) ++covered[at];
  for (std::size_t at = 0; at < kSize; ++at) {
    EXPECT_LE(covered[at], 1) << std::hex << at << " is explained twice";
    if (image_[at] != std::byte{0}) {
      EXPECT_EQ(covered[at], 1) << std::hex << at << " is not explained";
    }
  }
}

// The records of both batches, one after the other as the headers say.
std::vector<StoredRecord> records_in(const Bytes& image, const SegmentHeader& segment) {
  const Slice all = Slice::copy_of(image);
  const std::uint32_t seed = checksum_seed(segment.number, segment.salt);
  std::vector<StoredRecord> records;
  for (const Offset begin : {0x1000u, 0x2000u}) {
    const auto batch = BatchHeader::decode(all.view().subspan(begin), begin);
    if (!batch) return records;
    const std::size_t count = records.size();
    Offset at = begin + static_cast<Offset>(BatchHeader::kSize);
    while (at < begin + batch->size) {
      auto record = parse_record(all.part(at, begin + batch->size - at), seed, at);
      if (!record) return records;
      at += record->header.bytes_on_disk();
      records.push_back(std::move(*record));
    }
    EXPECT_EQ(records.size() - count, batch->records);
  }
  return records;
}

TEST_F(FormatPage, IsReadFromItsRecordsAsItIsTold) {
  const auto header = SegmentHeader::decode(image_);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->number, 1u);
  EXPECT_EQ(header->salt, example_header().salt);
  EXPECT_EQ(header->created_ms, kMorning);
  const auto records = records_in(image_, *header);
  ASSERT_THAT(records, SizeIs(7));
  EXPECT_EQ(records[3].header.flags, RecordHeader::kGroupGoesOn);
  EXPECT_EQ(records[4].header.flags, 0);

  const auto one = message_from(records[3]);
  ASSERT_TRUE(one) << one.error().detail;
  EXPECT_EQ(one->head.text(), "h1");
  EXPECT_EQ(one->body.text(), "hello");
  EXPECT_EQ(one->meta.published, kMorning + 1);
  EXPECT_EQ(one->meta.targets.at(0).priority, 4);
  EXPECT_EQ(one->meta.targets.at(0).expiry, kMorning + 60'000);
  EXPECT_EQ(as_text(one->meta.attributes), std::string_view("\x01\x04\0id-1", 7));
  const auto two = message_from(records[4]);
  ASSERT_TRUE(two) << two.error().detail;
  EXPECT_EQ(two->body.text(), "to both");
  ASSERT_THAT(two->meta.targets, SizeIs(2));
  EXPECT_EQ(two->meta.targets[0].group, kGroupHash);
  EXPECT_EQ(two->meta.targets[1].queue, 2u);
  EXPECT_EQ(two->meta.targets[1].due, kMorning + 30'000);

  const auto settles = decode_settles(records[6].meta());
  ASSERT_TRUE(settles);
  ASSERT_THAT(*settles, SizeIs(1));
  EXPECT_THAT(settles->front().settled, ElementsAre(OrdinalRange{0, 0}));
  EXPECT_THAT(settles->front().changed, ElementsAre(Change{1, 1, 2, true, 3, kMorning + 9000}));
}

TEST_F(FormatPage, IsReadFromItsFooterAsItIsTold) {
  MemoryDisk disk;
  disk.plant("x", image_);
  const auto file = std::move(disk.open("x").value());
  const auto trailer = SegmentTrailer::decode(ByteView(image_).subspan(kSize - kPageSize));
  ASSERT_TRUE(trailer);
  EXPECT_EQ(trailer->entries, 3u);
  const std::uint32_t seed = checksum_seed(1, trailer->header.salt);
  const auto record =
      read_record(*file, seed, trailer->core_offset, trailer->core_bytes, RecordType::core);
  ASSERT_TRUE(record) << record.error().detail;
  const auto core = Core::decode(record->meta());
  ASSERT_TRUE(core);
  ASSERT_THAT(core->runs, SizeIs(3));
  EXPECT_THAT(core->states, SizeIs(6));
  std::vector<Lane> lanes;
  for (const RunInfo& run : core->runs) {
    lanes.push_back(run.lane);
    const auto stored = read_record(*file, seed, run.offset, run.record_bytes, RecordType::run);
    ASSERT_TRUE(stored) << stored.error().detail;
    const auto entries = decode_run(stored->meta(), 1);
    ASSERT_TRUE(entries);
    ASSERT_THAT(*entries, SizeIs(1));
    EXPECT_EQ(entries->front().published, run.first_published);
  }
  EXPECT_THAT(lanes, ElementsAre(Lane{1, 0}, Lane{1, 4}, Lane{2, 0}));
}

void expect_to_open(const Bytes& image, std::uint64_t scanned) {
  MemoryDisk disk;
  std::string text;
  for (const std::string& line : block("spool.id")) text += line + "\n";
  disk.plant("spool.id", as_bytes(text));
  disk.plant("journal-000001.seg", image);
  SpoolOptions options = small_options();
  options.files.segment_bytes = kSize;
  SpoolHarness spool(disk, options);
  ASSERT_TRUE(spool.is_open()) << spool.opened().error().detail;
  EXPECT_THAT(spool->recovery().losses, IsEmpty());
  EXPECT_EQ(spool->recovery().scanned_segments, scanned);
  EXPECT_FALSE(spool->recovery().was_clean);
  EXPECT_THAT(spool.queues(), ElementsAre(1, 2));
  EXPECT_THAT(spool.bodies_in(1, 4), IsEmpty());
  EXPECT_THAT(spool.bodies_in(1), ElementsAre("to both"));
  EXPECT_THAT(spool.bodies_in(2), ElementsAre("to both"));
  const Entry changed = spool.fetch_all(1).at(0);
  EXPECT_EQ(changed.published, kMorning + 2);
  EXPECT_EQ(changed.delivery_count, 1);
  EXPECT_EQ(changed.acquired_count, 2);
  EXPECT_EQ(changed.reason, 3);
  EXPECT_EQ(changed.due, kMorning + 9000);
  EXPECT_EQ(spool->suspect_up_to({1, 4}), 4097u);
  EXPECT_EQ(spool->last_sequence(1), 4097u);
}

TEST_F(FormatPage, OpensAsASpool) { expect_to_open(image_, 0); }

TEST_F(FormatPage, OpensAsASpoolWithoutItsTrailerToo) {
  Bytes unsealed = image_;
  std::fill(unsealed.end() - kPageSize, unsealed.end(), std::byte{0});
  expect_to_open(unsealed, 1);
}

}  // namespace
}  // namespace pannier::spool
