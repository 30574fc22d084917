// A body in parts that several messages have: a dead letter and what it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;

constexpr std::uint32_t kParts = 3;

std::string text_of_part(std::uint32_t index) {
  return std::string(5000, static_cast<char>('a' + index));
}

class SharedBodies : public testing::Test {
 protected:
  SharedBodies() { open(); }

  void open() {
    harness_.emplace(*disk_, tiny_options());
    ASSERT_TRUE(harness_->is_open()) << harness_->opened().error().detail;
  }
  void restart(Keep keep = Keep::nothing) {
    auto after = disk_->restart(1, keep);
    harness_.reset();
    disk_ = std::move(after);
    open();
    ASSERT_THAT((*harness_)->recovery().losses, testing::IsEmpty());
  }
  Spool& spool() { return **harness_; }

  Content content_of(BodyId body) {
    Content content;
    content.head = Slice::copy_of("a head");
    content.body_id = body;
    content.parts = kParts;
    content.body_size = kParts * 5000;
    return content;
  }
  void publish_to(Group& group, QueueId queue) {
    Target target;
    target.queue = queue;
    group.publish(content_of(body_), {&target, 1});
  }
  Entry publish_large(QueueId queue) {
    body_ = *spool().begin_body();
    for (std::uint32_t i = 0; i < kParts; ++i)
      EXPECT_TRUE(spool().append_part(body_, Slice::copy_of(text_of_part(i))));
    Group group;
    publish_to(group, queue);
    EXPECT_TRUE(spool().append(group));
    return group.entries().front();
  }
  // A message like it, in one group with the settle of `old`, if there is one.
  Result<Entry> publish_again(QueueId queue, const Entry* old) {
    Group group;
    publish_to(group, queue);
    if (old != nullptr) group.settle(*old);
    auto commit = spool().append(group);
    if (!commit) return commit.error();
    return group.entries().front();
  }
  bool is_whole() {
    for (std::uint32_t i = 0; i < kParts; ++i) {
      std::optional<Result<Slice>> got;
      spool().read_part(body_, i, [&](auto bytes) { got = std::move(bytes); });
      spool().flush();
      harness_->run();
      if (!got || !*got || (*got)->text() != text_of_part(i)) return false;
    }
    return true;
  }
  std::uint64_t messages_in(QueueId queue) { return spool().totals({queue, 0}).messages; }
  Entry only_in(QueueId queue) { return harness_->fetch_all(queue).at(0); }

  // Until compaction has moved what is left of the first segments.
  void fill_and_settle(QueueId queue) {
    const std::uint64_t before = spool().status().compacted_bytes;
    for (int i = 0; i < 3000 && spool().status().compacted_bytes < before + 16'000; ++i) {
      const Entry entry = *harness_->publish(queue, std::string(900, 'x'));
      if (i % 50 != 0) spool().settle(entry);  // a little is left in each segment
      if (i % 40 == 0) harness_->settle_down();
    }
    harness_->settle_down();
    ASSERT_GE(spool().status().compacted_bytes, before + 16'000);
  }

  std::unique_ptr<MemoryDisk> disk_ = std::make_unique<MemoryDisk>();
  std::optional<SpoolHarness> harness_;
  BodyId body_ = 0;
};

TEST_F(SharedBodies, ADeadLetterHasTheBodyOfWhatItWas) {
  const QueueId orders = harness_->make_queue();
  const QueueId dead = harness_->make_queue();
  const Entry old = publish_large(orders);
  ASSERT_TRUE(publish_again(dead, &old));
  EXPECT_TRUE(is_whole());
  harness_->settle_down();
  for (int life = 0; life < 3; ++life) {
    restart();
    EXPECT_EQ(messages_in(orders), 0u);
    EXPECT_EQ(messages_in(dead), 1u);
    EXPECT_TRUE(is_whole());
  }
  const std::uint64_t live = spool().status().live_bytes;
  spool().settle(only_in(dead));
  EXPECT_LE(spool().status().live_bytes + kParts * 5000, live) << "the parts are not dead";
  EXPECT_FALSE(is_whole());
}

TEST_F(SharedBodies, ABodyLivesUntilTheLastEntryOfAnyOfItsMessagesIsSettled) {
  const QueueId first = harness_->make_queue();
  const QueueId second = harness_->make_queue();
  for (const bool old_goes_first : {true, false}) {
    for (const bool with_restart : {false, true}) {
      publish_large(first);
      ASSERT_TRUE(publish_again(second, nullptr));
      harness_->settle_down();
      if (with_restart) restart();
      spool().settle(only_in(old_goes_first ? first : second));
      harness_->settle_down();
      EXPECT_TRUE(is_whole());
      if (with_restart) restart();
      EXPECT_TRUE(is_whole());
      spool().settle(only_in(old_goes_first ? second : first));
      EXPECT_FALSE(is_whole());
      harness_->settle_down();
    }
  }
}

TEST_F(SharedBodies, AGroupThatIsLostLeavesTheOldMessageItsBody) {
  const QueueId orders = harness_->make_queue();
  const QueueId dead = harness_->make_queue();
  const Entry old = publish_large(orders);
  harness_->settle_down();
  ASSERT_TRUE(publish_again(dead, &old));
  restart(Keep::nothing);
  EXPECT_EQ(messages_in(orders), 1u);
  EXPECT_EQ(messages_in(dead), 0u);
  EXPECT_TRUE(is_whole());
}

TEST_F(SharedBodies, CompactionMovesThePartsOnceAndEachMessage) {
  const QueueId first = harness_->make_queue();
  const QueueId second = harness_->make_queue();
  const QueueId filler = harness_->make_queue();
  publish_large(first);
  const auto copy = publish_again(second, nullptr);
  ASSERT_TRUE(copy);
  fill_and_settle(filler);
  EXPECT_TRUE(is_whole());
  restart();
  EXPECT_TRUE(is_whole());
  spool().settle(only_in(first));
  fill_and_settle(filler);
  EXPECT_TRUE(is_whole());
  restart();
  EXPECT_TRUE(is_whole());
  spool().settle(only_in(second));
  EXPECT_FALSE(is_whole());
}

TEST_F(SharedBodies, AnEntryThatWasMovedStillEndsItsPartOfTheBody) {
  const QueueId first = harness_->make_queue();
  const QueueId second = harness_->make_queue();
  const Entry old = publish_large(first);
  const auto copy = publish_again(second, nullptr);
  ASSERT_TRUE(copy);
  fill_and_settle(harness_->make_queue());
  spool().settle(old);
  EXPECT_TRUE(is_whole());
  spool().settle(*copy);
  EXPECT_FALSE(is_whole());
}

TEST_F(SharedBodies, APurgeOfTheOldMessageInTheSameGroupLeavesTheBodyToTheNewOne) {
  const QueueId orders = harness_->make_queue();
  const QueueId dead = harness_->make_queue();
  publish_large(orders);
  Group group;
  publish_to(group, dead);
  group.purge(orders, {});
  ASSERT_TRUE(spool().append(group));
  EXPECT_TRUE(is_whole());
  harness_->settle_down();
  restart();
  EXPECT_TRUE(is_whole());
  EXPECT_EQ(messages_in(orders), 0u);
  Group purge;
  purge.purge(dead, {});
  ASSERT_TRUE(spool().append(purge));
  EXPECT_FALSE(is_whole());
}

TEST_F(SharedBodies, DroppingOneQueueLeavesTheBodyToTheOther) {
  const QueueId orders = harness_->make_queue();
  const QueueId dead = harness_->make_queue();
  publish_large(orders);
  ASSERT_TRUE(publish_again(dead, nullptr));
  for (const QueueId gone : {orders, dead}) {
    EXPECT_TRUE(is_whole());
    Group group;
    spool().drop_queue(group, gone);
    ASSERT_TRUE(spool().append(group));
    harness_->settle_down();
  }
  EXPECT_FALSE(is_whole());
}

TEST_F(SharedBodies, ABodyThatIsGoneIsRefusedAndNothingOfTheGroupIsTaken) {
  const QueueId queue = harness_->make_queue();
  spool().settle(publish_large(queue));
  EXPECT_EQ(publish_again(queue, nullptr).error().code, Errc::not_found);
  EXPECT_EQ(messages_in(queue), 0u);
  publish_large(queue);
  Content content = content_of(body_);
  content.parts = kParts + 1;
  Target target;
  target.queue = queue;
  Group group;
  group.publish(std::move(content), {&target, 1});
  EXPECT_EQ(spool().append(group).error().code, Errc::not_found);
  EXPECT_EQ(messages_in(queue), 1u);
}

TEST_F(SharedBodies, AFinishedBodyIsNeitherAbortedNorGoneOnWith) {
  const QueueId queue = harness_->make_queue();
  publish_large(queue);
  spool().abort_body(body_);
  EXPECT_TRUE(is_whole());
  EXPECT_EQ(spool().append_part(body_, Slice::copy_of("more")).error().code, Errc::not_found);
  EXPECT_TRUE(is_whole());
}

}  // namespace
}  // namespace pannier::spool
