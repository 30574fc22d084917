#include "sidecar/queue/push_marks.h"

#include <set>

#include "common/random.h"
#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

SequenceRanges ranges_of(const std::set<Sequence>& sequences) {
  SequenceRanges ranges;
  for (const Sequence sequence : sequences) ranges.insert(sequence);
  return ranges;
}

TEST(SequenceRanges, HoldWhatASetHolds) {
  Random random(7);
  std::set<Sequence> set;
  SequenceRanges ranges;
  for (int i = 0; i < 20'000; ++i) {
    const Sequence sequence = 1 + random.below(60);
    switch (random.below(20)) {
      case 0:
        EXPECT_EQ(ranges.erase_below(sequence), !set.empty() && *set.begin() < sequence);
        set.erase(set.begin(), set.lower_bound(sequence));
        break;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
      case 7: EXPECT_EQ(ranges.erase(sequence), set.erase(sequence) == 1); break;
      default: EXPECT_EQ(ranges.insert(sequence), set.insert(sequence).second); break;
    }
    std::set<Sequence> held;
    Sequence last = 0;
    for (const auto& range : ranges.ranges()) {
      EXPECT_TRUE(held.empty() || range.first > last + 1);
      for (Sequence each = range.first; each <= range.last; ++each) held.insert(each);
      last = range.last;
    }
    ASSERT_EQ(held, set);
    ASSERT_EQ(ranges.contains(sequence), set.contains(sequence));
    const auto decoded = SequenceRanges::decode(ranges.encode());
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->ranges(), ranges.ranges());
  }
}

TEST(SequenceRanges, WhatIsNoListOfRangesIsRefused) {
  const auto decodes = [](const std::vector<std::uint64_t>& numbers) {
    Bytes bytes;
    ByteWriter out(bytes);
    for (const std::uint64_t number : numbers) out.le(number);
    return SequenceRanges::decode(bytes).has_value();
  };
  EXPECT_TRUE(decodes({}));
  EXPECT_TRUE(decodes({1, 2, 4, ~0ull}));
  EXPECT_FALSE(decodes({1}));
  EXPECT_FALSE(decodes({0, 1}));
  EXPECT_FALSE(decodes({2, 1}));
  EXPECT_FALSE(decodes({1, 2, 3, 4}));
  EXPECT_FALSE(decodes({5, 6, 1, 2}));
  EXPECT_FALSE(decodes({1, 2, 0, 0}));
}

TEST(SequenceRanges, TheLargestSequencesAreSequencesToo) {
  SequenceRanges ranges = ranges_of({~0ull, ~0ull - 1});
  EXPECT_EQ(ranges.size(), 1u);
  EXPECT_TRUE(ranges.erase_below(~0ull));
  EXPECT_TRUE(ranges.contains(~0ull));
  EXPECT_TRUE(ranges.erase(~0ull));
  EXPECT_TRUE(ranges.empty());
}

class PushMarksTest : public testing::Test {
 protected:
  MemoryDisk disk;

  static PushSource source_of(const Queue& queue, char spool = 's', std::uint32_t number = 1) {
    PushSource source;
    source.queue = queue.id();
    source.spool.fill(static_cast<std::byte>(spool));
    source.number = number;
    return source;
  }
  static std::vector<Taken::How> take(QueueHarness& agent, const QueuePtr& queue,
                                      const PushSource& source,
                                      const std::vector<Sequence>& sequences) {
    std::vector<Pushed> pushed;
    for (const Sequence sequence : sequences)
      pushed.push_back({sequence, message(std::to_string(sequence)), 0, false});
    const auto taken = agent.registry->take(queue, source, pushed);
    EXPECT_TRUE(taken);
    std::vector<Taken::How> hows;
    for (const auto& outcome : taken->outcomes) hows.push_back(outcome.how);
    agent.turn();
    return hows;
  }
  static void pass(QueueHarness& agent, std::chrono::milliseconds time) {
    agent.clock.advance(time);
    agent.registry->on_time(agent.clock.now());
    agent.turn();
  }
  static std::size_t items(QueueHarness& agent) {
    std::size_t count = 0;
    agent.spool->for_each_state(kPushMarkState, [&count](ByteView, ByteView) { ++count; });
    return count;
  }
};

constexpr auto kTaken = Taken::How::taken;
constexpr auto kKnown = Taken::How::known;
constexpr auto kRefused = Taken::How::refused;

TEST_F(PushMarksTest, OutliveARestart) {
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    take(agent, queue, source_of(*queue), {1, 2, 5});
    take(agent, queue, source_of(*queue, 't'), {7});
  }
  const auto after = disk.restart(1);
  QueueHarness again(*after);
  const QueuePtr queue = again.find("orders");
  const std::vector expected{kKnown, kKnown, kTaken, kTaken, kKnown};
  EXPECT_EQ(take(again, queue, source_of(*queue), {1, 2, 3, 4, 5}), expected);
  EXPECT_EQ(take(again, queue, source_of(*queue, 't'), {7, 1}), (std::vector{kKnown, kTaken}));
  EXPECT_EQ(queue->status().ready, 7u);
}

TEST_F(PushMarksTest, AKnownMessageWaitsForTheSyncOfItsMark) {
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  agent.turn();
  const std::vector<Pushed> pushed{{1, message("a"), 0, false}};
  const auto first = agent.registry->take(queue, source_of(*queue), pushed);
  const auto second = agent.registry->take(queue, source_of(*queue), pushed);
  ASSERT_TRUE(first && second);
  EXPECT_GT(first->outcomes.at(0).commit, agent.spool->synced_commit());
  EXPECT_EQ(second->outcomes.at(0).how, kKnown);
  EXPECT_EQ(second->outcomes.at(0).commit, first->outcomes.at(0).commit);
}

TEST_F(PushMarksTest, WhatIsForgottenIsJournaledAfterAWhile) {
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  const PushSource source = source_of(*queue);
  take(agent, queue, source, {1, 2, 3});
  EXPECT_FALSE(agent.registry->push_marks().deadline());
  const auto commit = agent.spool->last_commit();
  agent.registry->push_marks().forget(source, std::vector<Sequence>{1, 9});
  agent.turn();
  EXPECT_EQ(agent.spool->last_commit(), commit);
  EXPECT_EQ(agent.registry->push_marks().deadline(), agent.clock.now() + kMarkDelay);
  EXPECT_LE(agent.registry->deadline(), agent.clock.now() + kMarkDelay);
  pass(agent, kMarkDelay);
  {
    const auto after = disk.restart(1);
    QueueHarness again(*after);
    EXPECT_FALSE(again.registry->push_marks().holds(source, 1));
    EXPECT_TRUE(again.registry->push_marks().holds(source, 2));
  }
  agent.registry->push_marks().forget_below(source, 4);
  pass(agent, kMarkDelay);
  EXPECT_EQ(items(agent), 0u);
  EXPECT_EQ(agent.registry->push_marks().marks(), 0u);
  const auto after = disk.restart(1);
  QueueHarness again(*after);
  EXPECT_EQ(again.registry->push_marks().marks(), 0u);
}

TEST_F(PushMarksTest, WhatIsForgottenRidesWithTheNextMessages) {
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  const PushSource source = source_of(*queue);
  take(agent, queue, source, {1, 2, 3});
  agent.registry->push_marks().forget(source, std::vector<Sequence>{2});
  take(agent, queue, source, {4});
  const auto after = disk.restart(1);
  QueueHarness again(*after);
  EXPECT_FALSE(again.registry->push_marks().holds(source, 2));
  EXPECT_TRUE(again.registry->push_marks().holds(source, 4));
}

TEST_F(PushMarksTest, GoWithTheirQueue) {
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  const QueuePtr mail = agent.declare("mail");
  take(agent, queue, source_of(*queue), {1});
  take(agent, queue, source_of(*queue, 't'), {1});
  take(agent, mail, source_of(*mail), {1});
  agent.registry->push_marks().forget(source_of(*queue), std::vector<Sequence>{1});
  EXPECT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  EXPECT_EQ(agent.registry->push_marks().marks(), 1u);
  EXPECT_EQ(items(agent), 1u);
  pass(agent, kMarkDelay);
  EXPECT_EQ(items(agent), 1u);
  EXPECT_TRUE(agent.registry->push_marks().holds(source_of(*mail), 1));
}

TEST_F(PushMarksTest, ThoseOfQueuesThatAreGoneAreErased) {
  {
    QueueHarness agent(disk);
    const QueuePtr queue = agent.declare("orders");
    take(agent, queue, source_of(*queue), {1});
    spool::Group group;
    agent.spool->drop_queue(group, queue->id());
    ASSERT_TRUE(agent.spool->append(group));
    agent.turn();
  }
  const auto after = disk.restart(1);
  QueueHarness again(*after);
  EXPECT_EQ(items(again), 1u);
  pass(again, kMarkDelay);
  EXPECT_EQ(items(again), 0u);
  EXPECT_EQ(again.registry->push_marks().marks(), 0u);
}

TEST_F(PushMarksTest, AMarkWithTooManyHolesTakesNoMore) {
  RegistryLimits limits;
  limits.push_marks.ranges_per_mark = 3;
  QueueHarness agent(disk, {}, limits);
  const QueuePtr queue = agent.declare("orders");
  const PushSource source = source_of(*queue);
  const std::vector expected{kTaken, kTaken, kTaken, kRefused, kTaken, kTaken};
  EXPECT_EQ(take(agent, queue, source, {1, 3, 5, 9, 4, 9}), expected);
  EXPECT_FALSE(agent.registry->push_marks().holds(source, 11));
  EXPECT_EQ(agent.registry->push_marks().ranges(), 3u);
  EXPECT_EQ(queue->status().ready, 5u);
}

TEST_F(PushMarksTest, WithTooManyTheOneThatRestedLongestGivesWay) {
  RegistryLimits limits;
  limits.push_marks.marks = 2;
  QueueHarness agent(disk, {}, limits);
  const QueuePtr queue = agent.declare("orders");
  take(agent, queue, source_of(*queue, 'a'), {1});
  take(agent, queue, source_of(*queue, 'b'), {1});
  take(agent, queue, source_of(*queue, 'a'), {2});
  take(agent, queue, source_of(*queue, 'c'), {1});
  const PushMarks& marks = agent.registry->push_marks();
  EXPECT_EQ(marks.marks(), 2u);
  EXPECT_EQ(items(agent), 2u);
  EXPECT_FALSE(marks.holds(source_of(*queue, 'b'), 1));
  EXPECT_TRUE(marks.holds(source_of(*queue, 'a'), 1));
}

TEST_F(PushMarksTest, WithTooManyRangesTheOneThatRestedLongestGivesWay) {
  RegistryLimits limits;
  limits.push_marks.ranges = 4;
  QueueHarness agent(disk, {}, limits);
  const QueuePtr queue = agent.declare("orders");
  take(agent, queue, source_of(*queue, 'a'), {1});
  take(agent, queue, source_of(*queue, 'b'), {1, 3});
  take(agent, queue, source_of(*queue, 'c'), {1, 3});
  const PushMarks& marks = agent.registry->push_marks();
  EXPECT_EQ(marks.ranges(), 4u);
  EXPECT_FALSE(marks.holds(source_of(*queue, 'a'), 1));
  EXPECT_TRUE(marks.holds(source_of(*queue, 'b'), 1));
}

// A group of small segments has 128 KiB: what does not fit goes in several.
TEST_F(PushMarksTest, ABatchThatIsTooLargeForAGroupIsTakenInParts) {
  QueueHarness agent(disk);
  const QueuePtr queue = agent.declare("orders");
  std::vector<Pushed> pushed;
  for (Sequence sequence = 1; sequence <= 8; ++sequence)
    pushed.push_back({sequence, message(std::string(50'000, 'x')), 0, false});
  const auto some = agent.registry->take(queue, source_of(*queue), pushed);
  ASSERT_TRUE(some);
  EXPECT_EQ(some->outcomes.size(), 2u);
  EXPECT_EQ(queue->status().ready, 2u);
  const std::vector<Pushed> huge{{9, message(std::string(200'000, 'x')), 0, false}};
  const auto none = agent.registry->take(queue, source_of(*queue), huge);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->outcomes.at(0).how, kRefused);
  EXPECT_FALSE(agent.registry->push_marks().holds(source_of(*queue), 9));
}

}  // namespace
}  // namespace pannier::queue
