// Flips one byte at every place of a journal and opens it: everything else is kept, what is missing
// is named, and nothing wrong is served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/log.h"
#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class RecoveryDamage : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    log::set_sink([](std::string_view) {});
    made_ = make_journal(GetParam());
  }
  void TearDown() override { log::set_sink({}); }

  bool is_tail(const JournalPlace& place) const {
    return place.segment == made_.last && place.batch == made_.tail;
  }

  // Messages of the record; of a part: the message that the body belongs to.
  std::set<std::size_t> messages_of(const JournalPlace& place) const {
    std::set<std::size_t> ids;
    const Offset header = place.kind == PlaceKind::payload
                              ? place.offset - Offset{RecordHeader::kSize}
                              : place.offset;
    for (std::size_t id = 0; id < made_.messages.size(); ++id) {
      const MadeMessage& message = made_.messages[id];
      if (place.type == RecordType::message && message.at == Position{place.segment, header})
        ids.insert(id);
      if (place.type == RecordType::part && message.body == made_.large_body) ids.insert(id);
    }
    std::erase_if(ids, [this](std::size_t id) { return made_.messages[id].is_settled; });
    return ids;
  }

  static std::set<std::size_t> gone(const Kept& kept) {
    std::set<std::size_t> ids = kept.missing;
    ids.insert(kept.corrupt.begin(), kept.corrupt.end());
    return ids;
  }

  void flip(MemoryDisk& disk, const JournalPlace& place) const {
    disk.flip(place.file, place.offset + place.size / 2, std::byte{0x10});
  }

  MadeJournal made_;
};

TEST_P(RecoveryDamage, AnUndamagedJournalIsWhole) {
  auto disk = made_.copy();
  const Kept kept = kept_of(*disk, made_);
  EXPECT_THAT(kept.wrong, IsEmpty());
  EXPECT_THAT(kept.missing, IsEmpty());
  EXPECT_THAT(kept.corrupt, IsEmpty());
  EXPECT_THAT(kept.back, IsEmpty());
  EXPECT_THAT(kept.report.losses, IsEmpty());
  EXPECT_EQ(kept.report.corrupt_bytes, 0u);
  EXPECT_EQ(kept.quarantine_files, 0u);
  EXPECT_GE(kept.report.segments, 3u);
}

TEST_P(RecoveryDamage, LosesAtMostTheRecordThatIsDamagedWhicheverItIs) {
  int checked = 0;
  for (const JournalPlace& place : places_in(*made_.disk)) {
    if (is_tail(place)) continue;
    SCOPED_TRACE(text_of(place));
    ++checked;
    auto disk = made_.copy();
    flip(*disk, place);
    const Kept kept = kept_of(*disk, made_);
    EXPECT_THAT(kept.wrong, IsEmpty());
    const bool is_record =
        place.kind == PlaceKind::record_header || place.kind == PlaceKind::payload;
    const std::set<std::size_t> lost = is_record ? messages_of(place) : std::set<std::size_t>();
    const bool may_lose_queue = is_record && place.type == RecordType::state;
    if (!may_lose_queue) {
      EXPECT_EQ(gone(kept), lost);
    }
    // Behind a broken header nobody knows where the next group begins: a settle may be left out.
    const bool may_come_back =
        is_record && (place.type == RecordType::settle || place.kind == PlaceKind::record_header);
    if (!may_come_back) {
      EXPECT_THAT(kept.back, IsEmpty());
    }
    if (!gone(kept).empty()) {
      EXPECT_GE(kept.report.losses.size() + kept.corrupt_records, 1u);
      EXPECT_GE(kept.quarantine_files, 1u);
    }
    if (!kept.report.losses.empty()) {
      EXPECT_FALSE(kept.report.was_clean);
    }
    if (!place.is_sealed && is_record) {
      EXPECT_THAT(kept.report.losses, Contains(HasSubstr(place.file)));
      EXPECT_GT(kept.report.corrupt_bytes, 0u);
      EXPECT_EQ(kept.report.quarantined_bytes, kept.report.corrupt_bytes);
      EXPECT_EQ(kept.quarantine_files, 1u);
    }
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(checked, 300);
}

TEST_P(RecoveryDamage, DamageOfTheLastBatchCutsItOffAndNothingElse) {
  for (const JournalPlace& place : places_in(*made_.disk)) {
    if (!is_tail(place)) continue;
    SCOPED_TRACE(text_of(place));
    auto disk = made_.copy();
    flip(*disk, place);
    const Kept kept = kept_of(*disk, made_);
    EXPECT_THAT(kept.wrong, IsEmpty());
    EXPECT_THAT(kept.missing, IsEmpty());
    EXPECT_THAT(kept.report.losses, IsEmpty());
  }
}

TEST_P(RecoveryDamage, FindsNothingWrongTheSecondTime) {
  const auto places = places_in(*made_.disk);
  for (std::size_t i = 0; i < places.size(); i += 7) {
    if (is_tail(places[i])) continue;
    SCOPED_TRACE(text_of(places[i]));
    auto disk = made_.copy();
    flip(*disk, places[i]);
    const Kept first = kept_of(*disk, made_);
    const auto after = disk->restart(2, Keep::everything);
    const Kept second = kept_of(*after, made_);
    EXPECT_EQ(gone(first), gone(second));  // what was met in between is compacted away
    EXPECT_EQ(first.back, second.back);
    EXPECT_EQ(second.report.quarantined_bytes > 0, first.quarantine_files > 0);
    EXPECT_THAT(second.wrong, IsEmpty());
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Journal, RecoveryDamage, testing::Values(true, false),
                         [](const auto& which) { return which.param ? "Sealed" : "Unsealed"; });

}  // namespace
}  // namespace pannier::spool
