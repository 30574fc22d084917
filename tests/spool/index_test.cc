#include "sidecar/spool/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/samples.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class IndexTest : public testing::Test {
 protected:
  Entry add(SegmentNumber number, QueueId queue, Sequence sequence, Priority priority = 0) {
    Segment& segment = *index_.segment(number);
    const Entry entry =
        sample_entry(number, static_cast<Ordinal>(segment.entries), queue, sequence, priority);
    index_.add(segment, entry);
    return entry;
  }
  std::uint64_t live(QueueId queue, Priority priority = 0) {
    return index_.queue(queue)->lanes[priority].live;
  }
  spool::Run& run(SegmentNumber number, Lane lane) { return *index_.segment(number)->find(lane); }

  void SetUp() override {
    for (const SegmentNumber number : {1, 2}) index_.add_segment(sample_header(number), {});
    for (const QueueId queue : {6, 7}) index_.add_queue(queue);
  }

  Index index_;
};

TEST_F(IndexTest, CountsByLaneAcrossSegments) {
  add(1, 7, 1), add(1, 7, 2), add(1, 7, 3, 9), add(1, 6, 1);
  add(2, 7, 4);
  EXPECT_EQ(live(7), 3u);
  EXPECT_EQ(live(7, 9), 1u);
  EXPECT_EQ(live(6), 1u);
  EXPECT_EQ(index_.queue(7)->lanes[0].message_bytes, 120u);
  EXPECT_THAT(index_.queue(7)->lanes[0].segments, ElementsAre(1, 2));
  EXPECT_EQ(index_.queue(7)->last_sequence, 4u);
  EXPECT_EQ(index_.live_bytes(), 500u);
  EXPECT_EQ(index_.queue(8), nullptr);
  EXPECT_EQ(index_.segment(3), nullptr);
}

TEST_F(IndexTest, SettlesAnEntryOnce) {
  const Entry entry = add(1, 7, 1);
  add(1, 7, 2);
  EXPECT_TRUE(index_.is_live(*index_.segment(1), entry));
  EXPECT_TRUE(index_.settle(entry));
  EXPECT_FALSE(index_.settle(entry));
  EXPECT_FALSE(index_.is_live(*index_.segment(1), entry));
  EXPECT_EQ(live(7), 1u);
  EXPECT_EQ(index_.live_bytes(), 100u);
  Entry elsewhere = entry;
  elsewhere.segment = 9;
  EXPECT_FALSE(index_.settle(elsewhere));
}

TEST_F(IndexTest, PurgesAllUpToASequenceButWhatConsumersHold) {
  add(1, 7, 1), add(1, 6, 1);
  const Entry held = add(1, 7, 2);
  const Entry last = add(2, 7, 3);
  index_.purge(7, 3, {held});
  const Entry later = add(2, 7, 4);
  EXPECT_EQ(live(7), 2u);
  EXPECT_EQ(live(6), 1u);
  EXPECT_EQ(index_.live_bytes(), 300u);
  EXPECT_TRUE(index_.is_live(*index_.segment(1), held));
  EXPECT_FALSE(index_.is_live(*index_.segment(2), last));
  EXPECT_TRUE(index_.is_live(*index_.segment(2), later));
  EXPECT_TRUE(index_.settle(held));
  EXPECT_EQ(live(7), 1u);
}

TEST_F(IndexTest, CountsAPurgedEntryThatIsSettledLaterOnlyOnce) {
  const Entry entry = add(1, 7, 1);
  index_.purge(7, 1, {});
  EXPECT_EQ(index_.live_bytes(), 0u);
  index_.settle(entry);
  EXPECT_EQ(live(7), 0u);
  EXPECT_EQ(index_.live_bytes(), 0u);
  EXPECT_EQ(index_.segment(1)->live_entries(), 0u);
}

TEST_F(IndexTest, DropsAQueueWithAllThatIsInIt) {
  const Entry entry = add(1, 7, 1);
  add(2, 7, 2, 9), add(1, 6, 1);
  index_.drop_queue(7);
  index_.drop_queue(7);
  EXPECT_EQ(index_.queue(7), nullptr);
  EXPECT_EQ(index_.live_bytes(), 100u);
  EXPECT_FALSE(index_.is_live(*index_.segment(1), entry));
  EXPECT_EQ(index_.segment(2)->live_entries(), 0u);
}

TEST_F(IndexTest, ForgetsASegmentThatIsGone) {
  const Entry entry = add(1, 7, 1);
  add(2, 7, 2);
  EXPECT_TRUE(index_.is_oldest(1));
  EXPECT_TRUE(index_.settle(entry));
  index_.remove_segment(1);
  EXPECT_THAT(index_.queue(7)->lanes[0].segments, ElementsAre(2));
  EXPECT_THAT(index_.numbers(), ElementsAre(2));
  EXPECT_TRUE(index_.is_oldest(2));
  index_.segment(2)->state = Segment::State::leaving;
  EXPECT_THAT(index_.numbers(), IsEmpty());
}

TEST_F(IndexTest, CountsARunAnewFromItsEntries) {
  RunInfo info;
  info.lane = {7, 0};
  info.count = 3;
  info.first = 11;
  info.last = 13;
  info.share_bytes = 300;
  info.message_bytes = 120;
  Segment& segment = *index_.segment(2);
  index_.add_sealed(segment, info);
  EXPECT_EQ(live(7), 3u);
  EXPECT_EQ(index_.queue(7)->last_sequence, 13u);
  EXPECT_EQ(index_.live_bytes(), 300u);
  std::vector<Entry> entries;
  for (const Ordinal at : {Ordinal{0}, Ordinal{1}, Ordinal{2}})
    entries.push_back(sample_entry(2, at, 7, 11u + at));
  segment.mark_settled({1, 1});
  index_.queue(7)->purged_up_to = 11;
  index_.recount(segment, run(2, {7, 0}), entries);
  EXPECT_EQ(live(7), 1u);
  EXPECT_EQ(index_.live_bytes(), 100u);
  EXPECT_EQ(segment.live_entries(), 1u);
}

TEST_F(IndexTest, LeavesOutTheRunsOfQueuesThatAreGone) {
  RunInfo info;
  info.lane = {99, 0};
  info.count = 3;
  info.share_bytes = 300;
  index_.add_sealed(*index_.segment(1), info);
  EXPECT_EQ(index_.live_bytes(), 0u);
  EXPECT_EQ(index_.segment(1)->live_entries(), 0u);
}

TEST_F(IndexTest, CountsPartsAsLiveBytes) {
  index_.add_part_bytes(*index_.segment(1), 5000);
  EXPECT_EQ(index_.live_bytes(), 5000u);
  EXPECT_EQ(index_.segment(1)->live_bytes(), 5000u);
  index_.add_part_bytes(*index_.segment(1), -5000);
  EXPECT_EQ(index_.live_bytes(), 0u);
}

}  // namespace
}  // namespace pannier::spool
