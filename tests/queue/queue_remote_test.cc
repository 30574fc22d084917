#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class TestOrigin final : public RemoteOrigin {
 public:
  void settle(std::uint64_t tag, Settle how) override { settled.emplace_back(tag, how); }
  void when_durable(std::function<void(bool)> done) override { waiting = std::move(done); }
  std::vector<std::pair<std::uint64_t, Settle>> settled;
  std::function<void(bool)> waiting;
};

class TestSource final : public RemoteSource {
 public:
  void note_demand(Queue& queue) override {
    ++notes;
    demand = queue.demand();
  }
  int notes = 0;
  std::uint64_t demand = 0;
};

class LinkConsumer final : public Consumer {
 public:
  LinkConsumer() { is_link = true; }
  bool has_credit() const override { return true; }
  void deliver(Queue&, Delivery) override { ++got; }
  void queue_gone(Queue&) override {}
  int got = 0;
};

class QueueRemote : public testing::Test {
 protected:
  MemoryDisk disk;
  QueueHarness agent{disk};
  QueuePtr queue = agent.declare("orders");
  TestSource source;
  std::shared_ptr<TestOrigin> origin = std::make_shared<TestOrigin>();

  ~QueueRemote() override { queue->set_remote_source(nullptr); }
  RemoteMessage remote(std::string_view body, std::uint64_t tag, bool redelivered = false) {
    return {message(body), redelivered ? std::uint16_t{1} : std::uint16_t{0}, redelivered, origin,
            tag};
  }
};

TEST_F(QueueRemote, AsksForWhatConsumersCouldTakeBeyondWhatIsHere) {
  queue->set_remote_source(&source);
  EXPECT_EQ(source.demand, 0u);
  TestConsumer consumer(1);
  queue->add_consumer(consumer);
  EXPECT_EQ(source.demand, Consumer::kCreditMax);
  agent.publish("orders", "local");
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("local"));
  EXPECT_EQ(source.demand, 0u) << "its credit is used up";
  queue->remove_consumer(consumer);
  LinkConsumer link;
  queue->add_consumer(link);
  EXPECT_EQ(queue->demand(), 0u) << "what links want is not asked of links";
  queue->remove_consumer(link);
}

TEST_F(QueueRemote, HandsOutWhatIsOfferedAndTellsTheOriginWhatBecameOfIt) {
  TestConsumer consumer(5);
  queue->add_consumer(consumer);
  for (std::uint64_t tag = 1; tag <= 5; ++tag)
    EXPECT_TRUE(queue->offer(remote(std::to_string(tag), tag, tag == 2)));
  EXPECT_FALSE(queue->offer(remote("6", 6))) << "nobody can take it";
  EXPECT_THAT(consumer.bodies(), ElementsAre("1", "2", "3", "4", "5"));
  EXPECT_FALSE(consumer.got[0].redelivered);
  EXPECT_TRUE(consumer.got[1].redelivered);
  EXPECT_EQ(consumer.got[1].delivery_count, 1);
  EXPECT_EQ(queue->check(), "");
  EXPECT_TRUE(queue->ack(consumer.got[0].receipt));
  EXPECT_TRUE(queue->give_back(consumer.got[1].receipt, {true}));
  EXPECT_TRUE(queue->give_back(consumer.got[2].receipt, {false}));
  EXPECT_TRUE(queue->discard(consumer.got[3].receipt));
  EXPECT_FALSE(queue->ack(consumer.got[0].receipt)) << "once";
  EXPECT_THAT(origin->settled,
              ElementsAre(Pair(1, RemoteOrigin::Settle::ack), Pair(2, RemoteOrigin::Settle::failed),
                          Pair(3, RemoteOrigin::Settle::give_back),
                          Pair(4, RemoteOrigin::Settle::discard)));
  agent.turn();
  EXPECT_EQ(queue->status().ready, 0u) << "what came back is the origin's";
  EXPECT_EQ(queue->check(), "");
}

TEST_F(QueueRemote, SettlesAtOnceForAConsumerWithoutAcks) {
  TestConsumer consumer(2);
  consumer.no_ack = true;
  queue->add_consumer(consumer);
  EXPECT_TRUE(queue->offer(remote("1", 1)));
  EXPECT_THAT(origin->settled, ElementsAre(Pair(1, RemoteOrigin::Settle::ack)));
  EXPECT_TRUE(consumer.got[0].settled);
  EXPECT_TRUE(queue->empty());
}

TEST_F(QueueRemote, GivesWhatIsHereBeforeWhatIsOffered) {
  agent.publish("orders", "local");
  agent.turn();
  TestConsumer consumer(0);
  queue->add_consumer(consumer);
  consumer.credit = 1;
  EXPECT_FALSE(queue->offer(remote("remote", 1)));
  queue->pump();
  agent.turn();
  EXPECT_THAT(consumer.bodies(), ElementsAre("local"));
}

TEST_F(QueueRemote, NeverSendsAPulledMessageToAnotherAgent) {
  LinkConsumer link;
  queue->add_consumer(link);
  EXPECT_FALSE(queue->offer(remote("1", 1)));
  EXPECT_EQ(link.got, 0);
  queue->remove_consumer(link);
}

TEST_F(QueueRemote, CountsNoMessageOfOthersAsItsOwn) {
  Table arguments;
  arguments.set("x-max-length", std::int32_t{1});
  arguments.set("x-overflow", std::string("reject-publish"));
  const QueuePtr small = agent.declare("small", std::move(arguments));
  TestConsumer consumer(3);
  small->add_consumer(consumer);
  for (std::uint64_t tag = 1; tag <= 3; ++tag) ASSERT_TRUE(small->offer(remote("x", tag)));
  EXPECT_EQ(small->status().unacked, 0u);
  EXPECT_EQ(small->status().bytes, 0u);
  EXPECT_FALSE(agent.publish("small", "mine").refused);
  EXPECT_EQ(small->check(), "");
}

TEST_F(QueueRemote, GivesEverythingBackWhenItGoes) {
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  ASSERT_TRUE(queue->offer(remote("1", 1)));
  ASSERT_TRUE(queue->offer(remote("2", 2)));
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  EXPECT_THAT(origin->settled,
              testing::UnorderedElementsAre(Pair(1, RemoteOrigin::Settle::give_back),
                                            Pair(2, RemoteOrigin::Settle::give_back)));
  EXPECT_FALSE(queue->offer(remote("3", 3)));
}

TEST_F(QueueRemote, RunsNoTimerOfItsOwnForAnotherAgentsMessage) {
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  ASSERT_TRUE(queue->offer(remote("before", 1)));
  QueueSettings settings = queue->settings();
  settings.ack_timeout = std::chrono::seconds(5);
  queue->change(settings);
  ASSERT_TRUE(queue->offer(remote("after", 2)));
  for (const Delivery& delivery : consumer.got) queue->restart_timeout(delivery.receipt);
  agent.clock.advance(std::chrono::seconds(60));
  agent.registry->on_time(agent.clock.now());
  EXPECT_THAT(origin->settled, IsEmpty());
  ASSERT_THAT(consumer.got, SizeIs(2));
  for (const Delivery& delivery : consumer.got) EXPECT_TRUE(queue->ack(delivery.receipt));
  queue->remove_consumer(consumer);
}

TEST_F(QueueRemote, TakesNothingWhilePaused) {
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  QueueSettings settings = queue->settings();
  settings.paused = true;
  queue->change(settings);
  EXPECT_EQ(queue->demand(), 0u);
  EXPECT_FALSE(queue->offer(remote("1", 1)));
}

TEST_F(QueueRemote, KeepsNothingOfItThroughARestart) {
  TestConsumer consumer(2);
  queue->add_consumer(consumer);
  ASSERT_TRUE(queue->offer(remote("1", 1)));
  agent.turn();
  const auto after = disk.restart(1, Keep::nothing);
  QueueHarness again(*after);
  EXPECT_EQ(again.find("orders")->status().ready, 0u);
  EXPECT_THAT(origin->settled, IsEmpty());
}

}  // namespace
}  // namespace pannier::queue
