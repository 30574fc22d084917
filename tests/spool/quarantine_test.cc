// Damage that is met while the spool runs, and the copies that are kept of it.
#include "sidecar/spool/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"
#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class QuarantineTest : public testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([](std::string_view) {});
  }
  void TearDown() override { log::set_sink({}); }

  // Fills two segments or three, so that the first is sealed, and holds nothing in memory.
  void fill(SpoolHarness& spool, int messages = 300) {
    queue_ = spool.make_queue();
    for (int i = 0; i < messages; ++i) {
      ASSERT_TRUE(spool.publish(queue_, body(i)));
      if (i % 10 == 9) spool.settle_down();
    }
    spool.settle_down();
  }
  static std::string body(int i) { return std::to_string(i) + std::string(400, 'x'); }

  std::vector<JournalPlace> sealed(PlaceKind kind, RecordType type) const {
    std::vector<JournalPlace> found;
    for (JournalPlace& place : places_in(disk_))
      if (place.is_sealed && place.kind == kind && place.type == type)
        found.push_back(std::move(place));
    return found;
  }
  std::vector<FileInfo> copies() const {
    auto files = *disk_.list();
    std::erase_if(files,
                  [](const FileInfo& info) { return !info.name.starts_with("quarantine-"); });
    return files;
  }
  void flip(const JournalPlace& place) {
    disk_.flip(place.file, place.offset + place.size / 2, std::byte{1});
  }

  MemoryDisk disk_;
  QueueId queue_ = 0;
};

TEST_F(QuarantineTest, AMessageThatIsFoundDamagedIsCopiedOnceAndNeverServed) {
  SpoolHarness spool(disk_, tiny_options());
  fill(spool);
  const JournalPlace place = sealed(PlaceKind::payload, RecordType::message)[7];
  flip(place);
  const auto entry = spool.fetch_all(queue_)[7];
  for (int i = 0; i < 3; ++i) {
    const auto read = spool.body_of(entry);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::corrupt);
  }
  const Offset record = place.offset - Offset{RecordHeader::kSize};
  EXPECT_EQ(spool->status().corrupt_records, 1u);
  ASSERT_THAT(copies(), SizeIs(1));
  EXPECT_EQ(copies()[0].name,
            "quarantine-" + std::to_string(place.segment) + "-" + std::to_string(record) + ".bin");
  const Bytes file = disk_.content(place.file);
  EXPECT_EQ(disk_.content(copies()[0].name),
            Bytes(file.begin() + record, file.begin() + record + entry.record_bytes));
}

TEST_F(QuarantineTest, CopiesAreSyncedAndCountAgainstTheLimitAtEveryOpen) {
  {
    SpoolHarness spool(disk_, tiny_options());
    fill(spool);
    flip(sealed(PlaceKind::payload, RecordType::message)[3]);
    EXPECT_FALSE(spool.body_of(spool.fetch_all(queue_)[3]));
    const std::uint64_t others = copies()[0].size + disk_.content("spool.id").size();
    EXPECT_EQ(spool->status().disk_bytes % kSegmentBytesMin, others);
  }
  const auto after = disk_.restart(1, Keep::nothing);
  for (int i = 0; i < 2; ++i) {
    SpoolHarness again(*after, tiny_options());
    ASSERT_TRUE(again.is_open());
    const std::uint64_t others = copies()[0].size + disk_.content("spool.id").size();
    EXPECT_EQ(again->recovery().quarantined_bytes, copies()[0].size);
    EXPECT_EQ(again->status().disk_bytes % kSegmentBytesMin, others);
  }
}

TEST_F(QuarantineTest, CopiesStayUnderAnEighthOfTheLimit) {
  SpoolOptions options = tiny_options();
  options.files.bytes_max = 16 * kSegmentBytesMin;
  SpoolHarness spool(disk_, options);
  fill(spool, 500);
  for (const JournalPlace& place : sealed(PlaceKind::payload, RecordType::message)) flip(place);
  for (const Entry& entry : spool.fetch_all(queue_)) (void)spool.body_of(entry);
  std::uint64_t bytes = 0;
  for (const FileInfo& copy : copies()) bytes += copy.size;
  EXPECT_GT(bytes, 0u);
  EXPECT_LE(bytes, options.files.bytes_max / 8);
  EXPECT_GT(spool->status().corrupt_records, 100u);
  std::uint64_t sum = 0;
  const auto listed = disk_.list();
  for (const FileInfo& info : *listed) sum += info.size;
  EXPECT_LE(sum, options.files.bytes_max);
}

TEST_F(QuarantineTest, ADamagedRunIsMadeAnewFromItsMessages) {
  SpoolHarness spool(disk_, tiny_options());
  fill(spool);
  for (const JournalPlace& place : sealed(PlaceKind::payload, RecordType::run)) flip(place);
  const auto bodies = spool.bodies_in(queue_);
  ASSERT_THAT(bodies, SizeIs(300));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(bodies[static_cast<std::size_t>(i)], body(i));
  EXPECT_THAT(copies(), testing::Not(IsEmpty()));
}

TEST_F(QuarantineTest, WhatADamagedRunCannotFindIsTakenOffTheCounts) {
  SpoolHarness spool(disk_, tiny_options());
  fill(spool);
  flip(sealed(PlaceKind::payload, RecordType::run)[0]);
  for (int i : {4, 5, 9}) flip(sealed(PlaceKind::payload, RecordType::message)[std::size_t(i)]);
  EXPECT_THAT(spool.bodies_in(queue_), SizeIs(297));
  EXPECT_EQ(spool->totals({queue_, 0}).messages, 297u);
}

TEST_F(QuarantineTest, ADamagedRunIsCountedAnewAfterARestartToo) {
  {
    SpoolHarness spool(disk_, tiny_options());
    fill(spool);
    for (const Entry& entry : spool.fetch_all(queue_))
      if (entry.sequence % 3 == 0) spool->settle(entry);
    spool.settle_down();
  }
  for (const JournalPlace& place : sealed(PlaceKind::payload, RecordType::run)) flip(place);
  const auto after = disk_.restart(1, Keep::everything);
  SpoolHarness again(*after, tiny_options());
  ASSERT_TRUE(again.is_open());
  EXPECT_THAT(again->recovery().losses, IsEmpty());
  EXPECT_EQ(again->totals({queue_, 0}).messages, 200u);
  EXPECT_THAT(again.bodies_in(queue_), SizeIs(200));
}

TEST_F(QuarantineTest, CompactionLosesOnlyWhatIsDamagedAndKeepsACopy) {
  SpoolHarness spool(disk_, tiny_options());
  fill(spool);
  flip(sealed(PlaceKind::payload, RecordType::message)[11]);
  for (const Entry& entry : spool.fetch_all(queue_)) {
    if (entry.sequence % 10 != 2)
      spool->settle(entry);
    else
      spool->release(entry);
  }
  spool.settle_down();
  ASSERT_GT(spool->status().compacted_bytes, 0u);
  std::vector<std::string> expected;
  for (int i = 1; i < 300; i += 10)
    if (i != 11) expected.push_back(body(i));
  EXPECT_EQ(spool.bodies_in(queue_), expected);
  EXPECT_THAT(copies(), SizeIs(1));
}

TEST_F(QuarantineTest, CompactionOfADamagedPartComesToAnEnd) {
  SpoolHarness spool(disk_, tiny_options());
  queue_ = spool.make_queue();
  auto id = spool->begin_body();
  ASSERT_TRUE(id);
  for (char c : {'a', 'b', 'c'})
    ASSERT_TRUE(spool->append_part(*id, Slice::copy_of(std::string(3000, c))));
  Content content;
  content.body_id = *id;
  content.parts = 3;
  content.body_size = 9000;
  Target target;
  target.queue = queue_;
  Group group;
  group.publish(std::move(content), {&target, 1});
  ASSERT_TRUE(spool->append(group));
  for (int i = 0; i < 300; ++i) {
    auto entry = spool.publish(queue_, body(i));
    ASSERT_TRUE(entry);
    if (i == 250) flip(sealed(PlaceKind::payload, RecordType::part).at(1));
    if (i > 5) spool->settle(*entry);
    if (i % 10 == 9) spool.settle_down();
  }
  for (int i = 0; i < 20; ++i) spool.settle_down();
  std::vector<std::string> parts;
  for (std::uint32_t i = 0; i < 3; ++i)
    spool->read_part(*id, i, [&](auto part) {
      parts.push_back(part ? std::string(part->text().substr(0, 1))
                           : std::string(name_of(part.error().code)));
    });
  spool->flush();
  spool.run();
  EXPECT_THAT(parts, testing::UnorderedElementsAre("a", "c", "corrupt"));
  EXPECT_LE(spool->status().segments, 5u);
}

TEST_F(QuarantineTest, OfAGroupThatIsDamagedInPartTheRestIsKept) {
  for (const std::size_t hit : {0u, 1u, 2u}) {
    MemoryDisk disk;
    SpoolHarness spool(disk, tiny_options());
    queue_ = spool.make_queue();
    const Entry moved = *spool.publish(queue_, "to be moved");
    spool.settle_down();
    Target target;
    target.queue = queue_;
    Group group;
    for (int i = 0; i < 3; ++i) {
      Content content;
      content.body = Slice::copy_of(body(i));
      group.publish(std::move(content), {&target, 1});
    }
    group.settle(moved);
    ASSERT_TRUE(spool->append(group));
    spool.settle_down();
    ASSERT_TRUE(spool.publish(queue_, "later"));
    spool.settle_down();
    const auto copy = disk.restart(1, Keep::everything);
    const Entry& entry = group.entries()[hit];
    for (const JournalPlace& place : places_in(*copy))
      if (place.kind == PlaceKind::payload && place.segment == entry.segment &&
          place.offset == entry.offset + Offset{RecordHeader::kSize})
        copy->flip(place.file, place.offset + place.size / 2, std::byte{1});
    SpoolHarness again(*copy, tiny_options());
    ASSERT_TRUE(again.is_open());
    std::vector<std::string> expected{"to be moved"};  // twice is better than never
    for (int i = 0; i < 3; ++i)
      if (i != static_cast<int>(hit)) expected.push_back(body(i));
    expected.push_back("later");
    EXPECT_EQ(again.bodies_in(queue_), expected) << hit;
    EXPECT_EQ(again->recovery().lost_entries, 1u);
  }
}

TEST_F(QuarantineTest, ACopyThatWasNotFinishedIsMadeAgain) {
  SpoolHarness spool(disk_, tiny_options());
  disk_.plant("quarantine-1-4096.bin.new", Bytes(100));
  const auto after = disk_.restart(1, Keep::everything);
  SpoolHarness again(*after, tiny_options());
  ASSERT_TRUE(again.is_open());
  EXPECT_FALSE(after->exists("quarantine-1-4096.bin.new"));
  EXPECT_EQ(again->recovery().quarantined_bytes, 0u);
}

}  // namespace
}  // namespace pannier::spool
