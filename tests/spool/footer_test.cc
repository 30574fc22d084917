#include "sidecar/spool/footer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/codec_checks.h"
#include "tests/spool/samples.h"

namespace pannier::spool {
namespace {

using testing::IsEmpty;

constexpr SegmentNumber kSegment = 5;
constexpr Lane kLane{77, 9};

Entry plain_entry(unsigned at) {
  return sample_entry(kSegment, static_cast<Ordinal>(at), kLane.queue, at + 1, kLane.priority);
}

Entry full_entry(unsigned at) {
  Entry entry = plain_entry(at);
  entry.sequence = ~Sequence{0} - 65'536 + at;
  entry.published = 1'790'000'000'000 + at;
  entry.due = -1;
  entry.expiry = std::numeric_limits<Milliseconds>::max();
  entry.group = ~std::uint64_t{0};
  entry.offset = entry.record_bytes = entry.share_bytes = entry.message_bytes = 0xFFFFFFFF;
  entry.delivery_count = entry.acquired_count = 65'535;
  entry.reason = 255;
  entry.redelivered = entry.transient = true;
  return entry;
}

Bytes run_of(const std::vector<Entry>& entries) {
  Bytes bytes;
  encode_run(kLane, entries, bytes);
  return bytes;
}

bool is_run(ByteView bytes) { return bool(decode_run(bytes, kSegment)); }
bool is_core(ByteView bytes) { return bool(Core::decode(bytes)); }

std::size_t bytes_max(const std::vector<Entry>& entries) {
  std::size_t bytes = kRunFixedSize + kColumns * kColumnFixedSize;
  for (const Entry& entry : entries) bytes += run_bytes_max(entry);
  return bytes;
}

void expect_kept(const std::vector<Entry>& before) {
  const Bytes bytes = run_of(before);
  EXPECT_LE(bytes.size(), bytes_max(before));
  const auto after = decode_run(bytes, kSegment);
  ASSERT_TRUE(after) << after.error().detail;
  ASSERT_EQ(after->size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) expect_same((*after)[i], before[i]);
}

TEST(Run, KeepsEntriesWithNothingWithSomeAndWithEverything) {
  expect_kept({});
  expect_kept({plain_entry(0)});
  expect_kept({full_entry(0)});
  expect_kept({full_entry(0), full_entry(1)});
  expect_kept({plain_entry(0), full_entry(1), plain_entry(2)});
}

TEST(Run, KeepsEveryChoiceOfColumns) {
  for (unsigned first = 0; first < 16; ++first) {
    for (unsigned second = 0; second < 16; ++second) {
      std::vector<Entry> entries;
      for (const unsigned columns : {first, second, first}) {
        entries.push_back(plain_entry(static_cast<unsigned>(entries.size())));
        if (columns & 1) entries.back().published = 1;
        if (columns & 2) entries.back().due = 2;
        if (columns & 4) entries.back().expiry = 3;
        if (columns & 8) entries.back().group = 4;
      }
      expect_kept(entries);
    }
  }
}

TEST(Run, KeepsAsManyEntriesAsASegmentHolds) {
  std::vector<Entry> entries;
  for (unsigned at = 0; at < kEntriesPerSegmentMax; ++at) entries.push_back(full_entry(at));
  expect_kept(entries);
  for (unsigned at = 0; at < kEntriesPerSegmentMax; ++at)
    if (at % 7 != 0) entries[at] = plain_entry(at);
  expect_kept(entries);
}

// The journal reserves room for a segment's footer entry by entry: one that has a due time must not
// make all the others larger.
TEST(Run, CostsNoMoreForOneValueThanThatValue) {
  std::vector<Entry> entries;
  for (unsigned at = 0; at < 1000; ++at) entries.push_back(plain_entry(at));
  const std::size_t before = run_of(entries).size();
  entries[500].due = 1;
  EXPECT_EQ(run_of(entries).size(), before + kColumnFixedSize + kColumnValueSizeMax);
  expect_kept(entries);
}

TEST(Run, RefusesEveryPrefixAndEveryTail) {
  for (const auto& entries : {std::vector{plain_entry(0), plain_entry(1)},
                              std::vector{full_entry(0), plain_entry(1), full_entry(2)},
                              std::vector{full_entry(0), full_entry(1)}, std::vector<Entry>{}}) {
    Bytes bytes = run_of(entries);
    EXPECT_THAT(prefixes_taken(bytes, is_run), IsEmpty());
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(is_run(bytes));
  }
}

TEST(Run, SurvivesDamage) {
  try_damaged(run_of({full_entry(0), plain_entry(1), full_entry(2)}), is_run, 1);
  Bytes huge = run_of({});
  store_le(huge.data() + 8, ~std::uint32_t{0});
  EXPECT_FALSE(is_run(huge));
}

TEST(Run, StepsOverAColumnOfALaterReleaseUnlessItIsNeeded) {
  std::vector<Entry> entries = {full_entry(0), plain_entry(1)};
  Bytes bytes = run_of(entries);
  ASSERT_EQ(bytes[5], std::byte{4});
  bytes[5] = std::byte{5};
  const std::size_t flags_at = bytes.size() + 1;
  ByteWriter out(bytes);
  out.u8(200), out.u8(0), out.zeros(2), out.le(std::uint32_t{1});
  out.le(std::uint16_t{1}), out.le(std::uint64_t{42});
  const auto decoded = decode_run(bytes, kSegment);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  expect_same((*decoded)[0], entries[0]);
  expect_same((*decoded)[1], entries[1]);
  bytes[flags_at] = std::byte{1};
  const auto needed = decode_run(bytes, kSegment);
  ASSERT_FALSE(needed);
  EXPECT_EQ(needed.error().code, Errc::wrong_version);
}

TEST(Run, RefusesIndexesThatDoNotRise) {
  std::vector<Entry> entries = {full_entry(0), plain_entry(1), full_entry(2)};
  const Bytes bytes = run_of(entries);
  const std::size_t index_at = kRunFixedSize + 3 * kRunEntrySize + kColumnFixedSize;
  for (const auto& [first, second] : {std::pair{2, 2}, std::pair{2, 0}, std::pair{0, 3}}) {
    Bytes changed = bytes;
    store_le(changed.data() + index_at, static_cast<std::uint16_t>(first));
    store_le(changed.data() + index_at + 2, static_cast<std::uint16_t>(second));
    EXPECT_FALSE(is_run(changed)) << first << " " << second;
  }
}

Core full_core() {
  Core core;
  RunInfo run;
  run.lane = {~QueueId{0}, 255};
  run.count = 65'536;
  run.offset = 0xFFFFFFF8;
  run.record_bytes = 0xFFFFFFF0;
  run.first = 1;
  run.last = ~Sequence{0};
  run.share_bytes = ~std::uint64_t{0};
  run.message_bytes = ~std::uint64_t{0} - 1;
  run.first_due = -1;
  run.first_expiry = std::numeric_limits<Milliseconds>::max();
  run.first_published = 1'790'000'000'000;
  run.transient = true;
  core.runs = {RunInfo{}, run};
  core.settles = {{3, {{0, 65'535}}, {}}, {4, {}, {{1, 2, 3, true, 4, 5}}}};
  core.states = {{StateKind::queue, false, Bytes(4), Bytes(9)},
                 {StateKind::purge, true, Bytes(4), {}}};
  core.parts = {{~BodyId{0}, 1, 2, 3}, {4, 5, 6, 7}};
  core.bodies = {{~BodyId{0}, ~std::uint32_t{0}, 65'535, 65'535}};
  return core;
}

Bytes encoded(const Core& core) {
  Bytes bytes;
  core.encode(bytes);
  return bytes;
}

TEST(Core, GivesBackWhatWasPutIn) {
  const auto core = Core::decode(encoded(full_core()));
  ASSERT_TRUE(core) << core.error().detail;
  ASSERT_EQ(core->runs.size(), 2u);
  const RunInfo& run = core->runs[1];
  const RunInfo before = full_core().runs[1];
  EXPECT_EQ(run.lane, before.lane);
  EXPECT_EQ(run.count, before.count);
  EXPECT_EQ(run.offset, before.offset);
  EXPECT_EQ(run.record_bytes, before.record_bytes);
  EXPECT_EQ(run.first, before.first);
  EXPECT_EQ(run.last, before.last);
  EXPECT_EQ(run.share_bytes, before.share_bytes);
  EXPECT_EQ(run.message_bytes, before.message_bytes);
  EXPECT_EQ(run.first_due, before.first_due);
  EXPECT_EQ(run.first_expiry, before.first_expiry);
  EXPECT_EQ(run.first_published, before.first_published);
  EXPECT_TRUE(run.transient);
  EXPECT_FALSE(core->runs[0].transient);
  ASSERT_EQ(core->settles.size(), 2u);
  EXPECT_EQ(core->settles[1].changed, full_core().settles[1].changed);
  ASSERT_EQ(core->states.size(), 2u);
  EXPECT_TRUE(core->states[1].erased);
  ASSERT_EQ(core->parts.size(), 2u);
  EXPECT_EQ(core->parts[1].record_bytes, 7u);
  ASSERT_EQ(core->bodies.size(), 1u);
  EXPECT_EQ(core->bodies[0].first_ordinal, 65'535);
  EXPECT_EQ(encoded(*core), encoded(full_core()));
}

TEST(Core, KeepsNothing) {
  const auto core = Core::decode(encoded(Core{}));
  ASSERT_TRUE(core);
  EXPECT_EQ(encoded(*core), encoded(Core{}));
}

TEST(Core, RefusesEveryPrefix) {
  EXPECT_THAT(prefixes_taken(encoded(full_core()), is_core), IsEmpty());
  EXPECT_THAT(prefixes_taken(encoded(Core{}), is_core), IsEmpty());
}

TEST(Core, RefusesASectionThatStandsTwice) {
  Bytes bytes = encoded(Core{});
  const Bytes again = bytes;
  bytes.insert(bytes.end(), again.begin(), again.begin() + 8);
  EXPECT_FALSE(is_core(bytes));
}

TEST(Core, SkipsASectionOfALaterReleaseUnlessItIsNeeded) {
  Bytes bytes = encoded(full_core());
  const std::size_t flags_at = bytes.size() + 2;
  ByteWriter out(bytes);
  out.le(std::uint16_t{900}), out.le(std::uint16_t{0}), out.le(std::uint32_t{3}), out.zeros(3);
  const auto core = Core::decode(bytes);
  ASSERT_TRUE(core) << core.error().detail;
  EXPECT_EQ(encoded(*core), encoded(full_core()));
  bytes[flags_at] = std::byte{1};
  const auto needed = Core::decode(bytes);
  ASSERT_FALSE(needed);
  EXPECT_EQ(needed.error().code, Errc::wrong_version);
}

TEST(Core, SurvivesDamage) { try_damaged(encoded(full_core()), is_core, 2); }

}  // namespace
}  // namespace pannier::spool
