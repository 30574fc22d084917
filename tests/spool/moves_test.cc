#include "sidecar/spool/moves.h"

#include <gtest/gtest.h>

#include "tests/spool/samples.h"

namespace pannier::spool {
namespace {

Moves::Place place(SegmentNumber segment, Ordinal ordinal) {
  return {segment, 1000u + ordinal, 64, 32, ordinal};
}

// Where the entry that was `ordinal` of `segment` is now.
std::pair<SegmentNumber, Ordinal> now(const Moves& moves, SegmentNumber segment, Ordinal ordinal) {
  const Entry entry = moves.resolved(sample_entry(segment, ordinal, 7, 1));
  return {entry.segment, entry.ordinal};
}
using At = std::pair<SegmentNumber, Ordinal>;

TEST(Moves, LeadsFromTheOldPlaceToTheNewOne) {
  Moves moves;
  moves.note(1, 5, place(9, 0), true);
  const Entry entry = moves.resolved(sample_entry(1, 5, 7, 42));
  EXPECT_EQ(entry.segment, 9u);
  EXPECT_EQ(entry.offset, 1000u);
  EXPECT_EQ(entry.record_bytes, 64u);
  EXPECT_EQ(entry.share_bytes, 32u);
  EXPECT_EQ(entry.ordinal, 0);
  EXPECT_EQ(entry.sequence, 42u);
  EXPECT_EQ(entry.queue, 7u);
  EXPECT_EQ(now(moves, 1, 6), (At{1, 6}));
  EXPECT_EQ(now(moves, 2, 5), (At{2, 5}));
}

TEST(Moves, LeadsToTheEndInOneStepHoweverOftenAnEntryMoves) {
  Moves moves;
  moves.note(1, 5, place(9, 0), true);
  moves.note(9, 0, place(12, 3), false);
  moves.note(12, 3, place(15, 1), true);
  EXPECT_EQ(now(moves, 1, 5), (At{15, 1}));
  EXPECT_EQ(now(moves, 12, 3), (At{15, 1}));
  EXPECT_EQ(now(moves, 9, 0), (At{9, 0})) << "nobody held it by that place";
}

TEST(Moves, KeepsNothingThatNobodyHolds) {
  Moves moves;
  moves.note(1, 5, place(9, 0), false);
  EXPECT_EQ(moves.size(), 0u);
  EXPECT_EQ(now(moves, 1, 5), (At{1, 5}));
}

TEST(Moves, ForgetsASegmentOnceTheLastHeldEntryIsGivenBack) {
  Moves moves;
  moves.note(1, 5, place(9, 0), true);
  moves.note(1, 6, place(9, 1), true);
  moves.segment_left(1, 2);
  moves.given_back(1);
  EXPECT_EQ(now(moves, 1, 6), (At{9, 1}));
  moves.given_back(1);
  EXPECT_EQ(moves.size(), 0u);
  moves.given_back(1);
}

TEST(Moves, ForgetsAtOnceASegmentOfWhichNothingIsHeld) {
  Moves moves;
  moves.note(1, 5, place(9, 0), true);
  moves.segment_left(1, 0);
  EXPECT_EQ(moves.size(), 0u);
  moves.note(9, 0, place(12, 3), false);
  EXPECT_EQ(moves.size(), 0u) << "the place is not named any more";
}

}  // namespace
}  // namespace pannier::spool
