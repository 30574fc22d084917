#include "sidecar/spool/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/spool/record_io.h"
#include "sidecar/spool/sealer.h"
#include "tests/spool/samples.h"
#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr SegmentNumber kNumber = 4;

Segment empty_segment() { return Segment(sample_header(kNumber), {}); }

// Entries of two queues and two priorities: three lanes, of four, three and two entries.
Segment sample_segment() {
  Segment segment = empty_segment();
  Ordinal ordinal = 0;
  for (const Sequence sequence : {1, 2, 3, 4})
    segment.add(sample_entry(kNumber, ordinal++, 7, sequence));
  for (const Sequence sequence : {1, 2, 3})
    segment.add(sample_entry(kNumber, ordinal++, 6, sequence));
  for (const Sequence sequence : {5, 6})
    segment.add(sample_entry(kNumber, ordinal++, 7, sequence, 9));
  return segment;
}

TEST(Segment, CountsItsEntriesByLane) {
  Segment segment = sample_segment();
  EXPECT_EQ(segment.entries, 9u);
  EXPECT_EQ(segment.live_entries(), 9u);
  EXPECT_EQ(segment.live_bytes(), 900u);
  ASSERT_NE(segment.find({7, 0}), nullptr);
  const RunInfo& info = segment.find({7, 0})->info;
  EXPECT_EQ(info.count, 4u);
  EXPECT_EQ(info.first, 1u);
  EXPECT_EQ(info.last, 4u);
  EXPECT_EQ(info.share_bytes, 400u);
  EXPECT_EQ(info.message_bytes, 160u);
  EXPECT_EQ(segment.find({7, 9})->live, 2u);
  EXPECT_EQ(segment.find({6, 1}), nullptr);
  EXPECT_EQ(segment.find({5, 0}), nullptr);
}

TEST(Segment, KnowsTheEarliestTimesOfARun) {
  Segment segment = empty_segment();
  for (const Milliseconds time : {0, 50, 20, 0, 30}) {
    Entry entry = sample_entry(kNumber, static_cast<Ordinal>(segment.entries), 7, segment.entries);
    entry.due = time;
    entry.expiry = time == 0 ? 0 : time + 1;
    entry.published = 1000 - time;
    segment.add(entry);
  }
  const RunInfo& info = segment.find({7, 0})->info;
  EXPECT_EQ(info.first_due, 20);
  EXPECT_EQ(info.first_expiry, 21);
  EXPECT_EQ(info.first_published, 950);
}

TEST(Segment, SettlesAnEntryOnce) {
  Segment segment = sample_segment();
  const Entry entry = segment.find({7, 0})->resident[1];
  EXPECT_FALSE(segment.has_settled());
  EXPECT_TRUE(segment.settle(entry));
  EXPECT_FALSE(segment.settle(entry));
  EXPECT_TRUE(segment.is_settled(entry.ordinal));
  EXPECT_FALSE(segment.is_settled(0));
  EXPECT_FALSE(segment.is_settled(65'535));
  EXPECT_EQ(segment.live_entries(), 8u);
  EXPECT_EQ(segment.live_bytes(), 800u);
  EXPECT_EQ(segment.find({7, 0})->live, 3u);
  EXPECT_EQ(segment.find({7, 0})->live_message_bytes, 120u);
  EXPECT_TRUE(segment.has_settled());
}

TEST(Segment, ShowsAnEntryAsItWasChangedLast) {
  Segment segment = sample_segment();
  const Entry entry = segment.find({7, 0})->resident[0];
  segment.change({0, 1, 2, true, 3, 400});
  segment.change({0, 5, 6, true, 7, 800});
  const Entry now = segment.current(entry);
  EXPECT_EQ(now.delivery_count, 5);
  EXPECT_EQ(now.acquired_count, 6);
  EXPECT_TRUE(now.redelivered);
  EXPECT_EQ(now.reason, 7);
  EXPECT_EQ(now.due, 800);
  EXPECT_EQ(change_of(now), *segment.changed(0));
  expect_same(segment.current(segment.find({7, 0})->resident[1]),
              segment.find({7, 0})->resident[1]);
  segment.settle(entry);
  EXPECT_FALSE(segment.changed(0));
}

TEST(Segment, SaysInASnapshotAllThatIsSettledAndChanged) {
  Segment before = sample_segment();
  for (const Ordinal ordinal : {Ordinal{1}, Ordinal{2}, Ordinal{8}})
    before.mark_settled({ordinal, ordinal});
  before.change({5, 1, 2, true, 3, 4});
  Bytes bytes;
  const SettleTarget snapshot = before.snapshot();
  encode_settles({&snapshot, 1}, bytes);
  const auto targets = decode_settles(bytes);
  ASSERT_TRUE(targets);
  ASSERT_THAT(*targets, SizeIs(1));
  EXPECT_EQ(targets->front().segment, kNumber);
  EXPECT_THAT(targets->front().settled, ElementsAre(OrdinalRange{1, 2}, OrdinalRange{8, 8}));
  Segment after = sample_segment();
  for (const OrdinalRange& range : targets->front().settled) after.mark_settled(range);
  for (const Change& change : targets->front().changed) after.change(change);
  for (unsigned at = 0; at < 12; ++at) {
    const auto ordinal = static_cast<Ordinal>(at);
    EXPECT_EQ(after.is_settled(ordinal), before.is_settled(ordinal)) << at;
  }
  EXPECT_EQ(*after.changed(5), *before.changed(5));
}

TEST(Segment, MarksRangesUpToTheLastOrdinal) {
  Segment segment = empty_segment();
  segment.mark_settled({0, 0});
  segment.mark_settled({63, 64});
  segment.mark_settled({65'530, 65'535});
  for (const unsigned at : {0u, 63u, 64u, 65'530u, 65'535u})
    EXPECT_TRUE(segment.is_settled(static_cast<Ordinal>(at))) << at;
  for (const unsigned at : {1u, 62u, 65u, 65'529u})
    EXPECT_FALSE(segment.is_settled(static_cast<Ordinal>(at))) << at;
}

TEST(Segment, DropsWhatAPurgeTakes) {
  Segment segment = sample_segment();
  spool::Run& run = *segment.find({7, 0});
  segment.drop(run, 1, 100, 40);
  EXPECT_EQ(run.live, 1u);
  EXPECT_EQ(segment.live_entries(), 6u);
  EXPECT_EQ(segment.live_bytes(), 600u);
}

TEST(Segment, MergesTheSettlesOfASegmentAndForgetsThemForASnapshot) {
  Segment segment = empty_segment();
  segment.note_settles({2, {{1, 1}}, {}});
  segment.note_settles({2, {{2, 3}}, {{9, 1, 0, false, 0, 0}}});
  segment.note_settles({3, {{0, 0}}, {}});
  EXPECT_THAT(segment.settles.at(2).settled, ElementsAre(OrdinalRange{1, 3}));
  EXPECT_THAT(segment.settles.at(2).changed, SizeIs(1));
  EXPECT_THAT(segment.settles_of, ElementsAre(2, 3));
  Bytes key;
  ByteWriter(key).le(std::uint64_t{2});
  segment.note_state({StateKind::snapshot, false, key, {}});
  EXPECT_FALSE(segment.settles.contains(2));
  EXPECT_TRUE(segment.settles.contains(3));
}

TEST(Segment, FindsItsLanesOnceSealed) {
  Segment segment = sample_segment();
  segment.sort_runs();
  segment.become_sealed();
  EXPECT_EQ(segment.find({7, 0})->info.count, 4u);
  EXPECT_EQ(segment.find({6, 0})->info.count, 3u);
  EXPECT_EQ(segment.find({8, 0}), nullptr);
  EXPECT_THAT(segment.find({7, 0})->resident, IsEmpty());
  EXPECT_TRUE(segment.settle(sample_entry(kNumber, 0, 7, 1)));
}

struct Sealed {
  SegmentTrailer trailer;
  Core core;
  std::vector<std::vector<Entry>> runs;
};

Sealed sealed(Segment& segment, MemoryDisk& disk) {
  const std::uint32_t bytes = segment.header().segment_bytes;
  const SegmentFile file = sample_file(disk, "journal-000001.seg", bytes);
  segment.data_end = kPageSize;
  EXPECT_TRUE(write_footer(prepare_footer(segment), *file.file));
  Bytes all = disk.content(file.name);
  Sealed found;
  found.trailer = SegmentTrailer::decode(ByteView(all).subspan(bytes - kPageSize)).value();
  auto core = read_record(*file.file, segment.seed(), found.trailer.core_offset,
                          found.trailer.core_bytes, RecordType::core);
  found.core = Core::decode(core.value().meta()).value();
  for (const RunInfo& run : found.core.runs) {
    auto record =
        read_record(*file.file, segment.seed(), run.offset, run.record_bytes, RecordType::run);
    found.runs.push_back(decode_run(record.value().meta(), segment.number()).value());
  }
  return found;
}

TEST(Segment, IsReadFromItsFooterAsItWas) {
  MemoryDisk disk;
  Segment segment = sample_segment();
  segment.add(sample_entry(kNumber, 9, 7, 0));  // as compaction does: out of order
  segment.note_settles({2, {{1, 1}}, {}});
  segment.note_state({StateKind::queue, false, Bytes(4), Bytes(3)});
  segment.parts.push_back({1, 2, 3, 4});
  segment.bodies.push_back({1, 2, 3, 4});
  const Sealed found = sealed(segment, disk);
  EXPECT_EQ(found.trailer.entries, 10u);
  EXPECT_EQ(found.trailer.data_end, kPageSize);
  ASSERT_THAT(found.core.runs, SizeIs(3));
  EXPECT_EQ(found.core.runs[0].lane, (Lane{6, 0}));
  EXPECT_EQ(found.core.runs[1].lane, (Lane{7, 0}));
  EXPECT_EQ(found.core.runs[2].lane, (Lane{7, 9}));
  EXPECT_THAT(sequences_of(found.runs[0]), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences_of(found.runs[1]), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(sequences_of(found.runs[2]), ElementsAre(5, 6));
  EXPECT_THAT(found.core.settles, SizeIs(1));
  EXPECT_THAT(found.core.states, SizeIs(1));
  EXPECT_THAT(found.core.parts, SizeIs(1));
  EXPECT_THAT(found.core.bodies, SizeIs(1));
}

// The journal goes by this bound when it decides whether a group still fits: were it too low, a
// footer would run into its trailer.
TEST(Segment, ReservesEnoughForItsFooterWhateverIsInIt) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Segment segment(sample_header(kNumber, 4u << 20), {});
    const std::uint64_t rare = random.below(200) + 1;
    const std::uint64_t lanes = random.below(50) + 1;
    for (std::uint64_t left = random.below(3000); left > 0; --left) {
      Entry entry = sample_entry(kNumber, static_cast<Ordinal>(segment.entries),
                                 static_cast<QueueId>(random.below(lanes)), segment.entries + 1);
      if (random.below(rare) == 0) entry.published = 1;
      if (random.below(rare) == 0) entry.due = 1;
      if (random.below(rare) == 0) entry.expiry = 1;
      if (random.below(rare) == 0) entry.group = 1;
      segment.add(entry);
    }
    for (std::uint64_t left = random.below(300); left > 0; --left) {
      const auto first = static_cast<Ordinal>(random.below(60'000));
      segment.note_settles({random.below(9), {{first, first}}, {{first, 1, 1, true, 1, 1}}});
      segment.note_state(
          {StateKind::first_above, false, Bytes(random.below(9)), Bytes(random.below(40))});
      segment.parts.push_back({1, 2, 3, 4});
      segment.bodies.push_back({1, 2, 3, 4});
    }
    const std::uint64_t bound = segment.footer_bytes();
    MemoryDisk disk;
    const Sealed found = sealed(segment, disk);
    const std::uint64_t end = found.trailer.core_offset + found.trailer.core_bytes;
    EXPECT_LE(end - found.trailer.data_end, bound) << "seed " << seed;
  }
}

TEST(Segment, IsSealedInPlaceWhenItsLastMessageAloneHasTimesAndAGroup) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  ASSERT_TRUE(spool.is_open());
  const QueueId queue = spool.make_queue();
  const auto publish = [&](Milliseconds time) {
    Target target;
    target.queue = queue;
    target.due = target.expiry = time;
    target.group = static_cast<std::uint64_t>(time);
    Group group;
    group.publish({1, {}, Slice::copy_of("x"), 0, 0, 0, {}}, {&target, 1});
    ASSERT_TRUE(spool->append(group));
    spool->flush();
  };
  for (int i = 0; i < 3000; ++i) {
    publish(i % 100 == 99 ? 1000 + i : 0);
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  EXPECT_THAT(spool.fetch_all(queue), SizeIs(3000));
}

TEST(Segment, IsNeverOneOfMoreThanItsListCanName) {
  MemoryDisk disk;
  SpoolOptions options = small_options();
  options.files.bytes_max = 64u << 20;
  options.files.segment_bytes = kSegmentBytesMin;
  EXPECT_TRUE(SpoolHarness(disk, options).is_open());
  options.files.bytes_max += kSegmentBytesMin;
  SpoolHarness spool(disk, options);
  ASSERT_FALSE(spool.is_open());
  EXPECT_EQ(spool.opened().error().code, Errc::bad_argument);
}

}  // namespace
}  // namespace pannier::spool
