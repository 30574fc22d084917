// Files that are missing, cut short, foreign, of another version; and a crash at each step of
// opening.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"
#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RecoveryFiles : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    log::set_sink([](std::string_view) {});
    made_ = make_journal(GetParam());
    places_ = places_in(*made_.disk);
  }
  void TearDown() override { log::set_sink({}); }

  // Files with batches, oldest first.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const JournalPlace& place : places_)
      if (names.empty() || names.back() != place.file) names.push_back(place.file);
    return names;
  }
  const JournalPlace& first_of(const std::string& file, PlaceKind kind) const {
    return *std::ranges::find_if(places_, [&](const JournalPlace& place) {
      return place.file == file && place.kind == kind;
    });
  }
  std::set<std::size_t> alive_in(SegmentNumber segment, Offset from = 0) const {
    std::set<std::size_t> ids;
    for (std::size_t id = 0; id < made_.messages.size(); ++id)
      if (made_.messages[id].at >= Position{segment, from} &&
          made_.messages[id].at.segment == segment && !made_.messages[id].is_settled)
        ids.insert(id);
    return ids;
  }
  static std::set<std::size_t> gone(const Kept& kept) {
    std::set<std::size_t> ids = kept.missing;
    ids.insert(kept.corrupt.begin(), kept.corrupt.end());
    return ids;
  }
  static std::map<std::string, Bytes> contents(const MemoryDisk& disk) {
    std::map<std::string, Bytes> all;
    const auto listed = disk.list();
    for (const FileInfo& info : *listed) all[info.name] = disk.content(info.name);
    return all;
  }
  // A header in the file's first page, as a writer would have made it.
  static void set_header(MemoryDisk& disk, const std::string& file, const SegmentHeader& header) {
    Bytes content = disk.content(file);
    header.encode(content.data());
    disk.plant(file, content);
  }

  MadeJournal made_;
  std::vector<JournalPlace> places_;
};

TEST_P(RecoveryFiles, ADeletedSegmentIsNamedAndAllOthersAreKept) {
  for (const std::string& file : files()) {
    const SegmentNumber number = first_of(file, PlaceKind::segment_header).segment;
    if (number == made_.last) continue;
    SCOPED_TRACE(file);
    auto disk = made_.copy();
    ASSERT_TRUE(disk->remove(file));
    const Kept kept = kept_of(*disk, made_);
    EXPECT_THAT(kept.wrong, IsEmpty());
    EXPECT_THAT(kept.report.losses,
                Contains(HasSubstr("segment " + std::to_string(number) + " is missing whole")));
    if (number == 1) {  // with the declarations of the queues, whose messages cannot be placed
      EXPECT_THAT(kept.report.losses, Contains(HasSubstr("is not known any more")));
      EXPECT_THAT(kept.queues, IsEmpty());
      continue;
    }
    std::set<std::size_t> expected = alive_in(number);
    const std::set<std::size_t> large = gone(kept);
    for (const std::size_t id : large)
      if (made_.messages[id].body == made_.large_body) expected.insert(id);  // its parts
    EXPECT_EQ(gone(kept), expected);
  }
}

TEST_P(RecoveryFiles, ATruncatedSegmentKeepsWhatIsLeftOfIt) {
  for (const std::string& file : files()) {
    const SegmentNumber number = first_of(file, PlaceKind::segment_header).segment;
    if (number == made_.last) continue;
    SCOPED_TRACE(file);
    auto disk = made_.copy();
    Bytes content = disk->content(file);
    const Offset left = 5 * kPageSize + 100;
    content.resize(left);
    disk->plant(file, content);
    const Kept kept = kept_of(*disk, made_);
    EXPECT_THAT(kept.wrong, IsEmpty());
    EXPECT_THAT(kept.report.losses, Contains(HasSubstr(file)));
    EXPECT_GT(kept.report.corrupt_bytes, 0u);
    for (const std::size_t id : gone(kept)) {
      const MadeMessage& message = made_.messages[id];
      if (message.body == made_.large_body) continue;
      EXPECT_EQ(message.at.segment, number);
      EXPECT_GT(message.at.offset + message.body.size() + 200, left);
    }
    if (disk->exists(file)) {
      EXPECT_EQ(disk->content(file).size(), kSegmentBytesMin);
    }
  }
}

TEST_P(RecoveryFiles, TheMissingEndOfASegmentIsDamage) {
  const auto names = files();
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    Offset last_batch = 0;
    for (const JournalPlace& place : places_)
      if (place.file == names[i]) last_batch = std::max(last_batch, place.batch);
    auto disk = made_.copy();
    Bytes content = disk->content(names[i]);
    std::fill(content.begin() + last_batch, content.end(), std::byte{0});  // the trailer too
    disk->plant(names[i], content);
    const Kept kept = kept_of(*disk, made_);
    EXPECT_THAT(kept.wrong, IsEmpty());
    const SegmentNumber number = first_of(names[i], PlaceKind::segment_header).segment;
    if (number > 1) {
      EXPECT_EQ(gone(kept), alive_in(number, last_batch));
    }
    EXPECT_GE(kept.report.corrupt_bytes, std::uint64_t{kPageSize});
    EXPECT_EQ(kept.report.cut_bytes, 0u);
    EXPECT_THAT(kept.report.losses, Contains(HasSubstr(names[i])));
  }
}

TEST_P(RecoveryFiles, FilesOfOthersAreLeftAlone) {
  auto disk = made_.copy();
  const std::string text = "not a segment at all";
  disk->plant("backup.seg", as_bytes(text));
  disk->plant("notes.txt", as_bytes(text));
  SegmentHeader foreign;
  foreign.number = 99;
  foreign.spool_id = random_uuid();
  foreign.segment_bytes = kSegmentBytesMin;
  disk->plant("journal-000077.seg", Bytes(kSegmentBytesMin));
  set_header(*disk, "journal-000077.seg", foreign);
  disk->plant("copy-of-" + files().front(), disk->content(files().front()));
  const auto before = contents(*disk);
  const Kept kept = kept_of(*disk, made_);
  EXPECT_THAT(kept.wrong, IsEmpty());
  EXPECT_THAT(kept.missing, IsEmpty());
  EXPECT_THAT(kept.report.losses, IsEmpty());
  const auto after = contents(*disk);
  for (const std::string& name : {std::string("backup.seg"), std::string("notes.txt"),
                                  std::string("journal-000077.seg"), "copy-of-" + files().front()})
    EXPECT_EQ(before.at(name), after.at(name)) << name;
}

TEST_P(RecoveryFiles, FilesOfOthersCountAgainstTheLimit) {
  auto disk = made_.copy();
  disk->plant("notes.txt", Bytes(1u << 20));
  SpoolHarness spool(*disk, tiny_options());
  ASSERT_TRUE(spool.is_open());
  spool.run();
  std::uint64_t sum = 0;
  const auto listed = disk->list();
  for (const FileInfo& info : *listed) sum += info.size;
  EXPECT_EQ(spool->status().disk_bytes, sum);
}

TEST_P(RecoveryFiles, ATornNewHeaderOverOldRecordsBringsNothingBack) {
  // The last segment's header page and first batch never got to the disk: the file holds an old
  // life.
  const std::string oldest = files().front();
  auto disk = made_.copy();
  Bytes old = disk->content(oldest);
  for (std::size_t at = 0; at < SegmentHeader::kSize; ++at) old[at] ^= std::byte{0x5A};
  disk->plant("journal-000070.seg", old);  // whole records of segment 1, and perhaps its trailer
  const Kept kept = kept_of(*disk, made_);
  EXPECT_THAT(kept.wrong, IsEmpty());
  EXPECT_THAT(kept.missing, IsEmpty());
  EXPECT_THAT(kept.back, IsEmpty());
}

TEST_P(RecoveryFiles, AnOldLifeIsNotReadAfterItsSegmentWasGivenUp) {
  auto disk = made_.copy();
  const std::string oldest = files().front();
  const Bytes old = disk->content(oldest);
  {
    SpoolHarness spool(*disk, tiny_options());
    ASSERT_TRUE(spool.is_open());
    for (const QueueId queue : spool.queues())
      for (const Entry& entry : spool.fetch_all(queue)) spool->settle(entry);
    spool.settle_down();
    ASSERT_LE(spool->status().segments, 3u);
    Bytes torn = old;
    torn[20] ^= std::byte{1};
    disk->plant("journal-000071.seg", torn);
  }
  auto after = disk->restart(3, Keep::everything);
  SpoolHarness again(*after, tiny_options());
  ASSERT_TRUE(again.is_open());
  EXPECT_THAT(again->recovery().losses, IsEmpty());
  for (const QueueId queue : again.queues()) EXPECT_THAT(again.bodies_in(queue), IsEmpty());
}

TEST_P(RecoveryFiles, ALaterVersionOfTheFolderIsRefusedAndLeftUntouched) {
  auto disk = made_.copy();
  const Bytes id = disk->content("spool.id");
  std::string text(reinterpret_cast<const char*>(id.data()), id.size());
  text.replace(text.find("version: 1"), 10, "version: 2");
  disk->plant("spool.id", as_bytes(text));
  const auto before = contents(*disk);
  SpoolHarness spool(*disk, tiny_options());
  ASSERT_FALSE(spool.is_open());
  EXPECT_EQ(spool.opened().error().code, Errc::wrong_version);
  EXPECT_EQ(contents(*disk), before);
}

TEST_P(RecoveryFiles, ALaterVersionOfASegmentIsRefusedAndLeftUntouched) {
  auto disk = made_.copy();
  const std::string file = files()[1];
  auto header = SegmentHeader::decode(disk->content(file));
  ASSERT_TRUE(header);
  header->version = kFormatVersion + 1;
  set_header(*disk, file, *header);
  const auto before = contents(*disk);
  SpoolHarness spool(*disk, tiny_options());
  ASSERT_FALSE(spool.is_open());
  EXPECT_EQ(spool.opened().error().code, Errc::wrong_version);
  EXPECT_THAT(spool.opened().error().detail, HasSubstr(file));
  EXPECT_EQ(contents(*disk), before);
}

TEST_P(RecoveryFiles, SegmentsWithoutTheSpoolsNameAreRefusedAndLeftUntouched) {
  auto disk = made_.copy();
  ASSERT_TRUE(disk->remove("spool.id"));
  const auto before = contents(*disk);
  SpoolHarness spool(*disk, tiny_options());
  ASSERT_FALSE(spool.is_open());
  EXPECT_EQ(spool.opened().error().code, Errc::corrupt);
  EXPECT_EQ(contents(*disk), before);
}

TEST_P(RecoveryFiles, AFolderThatSomebodyElseHasOpenIsRefused) {
  auto disk = made_.copy();
  const auto lock = disk->lock();
  ASSERT_TRUE(lock);
  SpoolHarness spool(*disk, tiny_options());
  ASSERT_FALSE(spool.is_open());
  EXPECT_EQ(spool.opened().error().code, Errc::spool_locked);
}

class RecoveryCrash : public RecoveryFiles {
 protected:
  // Opens, with the power going at each step of opening in turn; then opens for good.
  void crash_everywhere(const MemoryDisk& damaged, const Kept& expected) {
    for (std::size_t step = 0;; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      for (const Keep keep : {Keep::nothing, Keep::everything, Keep::random}) {
        const auto disk = damaged.restart(step + 5, Keep::everything);
        disk->crash_at(step);
        {
          SpoolHarness spool(*disk, tiny_options());
          if (spool.is_open()) spool.run();
          if (!disk->power_is_off()) {
            EXPECT_GT(step, 10u);
            return;
          }
        }
        const auto after = disk->restart(step * 3 + 1, keep);
        const Kept kept = kept_of(*after, made_);
        EXPECT_THAT(kept.wrong, IsEmpty());
        EXPECT_EQ(gone(kept), gone(expected));
        EXPECT_EQ(kept.back, expected.back);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
};

TEST_P(RecoveryCrash, ACrashAtAnyStepOfOpeningChangesNothing) {
  const auto disk = made_.copy();
  crash_everywhere(*made_.disk, kept_of(*disk, made_));
}

TEST_P(RecoveryCrash, ACrashAtAnyStepOfOpeningADamagedJournalLosesNoMoreThanIsDamaged) {
  const std::string file = files()[files().size() - 2];
  const auto damaged = made_.copy();
  int seen = 0;
  for (const JournalPlace& place : places_)
    if (place.kind == PlaceKind::payload && place.type == RecordType::message &&
        (place.file == file || place.segment == made_.last) && ++seen % 9 == 0)
      damaged->flip(place.file, place.offset + 5, std::byte{4});
  // So is one of the batch before the last, and only the last says that it was synced; it is torn.
  Offset before = 0;
  for (const JournalPlace& place : places_)
    if (place.segment == made_.last && place.batch < made_.tail)
      before = std::max(before, place.batch);
  const auto found = std::ranges::find_if(places_, [&](const JournalPlace& place) {
    return place.segment == made_.last && place.batch == before &&
           place.kind == PlaceKind::payload && place.type == RecordType::message;
  });
  ASSERT_NE(found, places_.end());
  damaged->flip(found->file, found->offset + 5, std::byte{4});
  for (const JournalPlace& place : places_)
    if (place.segment == made_.last && place.batch == made_.tail &&
        place.kind == PlaceKind::payload)
      damaged->flip(place.file, place.offset, std::byte{4});
  const auto disk = damaged->restart(1, Keep::everything);
  const Kept expected = kept_of(*disk, made_);
  ASSERT_THAT(gone(expected), Not(IsEmpty()));
  crash_everywhere(*damaged, expected);
}

INSTANTIATE_TEST_SUITE_P(Journal, RecoveryFiles, testing::Values(true, false),
                         [](const auto& which) { return which.param ? "Sealed" : "Unsealed"; });
INSTANTIATE_TEST_SUITE_P(Journal, RecoveryCrash, testing::Values(true, false),
                         [](const auto& which) { return which.param ? "Sealed" : "Unsealed"; });

}  // namespace
}  // namespace pannier::spool
