#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

constexpr double kBounds[] = {1, 10};

MessagePtr published_at(std::int64_t ms, std::string_view body) {
  Message made = *message(body, "", "orders");
  made.published = ms;
  return std::make_shared<const Message>(std::move(made));
}

class QueueNumbersTest : public testing::TestWithParam<bool> {
 protected:
  QueueNumbersTest() { harness.registry->context().publish_to_ack = &times; }
  void publish(std::string_view body) {
    const auto done =
        harness.registry->publish("", "orders", published_at(harness.clock.now_ms(), body));
    ASSERT_TRUE(done);
    harness.turn();
  }

  MemoryDisk disk;
  Histogram times{kBounds};
  QueueHarness harness{disk};
};

INSTANTIATE_TEST_SUITE_P(Durable, QueueNumbersTest, testing::Bool());

TEST_P(QueueNumbersTest, ObserveTheTimeFromPublishToAckWhenAMessageIsAcked) {
  const QueuePtr queue = harness.declare("orders", {}, GetParam());
  publish("one");
  publish("two");
  const auto one = harness.get(*queue);
  const auto two = harness.get(*queue);
  ASSERT_TRUE(one && two);
  harness.clock.advance(std::chrono::seconds(5));
  EXPECT_TRUE(queue->ack(one->receipt));
  EXPECT_EQ(times.count_in(1), 1u);
  EXPECT_NEAR(times.sum(), 5, 0.5);
  EXPECT_FALSE(queue->ack(one->receipt));
  EXPECT_TRUE(queue->give_back(two->receipt, {}));
  EXPECT_EQ(times.count_in(0) + times.count_in(1) + times.count_in(2), 1u) << "acks alone";
}

TEST_P(QueueNumbersTest, CountPublishesThatWaitForASyncAndNoOthers) {
  harness.declare("orders", {}, GetParam());
  publish("one");
  publish("two");
  EXPECT_EQ(harness.registry->context().journaled_publishes, GetParam() ? 2u : 0u);
}

TEST_P(QueueNumbersTest, CountWhatALimitRefuses) {
  const QueuePtr queue = harness.declare("orders", {}, GetParam());
  QueueSettings settings = queue->settings();
  settings.messages_max = 1;
  settings.overflow = Overflow::reject_publish;
  queue->change(settings);
  publish("one");
  publish("two");
  EXPECT_EQ(queue->status().counters.refused, 1u);
  EXPECT_EQ(queue->status().counters.published, 1u);
}

TEST_P(QueueNumbersTest, TellWhenTheOldestMessageWasPublished) {
  const QueuePtr queue = harness.declare("orders", {}, GetParam());
  EXPECT_FALSE(queue->status().oldest);
  const std::int64_t first = harness.clock.now_ms();
  publish("one");
  harness.clock.advance(std::chrono::seconds(5));
  publish("two");
  EXPECT_EQ(queue->status().oldest, first);
}

TEST(QueueNumbers, KnowTheOldestMessageWithoutACopyOfItInMemory) {
  MemoryDisk disk;
  QueueLimits limits;
  limits.message_bytes = 0;
  QueueHarness harness(disk, limits);
  const QueuePtr queue = harness.declare("orders");
  const std::int64_t first = harness.clock.now_ms();
  ASSERT_TRUE(harness.registry->publish("", "orders", published_at(first, "one")));
  harness.turn();
  EXPECT_EQ(harness.registry->context().message_bytes, 0u);
  EXPECT_EQ(queue->status().oldest, first);
}

}  // namespace
}  // namespace pannier::queue
