#include "sidecar/spool/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/spool/journal.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}
StateItem put(StateKind kind, std::string_view key, std::string_view value) {
  return {kind, false, bytes_of(key), bytes_of(value)};
}
StateItem erased(StateKind kind, std::string_view key) { return {kind, true, bytes_of(key), {}}; }

std::string value_of(const StateStore& states, StateKind kind, std::string_view key) {
  const Bytes* value = states.find(kind, as_bytes(key));
  return value == nullptr ? "nothing" : std::string(as_text(*value));
}

std::vector<std::string> listed(const StateStore& states, StateKind kind) {
  std::vector<std::string> found;
  states.for_each(kind, [&](ByteView key, ByteView value) {
    found.push_back(std::string(as_text(key)) + "=" + std::string(as_text(value)));
  });
  return found;
}

std::vector<std::string> named(const std::vector<StateItem>& items) {
  std::vector<std::string> names;
  for (const StateItem& item : items)
    names.push_back(std::string(item.erased ? "-" : "+") + std::string(as_text(item.key)));
  return names;
}

TEST(StateStore, KeepsTheLatestOfEachKey) {
  StateStore states;
  states.note(put(StateKind::queue, "a", "1"), 1);
  states.note(put(StateKind::queue, "a", "2"), 2);
  states.note(put(StateKind::purge, "a", "3"), 3);
  EXPECT_EQ(value_of(states, StateKind::queue, "a"), "2");
  EXPECT_EQ(value_of(states, StateKind::purge, "a"), "3");
  EXPECT_EQ(value_of(states, StateKind::queue, "b"), "nothing");
  EXPECT_EQ(states.segment_of(StateKind::queue, as_bytes("a")), 2u);
  EXPECT_FALSE(states.segment_of(StateKind::queue, as_bytes("b")));
  EXPECT_EQ(states.size(), 2u);
}

TEST(StateStore, ListsOneKindWithoutWhatWasErased) {
  StateStore states;
  states.note(put(StateKind::run_state, "z", "0"), 1);
  states.note(put(StateKind::queue, "b", "2"), 1);
  states.note(put(StateKind::queue, "a", "1"), 1);
  states.note(put(StateKind::queue, "c", "3"), 1);
  states.note(erased(StateKind::queue, "b"), 2);
  states.note(put(StateKind::first_above, "", "4"), 1);
  EXPECT_THAT(listed(states, StateKind::queue), ElementsAre("a=1", "c=3"));
  EXPECT_THAT(listed(states, StateKind::first_above), ElementsAre("=4"));
  EXPECT_THAT(listed(states, StateKind::purge), IsEmpty());
}

// An older segment may still hold the value: were the tombstone lost with its own segment, the
// value would be back after the next start.
TEST(StateStore, CarriesATombstoneOnWhileAnOlderSegmentMayHoldTheItem) {
  StateStore states;
  states.note(put(StateKind::queue, "kept", "1"), 5);
  states.note(put(StateKind::queue, "gone", "2"), 4);
  states.note(erased(StateKind::queue, "gone"), 5);
  states.note(put(StateKind::queue, "other", "3"), 6);
  std::vector<std::pair<SegmentNumber, SegmentNumber>> asked;
  const auto any_in = [&](SegmentNumber from, SegmentNumber to) {
    asked.emplace_back(from, to);
    return true;
  };
  EXPECT_THAT(named(states.held_by(5, any_in)), ElementsAre("-gone", "+kept"));
  EXPECT_THAT(asked, ElementsAre(std::pair<SegmentNumber, SegmentNumber>(4, 5)));
  const auto none = [](SegmentNumber, SegmentNumber) { return false; };
  EXPECT_THAT(named(states.held_by(5, none)), ElementsAre("+kept"));
  EXPECT_THAT(named(states.held_by(4, none)), IsEmpty());
  states.forget_erased(5);
  EXPECT_EQ(states.size(), 2u);
  EXPECT_EQ(value_of(states, StateKind::queue, "kept"), "1");
}

TEST(StateStore, NeedsNoTombstoneForWhatCameAndWentInOneSegment) {
  StateStore states;
  states.note(put(StateKind::first_above, "binding", "1"), 4);
  states.note(erased(StateKind::first_above, "binding"), 4);
  EXPECT_EQ(states.size(), 0u);
  states.note(put(StateKind::first_above, "binding", "1"), 4);
  states.note(erased(StateKind::first_above, "binding"), 5);
  EXPECT_EQ(states.size(), 1u);
}

TEST(StateStore, ForgetsAQueueThatIsDropped) {
  StateStore states;
  const auto say_all = [&](QueueId queue) {
    const std::string name(as_text(key_of_queue(queue)));
    states.note(put(StateKind::queue, name, "q"), 4);
    states.note(put(StateKind::purge, name, "p"), 4);
    states.note(put(StateKind::sequence, name, "s"), 4);
    states.note(put(StateKind::horizon, as_text(key_of_lane({queue, 0})), "h"), 4);
    states.note(put(StateKind::horizon, as_text(key_of_lane({queue, 9})), "h"), 4);
  };
  const auto drop = [&](QueueId queue, SegmentNumber segment, bool had_messages) {
    const Bytes key = key_of_queue(queue);
    states.note(erased(StateKind::queue, as_text(key)), segment);
    states.forget_queue(key, had_messages);
  };
  for (const QueueId queue : {1, 2, 3}) say_all(queue);
  drop(1, 4, false);
  EXPECT_EQ(states.size(), 10u);
  drop(2, 4, true);  // there may be messages: the tombstone says that they are not lost
  EXPECT_EQ(states.size(), 6u);
  drop(3, 5, false);  // the older segment still says that it exists
  EXPECT_EQ(states.size(), 2u);
  EXPECT_EQ(states.bytes_in(4) + states.bytes_in(5), states.bytes());
}

TEST(StateStore, ForgetsWhatWasRecoveredOfQueuesThatAreGone) {
  StateStore states;
  const std::string gone(as_text(key_of_queue(1))), there(as_text(key_of_queue(2)));
  for (const std::string& name : {gone, there}) {
    states.note(put(StateKind::queue, name, "q"), 4);
    states.note(put(StateKind::sequence, name, "s"), 4);
  }
  states.note(erased(StateKind::queue, gone), 5);
  states.note(put(StateKind::sequence, std::string(as_text(key_of_queue(3))), "s"), 5);
  states.end_recovery();
  EXPECT_EQ(value_of(states, StateKind::sequence, there), "s");
  EXPECT_EQ(states.size(), 3u);
  std::vector<SegmentNumber> asked;
  static_cast<void>(states.held_by(5, [&](SegmentNumber from, SegmentNumber) {
    asked.push_back(from);
    return true;
  }));
  EXPECT_THAT(asked, ElementsAre(0));  // how far back its messages reach is not known
}

TEST(StateStore, FindsTheSnapshotsThatLieInASegment) {
  StateStore states;
  const auto snapshot = [](SegmentNumber of) {
    return StateItem{StateKind::snapshot, false, key_of(of), {}};
  };
  states.note(snapshot(1), 7);
  states.note(snapshot(256), 7);
  states.note(snapshot(2), 7);
  states.note(snapshot(2), 8);
  states.note(put(StateKind::segments, "", ""), 7);
  states.note(put(StateKind::counters, "", ""), 7);
  EXPECT_THAT(states.snapshots_in(7), testing::UnorderedElementsAre(1, 256));
  EXPECT_THAT(states.snapshots_in(8), ElementsAre(2));
  states.erase_item(StateKind::snapshot, key_of(2));
  EXPECT_THAT(states.snapshots_in(8), IsEmpty());
}

TEST(StateStore, NamesEachKindsKeyAsTheFormatDrawsIt) {
  EXPECT_EQ(key_of(0x0102030405060708),
            bytes_of(std::string_view("\x08\x07\x06\x05\x04\x03\x02\x01", 8)));
  EXPECT_EQ(key_of_queue(0x01020304), bytes_of("\x04\x03\x02\x01"));
  EXPECT_EQ(key_of_lane({0x01020304, 9}), bytes_of("\x04\x03\x02\x01\x09"));
  const StateItem list = segments_item({1, 3, 2});
  EXPECT_THAT(segments_from(list.value).value(), ElementsAre(1, 3, 2));
  EXPECT_FALSE(segments_from(ByteView(list.value).first(7)));
}

}  // namespace
}  // namespace pannier::spool
