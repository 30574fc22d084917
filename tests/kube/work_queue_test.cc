#include "operator/kube/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/fake_clock.h"

namespace pannier::kube {
namespace {

using std::chrono::milliseconds;

Key key(const std::string& name) { return {"MessageQueue", "shop", name}; }

struct WorkQueueTest : testing::Test {
  FakeClock clock;
  WorkQueue queue{clock, {milliseconds{5}, milliseconds{30}}};

  std::string take() {
    const auto taken = queue.try_take();
    return taken ? taken->name : "";
  }
};

TEST_F(WorkQueueTest, GivesKeysInTheOrderInWhichTheyCameAndEachOnce) {
  for (const char* const name : {"b", "a", "b", "c", "a"}) queue.add(key(name));
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(take(), "b");
  EXPECT_EQ(take(), "a");
  EXPECT_EQ(take(), "c");
  EXPECT_EQ(take(), "");
}

TEST_F(WorkQueueTest, NeverGivesAKeyTwiceAtOnceAndGivesItAgainWhenItWasAddedMeanwhile) {
  queue.add(key("a"));
  EXPECT_EQ(take(), "a");
  queue.add(key("a"));
  queue.add(key("a"));
  EXPECT_EQ(take(), "");
  queue.done(key("a"));
  EXPECT_EQ(take(), "a");
  queue.done(key("a"));
  EXPECT_EQ(take(), "");
}

TEST_F(WorkQueueTest, WhatIsDueLaterComesThenAndTheEarliestTimeCounts) {
  queue.add_after(key("a"), milliseconds{100});
  queue.add_after(key("a"), milliseconds{50});
  queue.add_after(key("a"), milliseconds{80});
  queue.add_after(key("b"), milliseconds{20});
  clock.advance(milliseconds{19});
  EXPECT_EQ(take(), "");
  EXPECT_EQ(queue.size(), 0u);
  clock.advance(milliseconds{31});
  EXPECT_EQ(take(), "b");
  EXPECT_EQ(take(), "a");
  queue.done(key("a"));
  clock.advance(milliseconds{100});
  EXPECT_EQ(take(), "");
}

TEST_F(WorkQueueTest, WhatIsDueWhileItIsWorkedOnComesAfterwards) {
  queue.add(key("a"));
  EXPECT_EQ(take(), "a");
  queue.add_after(key("a"), milliseconds{10});
  clock.advance(milliseconds{10});
  EXPECT_EQ(take(), "");
  queue.done(key("a"));
  EXPECT_EQ(take(), "a");
}

TEST_F(WorkQueueTest, FailuresDoubleTheDelayUpToTheMaximumUntilForgotten) {
  const auto delay_after_failure = [this] {
    queue.add_after_failure(key("a"));
    milliseconds waited{0};
    while (take().empty()) {
      clock.advance(milliseconds{1});
      ++waited;
    }
    queue.done(key("a"));
    return waited.count();
  };
  for (const int expected : {5, 10, 20, 30, 30}) EXPECT_EQ(delay_after_failure(), expected);
  queue.forget(key("a"));
  EXPECT_EQ(delay_after_failure(), 5);
}

TEST_F(WorkQueueTest, GivesNobodyAnythingOnceStopped) {
  queue.add(key("a"));
  queue.add(key("b"));
  EXPECT_EQ(take(), "a");
  queue.add(key("a"));
  queue.stop();
  queue.done(key("a"));
  queue.add(key("c"));
  EXPECT_EQ(take(), "");
  EXPECT_FALSE(queue.take());
}

// Real threads: each key is worked on by one at a time, and every add is followed by a run.
TEST(WorkQueueThreads, KeepTheFourPromises) {
  constexpr int kKeys = 5, kAdds = 2'000, kWorkers = 4;
  WorkQueue queue;
  std::array<std::atomic<int>, kKeys> added{}, seen{}, inside{};
  std::atomic<bool> is_twice = false;
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i)
    workers.emplace_back([&] {
      while (const auto taken = queue.take()) {
        const auto at = static_cast<std::size_t>(taken->name[0] - 'a');
        if (++inside[at] != 1) is_twice = true;
        seen[at] = added[at].load();
        std::this_thread::yield();
        --inside[at];
        queue.done(*taken);
      }
    });
  for (int i = 0; i < kAdds; ++i) {
    const auto at = static_cast<std::size_t>(i % kKeys);
    ++added[at];
    const Key next = key(std::string(1, static_cast<char>('a' + at)));
    i % 7 == 0 ? queue.add_after(next, milliseconds{1}) : queue.add(next);
  }
  const auto all_seen = [&] {
    for (std::size_t at = 0; at < kKeys; ++at)
      if (seen[at] != added[at]) return false;
    return true;
  };
  while (!all_seen()) std::this_thread::yield();
  queue.stop();
  for (std::thread& worker : workers) worker.join();
  EXPECT_FALSE(is_twice);
}

TEST(WorkQueueThreads, AreWokenByStop) {
  WorkQueue queue;
  queue.add_after(key("a"), std::chrono::hours{1});
  std::thread waiting([&] { EXPECT_FALSE(queue.take()); });
  queue.stop();
  waiting.join();
}

}  // namespace
}  // namespace pannier::kube
