#include "tests/forward/push_fixture.h"

namespace pannier::forward {
namespace {

using PushChannelTest = PushTest;
using testing::ElementsAre;

TEST_F(PushChannelTest, TakesAMessageWithAllThatItBrings) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  LinkPut put = PushWorld::put_of("orders", 5);
  put.exchange = "events";
  put.routing_key = "order.new";
  put.delivery_count = 3;
  put.redelivered = true;
  put.age = 60'000;
  put.attributes.text = std::string("\x09\x02\0hi", 5);
  world.puts(link, put, "hello");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {5});
  const auto got = world.agent.get(*world.agent.find("orders"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->message->body.text(), "hello");
  EXPECT_EQ(got->message->exchange(), "events");
  EXPECT_EQ(got->message->routing_key(), "order.new");
  EXPECT_EQ(got->message->published, world.agent.clock.now_ms() - 60'000);
  EXPECT_EQ(as_text(got->message->attributes), std::string("\x09\x02\0hi\x04\x01\0\x01", 9));
  EXPECT_EQ(got->delivery_count, 3);
  EXPECT_TRUE(got->redelivered);
}

TEST_F(PushChannelTest, SaysTakenOnlyOnceItIsSynced) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  world.agent.registry->end_turn();
  while (world.agent.loop.run_one()) world.agent.registry->end_turn();
  EXPECT_EQ(world.ready("orders"), 1u);
  link.gets_nothing();
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  link.gets_nothing();
}

TEST_F(PushChannelTest, AnswersOfASyncLeaveInOneMethod) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts_at_once(link, "orders", 1, 700);
  world.agent.turn();
  const auto taken = link.gets<LinkTaken>(kPushChannel);
  EXPECT_EQ(sequences_in(taken.sequences).size(), 700u);
  link.gets_nothing();
  const auto bodies = world.bodies("orders");
  ASSERT_EQ(bodies.size(), 700u);
  for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(bodies[i], std::to_string(i + 1));
}

TEST_F(PushChannelTest, WhatIsSentAgainAfterACutIsDroppedAndTaken) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  world.puts(link, "orders", 3, letters(450'000));
  world.agent.turn();
  link.hangs_up();
  Script again = world.open_link();
  world.pushes(again, "orders", 1);
  const auto before = world.agent.spool->status().live_bytes;
  world.puts(again, "orders", 3, letters(450'000));
  world.puts(again, "orders", 1, "a");
  world.agent.turn();
  PushWorld::expect_taken(again, "orders", {3});
  PushWorld::expect_taken(again, "orders", {1});
  EXPECT_EQ(world.ready("orders"), 2u);
  EXPECT_EQ(world.agent.spool->status().live_bytes, before);
  world.puts(again, "orders", 2, "b");
  world.agent.turn();
  PushWorld::expect_taken(again, "orders", {2});
  EXPECT_EQ(world.ready("orders"), 3u);
}

TEST_F(PushChannelTest, ADroppedCopyIsAnsweredAfterTheSyncOfTheFirst) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  Script again = world.open_link("pod-2");
  world.pushes(again, "orders");
  world.puts(again, "orders", 1, "a");
  again.gets_nothing();
  world.agent.turn();
  PushWorld::expect_taken(again, "orders", {1});
  EXPECT_THAT(world.bodies("orders"), ElementsAre("a"));
}

TEST_F(PushChannelTest, TheSameSequenceTwiceInOneBatchIsOneMessage) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  net::Output out;
  world.add_put(out, PushWorld::put_of("orders", 1), "a");
  world.add_put(out, PushWorld::put_of("orders", 1), "a");
  link.feeds(out);
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1, 1});
  EXPECT_THAT(world.bodies("orders"), ElementsAre("a"));
}

TEST_F(PushChannelTest, OtherSpoolsAndNumbersAreOtherMessages) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  link.sends(kPushChannel, LinkStop{"orders"});
  LinkPush push = PushWorld::push_of("orders");
  push.number = kNumberThere + 1;
  world.expect_ok(link, push);
  world.puts(link, "orders", 1, "b");
  link.sends(kPushChannel, LinkStop{"orders"});
  push.number = kNumberThere;
  push.spool.text = std::string(16, 't');
  world.expect_ok(link, push);
  world.puts(link, "orders", 1, "c");
  world.pushes(link, "mail");
  world.puts(link, "mail", 1, "d");
  world.agent.turn();
  PushWorld::expect_taken(link, "mail", {1});
  PushWorld::expect_taken(link, "orders", {1});  // of the push that has not been stopped
  link.gets_nothing();
  EXPECT_THAT(world.bodies("orders"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(world.bodies("mail"), ElementsAre("d"));
}

TEST_F(PushChannelTest, WhatIsForgottenOrBelowTheFloorIsNotRemembered) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts_at_once(link, "orders", 1, 6);
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1, 2, 3, 4, 5, 6});
  PushWorld::forgets(link, "orders", {2, 5});
  PushWorld::forgets(link, "mail", {1});
  for (const Sequence left : {1, 3, 4, 6}) EXPECT_TRUE(world.remembers("orders", left));
  for (const Sequence gone : {2, 5}) EXPECT_FALSE(world.remembers("orders", gone));
  link.sends(kPushChannel, LinkStop{"orders"});
  world.pushes(link, "orders", 4);
  for (const Sequence gone : {1, 3}) EXPECT_FALSE(world.remembers("orders", gone));
  for (const Sequence left : {4, 6}) EXPECT_TRUE(world.remembers("orders", left));
}

TEST_F(PushChannelTest, LimitsOfAQueueRefuseAndLaterTake) {
  world.policy.queues[0].storage.messages_max = 2;
  world.policy.queues[0].storage.overflow = Overflow::reject_publish;
  world.apply();
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts_at_once(link, "orders", 1, 4);
  PushWorld::expect_refused(link, "orders", {3, 4}, "has reached its limit");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1, 2});
  EXPECT_THAT(world.bodies("orders"), ElementsAre("1", "2"));
  world.puts(link, "orders", 3, "3");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {3});
}

TEST_F(PushChannelTest, ADropHeadQueueDropsItsOldest) {
  world.policy.queues[0].storage.messages_max = 2;
  world.policy.queues[0].storage.overflow = Overflow::drop_head;
  world.apply();
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts_at_once(link, "orders", 1, 4);
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1, 2, 3, 4});
  EXPECT_THAT(world.bodies("orders"), ElementsAre("3", "4"));
}

TEST_F(PushChannelTest, HopsAreCountedAndLimited) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  LinkPut put = PushWorld::put_of("orders", 1);
  put.attributes.text = std::string("\x04\x01\0\x07", 4);
  world.puts(link, put, "a");
  put.sequence = 2;
  put.attributes.text = std::string("\x04\x01\0\x08", 4);
  world.puts(link, put, "b");
  PushWorld::expect_refused(link, "orders", {2}, "has been pushed 8 times");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  const auto got = world.agent.get(*world.agent.find("orders"), true);
  ASSERT_TRUE(got);
  EXPECT_EQ(*hops_in(got->message->attributes), 8);
}

TEST_F(PushChannelTest, ADrainIsNoHop) {
  Script link = world.open_link();
  world.pushes(link, "orders", 0, true);
  LinkPut put = PushWorld::put_of("orders", 1);
  put.attributes.text = std::string("\x04\x01\0\x08", 4);
  world.puts(link, put, "a");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  const auto got = world.agent.get(*world.agent.find("orders"), true);
  ASSERT_TRUE(got);
  EXPECT_EQ(*hops_in(got->message->attributes), 8);
}

TEST_F(PushChannelTest, AMemoryQueueTakesAtOnceAndRemembersNothing) {
  world.policy.queues[0].durability = Durability::memory;
  world.apply();
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  PushWorld::expect_taken(link, "orders", {1});
  world.puts(link, "orders", 2, letters(250'000));
  PushWorld::expect_taken(link, "orders", {2});
  EXPECT_FALSE(world.remembers("orders", 1));
  EXPECT_EQ(world.ready("orders"), 2u);
}

TEST_F(PushChannelTest, ABodyInPartsComesWhole) {
  const std::string body = letters(450'000);
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, body);
  world.puts(link, "orders", 2, "small");
  world.puts(link, "orders", 3, "");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1, 2, 3});
  link.hangs_up();
  Script app(world.agent);
  app.opens();
  app.sends(1, amqp::BasicGet{0, "orders", false});
  for (int i = 0; i < 20; ++i) {
    world.agent.turn();
    app.has_more();
  }
  app.gets<amqp::BasicGetOk>(1);
  EXPECT_EQ(app.gets_content(1).body, body);
}

TEST_F(PushChannelTest, AnOversizedMessageIsRefusedAndItsBodySkipped) {
  world.agent.context.limits.message_bytes_max = 300'000;
  Script link = world.open_link();
  world.pushes(link, "orders");
  const auto before = world.agent.spool->status().live_bytes;
  world.puts(link, "orders", 1, letters(300'001));
  PushWorld::expect_refused(link, "orders", {1}, "larger than configured");
  EXPECT_EQ(world.agent.spool->status().live_bytes, before);
  world.puts(link, "orders", 2, letters(300'000));
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {2});
}

TEST_F(PushChannelTest, WithoutBudgetForItsBodyAMessageIsRefused) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  {
    const auto all = amqp::Charge::of(world.agent.context.incomplete,
                                      world.agent.context.limits.incomplete_bytes);
    ASSERT_TRUE(all);
    world.puts(link, "orders", 1, "a");
    PushWorld::expect_refused(link, "orders", {1}, "not complete");
  }
  world.puts(link, "orders", 1, "a");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  EXPECT_EQ(world.agent.context.incomplete.used(), 0u);
}

TEST_F(PushChannelTest, ALargeBodyThatHasNoRoomIsNotJournaled) {
  world.policy.queues[0].storage.bytes_max = 200'000;
  world.policy.queues[0].storage.overflow = Overflow::reject_publish;
  world.apply();
  Script link = world.open_link();
  world.pushes(link, "orders");
  const auto commit = world.agent.spool->last_commit();
  world.puts(link, "orders", 1, letters(450'000));
  PushWorld::expect_refused(link, "orders", {1}, "has reached its limit");
  EXPECT_EQ(world.agent.spool->last_commit(), commit);
}

TEST_F(PushChannelTest, ALargeBodyThatIsRefusedWhenItIsWholeLeavesNothing) {
  world.policy.queues[0].storage.messages_max = 1;
  world.policy.queues[0].storage.overflow = Overflow::reject_publish;
  world.apply();
  Script link = world.open_link();
  world.pushes(link, "orders");
  const auto before = world.agent.spool->status().live_bytes;
  net::Output out;
  world.add_put(out, PushWorld::put_of("orders", 1), "a");
  world.add_put(out, PushWorld::put_of("orders", 2), letters(450'000));
  link.feeds(out);
  PushWorld::expect_refused(link, "orders", {2}, "has reached its limit");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  EXPECT_LT(world.agent.spool->status().live_bytes, before + 10'000);
}

// The spool has room for two segments or so until the loop turns.
TEST_F(PushChannelTest, ABusySpoolDelaysAndLosesNothing) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.pushes(link, "mail");
  net::Output out;
  for (Sequence sequence = 1; sequence <= 40; ++sequence) {
    world.add_put(out, PushWorld::put_of("orders", sequence), letters(90'000));
    world.add_put(out, PushWorld::put_of("mail", sequence), letters(90'000));
  }
  link.feeds(out);
  EXPECT_LT(world.ready("orders") + world.ready("mail"), 80u);
  EXPECT_FALSE(link.session().wants_bytes());
  for (int i = 0; i < 40; ++i) world.agent.turn();
  EXPECT_EQ(world.ready("orders"), 40u);
  EXPECT_EQ(world.ready("mail"), 40u);
  std::size_t answered = 0;
  while (link.has_more()) {
    const auto taken = link.gets<LinkTaken>(kPushChannel);
    EXPECT_EQ(taken.how, 0) << taken.why;
    answered += sequences_in(taken.sequences).size();
  }
  EXPECT_EQ(answered, 80u);
}

TEST_F(PushChannelTest, AFullSpoolRefuses) {
  disk.set_capacity(6u << 20);
  while (world.agent.registry->publish("", "mail", queue::message(letters(90'000))))
    world.agent.turn();
  Script link = world.open_link();
  world.pushes(link, "orders");
  for (Sequence sequence = 1; sequence <= 12; ++sequence)
    world.puts(link, "orders", sequence, letters(90'000));
  world.puts(link, "orders", 13, letters(450'000));
  for (int i = 0; i < 5; ++i) world.agent.turn();
  std::size_t refused = 0;
  while (link.has_more()) {
    const auto taken = link.gets<LinkTaken>(kPushChannel);
    if (taken.how != 0) {
      refused += sequences_in(taken.sequences).size();
      EXPECT_FALSE(world.remembers("orders", sequences_in(taken.sequences).front()));
    }
  }
  EXPECT_GT(refused, 1u);
  EXPECT_EQ(world.ready("orders"), 13 - refused);
}

TEST_F(PushChannelTest, ASecondLinkOfAPodEndsTheFirst) {
  Script first = world.open_link();
  world.pushes(first, "orders");
  Script second = world.open_link();
  PushWorld::expect_connection_error(first, 320, "another link");
  world.pushes(second, "orders");
  EXPECT_EQ(world.door.links(), 1u);
}

TEST_F(PushChannelTest, ACutAmidABodyLeavesNothing) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  net::Output out;
  world.add_put(out, PushWorld::put_of("orders", 1), letters(450'000));
  const Bytes bytes = amqp::bytes_of(out);
  const auto before = world.agent.spool->status().live_bytes;
  link.raw(ByteView(bytes).first(350'000));
  EXPECT_GT(world.agent.spool->status().live_bytes, before + 200'000);
  link.hangs_up();
  EXPECT_LT(world.agent.spool->status().live_bytes, before + 10'000);
  EXPECT_EQ(world.agent.context.incomplete.used(), 0u);
  Script again = world.open_link();
  world.pushes(again, "orders");
  again.feeds(out);
  world.agent.turn();
  PushWorld::expect_taken(again, "orders", {1});
  EXPECT_EQ(world.ready("orders"), 1u);
}

}  // namespace
}  // namespace pannier::forward
