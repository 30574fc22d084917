#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

class AmqpConsume : public AmqpTest {
 protected:
  void SetUp() override {
    queue::Table capabilities;
    capabilities.set("consumer_cancel_notify", true);
    peer.opens(std::move(capabilities));
    declares("orders");
  }
  void publishes(std::initializer_list<const char*> bodies, const std::string& key = "orders") {
    for (const char* body : bodies) peer.publishes(1, "", key, body);
    agent.turn();
  }
  void limits_to(std::uint16_t prefetch, bool global) {
    peer.sends(1, BasicQos{0, prefetch, global});
    peer.gets<BasicQosOk>(1);
  }
  queue::QueueStatus status() { return agent.find("orders")->status(); }
};

TEST_F(AmqpConsume, NamesConsumersThatHaveNoName) {
  peer.sends(1, consume_of("orders"));
  EXPECT_EQ(peer.gets<BasicConsumeOk>(1).consumer_tag.substr(0, 9), "amq.ctag-");
}

TEST_F(AmqpConsume, RefusesAConsumerTagTwice) {
  consumes("orders", "me");
  peer.sends(1, consume_of("orders", "me"));
  expect_connection_error(530, "attempt to reuse consumer tag 'me'");
}

TEST_F(AmqpConsume, LetsOneConsumerHaveAQueueToItself) {
  BasicConsume alone = consume_of("orders", "alone");
  alone.exclusive = true;
  peer.opens_channel(2);
  peer.sends(2, alone);
  peer.gets<BasicConsumeOk>(2);
  peer.sends(1, consume_of("orders"));
  expect_channel_error(403, "queue 'orders' in vhost '/' in exclusive use");
  peer.sends(2, BasicCancel{"alone", false});
  peer.gets<BasicCancelOk>(2);
  consumes("orders");
  peer.sends(2, alone);
  expect_channel_error(403, "in exclusive use", 2);
}

TEST_F(AmqpConsume, GivesAnExclusiveQueueToOneOfTwoWhoAskBeforeEitherIsAnswered) {
  BasicConsume alone = consume_of("orders", "alone");
  alone.exclusive = true;
  peer.opens_channel(2);
  peer.sends(1, durable_queue("one")).sends(1, alone);
  peer.sends(2, durable_queue("two")).sends(2, alone);
  EXPECT_EQ(peer.gets<ChannelClose>(2).reply_code, 403);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  peer.gets<BasicConsumeOk>(1);
}

TEST_F(AmqpConsume, GivesAQueueWithASingleActiveConsumerToNobodyExclusively) {
  QueueDeclare declare = durable_queue("single");
  declare.arguments.set("x-single-active-consumer", true);
  peer.sends(1, declare);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  BasicConsume alone = consume_of("single", "alone");
  alone.exclusive = true;
  peer.sends(1, alone);
  expect_channel_error(403, "in exclusive use");
}

TEST_F(AmqpConsume, DeliversNothingMoreAfterACancel) {
  consumes("orders", "me");
  publishes({"a"});
  const auto a = gets_delivery("a");
  peer.sends(1, BasicCancel{"me", false});
  EXPECT_EQ(peer.gets<BasicCancelOk>(1).consumer_tag, "me");
  publishes({"b"});
  peer.gets_nothing();
  EXPECT_EQ(status().unacked, 1u);
  peer.sends(1, BasicAck{a.delivery_tag, false});
  EXPECT_EQ(status().unacked, 0u);
  peer.sends(1, BasicCancel{"me", false});
  peer.gets<BasicCancelOk>(1);
}

TEST_F(AmqpConsume, ForgetsAConsumerThatIsCancelledBeforeItHasBegun) {
  publishes({"a"});
  peer.sends(1, durable_queue("other")).sends(1, consume_of("orders", "me"));
  peer.sends(1, BasicCancel{"me", false});
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  peer.gets<BasicConsumeOk>(1);
  peer.gets<BasicCancelOk>(1);
  peer.gets_nothing();
  EXPECT_EQ(status().consumers, 0u);
  EXPECT_EQ(status().ready, 1u);
}

TEST_F(AmqpConsume, TellsAConsumerWhoseQueueGoesBeforeItHasBegun) {
  peer.sends(1, durable_queue("other")).sends(1, consume_of("orders", "me"));
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  peer.gets<BasicConsumeOk>(1);
  EXPECT_EQ(peer.gets<BasicCancel>(1).consumer_tag, "me");
}

TEST_F(AmqpConsume, TellsOnlyThoseWhoAskedThatTheirQueueHasGone) {
  Script other(agent);
  other.opens().sends(1, consume_of("orders", "other"));
  other.gets<BasicConsumeOk>(1);
  consumes("orders", "me");
  peer.sends(1, QueueDelete{0, "orders", false, false, false});
  agent.turn();
  EXPECT_EQ(peer.gets<BasicCancel>(1).consumer_tag, "me");
  peer.gets<QueueDeleteOk>(1);
  other.gets_nothing();
}

TEST_F(AmqpConsume, IgnoresSettlesOfAQueueThatHasGone) {
  consumes("orders");
  publishes({"a"});
  const auto a = gets_delivery("a");
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  peer.gets<BasicCancel>(1);
  peer.sends(1, BasicAck{a.delivery_tag, false});
  peer.gets_nothing();
}

TEST_F(AmqpConsume, SettlesWithoutAcksAtOnceAndCountsTagsOn) {
  consumes("orders", "", true);
  publishes({"a", "b"});
  EXPECT_EQ(gets_delivery("a").delivery_tag, 1u);
  EXPECT_EQ(gets_delivery("b").delivery_tag, 2u);
  EXPECT_EQ(status().unacked, 0u);
  peer.sends(1, BasicAck{1, false});
  expect_channel_error(406, "unknown delivery tag 1");
}

TEST_F(AmqpConsume, AcksOneOrAllUpToATagOrAll) {
  consumes("orders");
  publishes({"a", "b", "c", "d", "e"});
  for (const char* body : {"a", "b", "c", "d", "e"}) gets_delivery(body);
  peer.sends(1, BasicAck{2, false});
  EXPECT_EQ(status().unacked, 4u);
  peer.sends(1, BasicAck{3, true});
  EXPECT_EQ(status().unacked, 2u);
  peer.sends(1, BasicAck{0, true});
  EXPECT_EQ(status().unacked, 0u);
  peer.sends(1, BasicAck{0, true});
  peer.gets_nothing();
}

TEST_F(AmqpConsume, RefusesTagsThatAreNotOutstanding) {
  consumes("orders");
  publishes({"a"});
  gets_delivery("a");
  peer.sends(1, BasicAck{0, false});
  expect_channel_error(406, "unknown delivery tag 0");
  for (const bool multiple : {false, true}) {
    consumes("orders");
    agent.turn();
    const auto again = gets_delivery("a");
    peer.sends(1, BasicNack{again.delivery_tag, false, true});
    peer.sends(1, BasicAck{again.delivery_tag, multiple});
    expect_channel_error(406, "unknown delivery tag");
  }
  consumes("orders");
  agent.turn();
  gets_delivery("a");
  peer.sends(1, BasicAck{99, true});
  expect_channel_error(406, "unknown delivery tag 99");
}

TEST_F(AmqpConsume, KnowsATagOnItsOwnChannelOnly) {
  consumes("orders");
  publishes({"a"});
  const auto a = gets_delivery("a");
  peer.opens_channel(2).sends(2, BasicAck{a.delivery_tag, false});
  expect_channel_error(406, "unknown delivery tag 1", 2);
  EXPECT_EQ(status().unacked, 1u);
}

TEST_F(AmqpConsume, RequeuesToTheOldPlaceAndMarksItRedelivered) {
  limits_to(2, false);
  consumes("orders", "me");
  publishes({"a", "b", "c"});
  EXPECT_FALSE(gets_delivery("a").redelivered);
  gets_delivery("b");
  peer.sends(1, BasicCancel{"me", true});
  peer.sends(1, BasicNack{0, true, true});
  consumes("orders");
  agent.turn();
  EXPECT_TRUE(gets_delivery("a").redelivered);
  EXPECT_TRUE(gets_delivery("b").redelivered);
}

TEST_F(AmqpConsume, DropsWhatIsRejectedWithoutRequeue) {
  consumes("orders");
  publishes({"a", "b"});
  gets_delivery("a");
  gets_delivery("b");
  peer.sends(1, BasicReject{1, false}).sends(1, BasicNack{2, true, false});
  agent.turn();
  EXPECT_TRUE(agent.find("orders")->empty());
  peer.gets_nothing();
}

TEST_F(AmqpConsume, RecoversWithAndWithoutAnAnswer) {
  consumes("orders");
  publishes({"a"});
  gets_delivery("a");
  peer.sends(1, BasicRecoverAsync{true});
  agent.turn();
  EXPECT_TRUE(gets_delivery("a").redelivered);
  peer.sends(1, BasicRecover{true});
  agent.turn();
  peer.gets<BasicRecoverOk>(1);
  gets_delivery("a");
  peer.sends(1, BasicRecover{false});
  expect_connection_error(540, "requeue=false");
}

TEST_F(AmqpConsume, LimitsAConsumerOrAllOfAChannel) {
  declares("other");
  limits_to(2, true);
  consumes("orders", "o");
  consumes("other", "x");
  publishes({"a", "b", "c"});
  publishes({"x"}, "other");
  gets_delivery("a");
  gets_delivery("b");
  peer.gets_nothing();
  peer.sends(1, BasicAck{2, true});
  agent.turn();
  gets_delivery("c");
  EXPECT_EQ(gets_delivery("x").consumer_tag, "x");
}

TEST_F(AmqpConsume, CountsTheLimitOfAConsumerAnewAfterItsCancel) {
  limits_to(1, false);
  consumes("orders", "me");
  publishes({"a", "b", "c"});
  const auto a = gets_delivery("a");
  peer.sends(1, BasicCancel{"me", false});
  peer.gets<BasicCancelOk>(1);
  consumes("orders", "me");
  agent.turn();
  const auto b = gets_delivery("b");
  peer.sends(1, BasicAck{a.delivery_tag, false});
  agent.turn();
  peer.gets_nothing();
  peer.sends(1, BasicAck{b.delivery_tag, false});
  agent.turn();
  gets_delivery("c");
}

TEST_F(AmqpConsume, DeliversToTheOtherQueuesWhatARecoverMadeRoomFor) {
  declares("other");
  limits_to(1, true);
  consumes("orders", "o");
  publishes({"a"});
  gets_delivery("a");
  consumes("other", "x");
  publishes({"x"}, "other");
  agent.find("orders")->change([&] {
    auto settings = agent.find("orders")->settings();
    settings.paused = true;
    return settings;
  }());
  peer.sends(1, BasicRecover{true});
  agent.turn();
  peer.gets<BasicRecoverOk>(1);
  EXPECT_EQ(gets_delivery("x").consumer_tag, "x");
}

TEST_F(AmqpConsume, RefusesALimitInBytes) {
  peer.sends(1, BasicQos{10, 0, false});
  expect_connection_error(540, "prefetch_size!=0 (10)");
}

TEST_F(AmqpConsume, BoundsWhatGetsLeaveUnacked) {
  agent.context.limits.unacked_per_channel = 2;
  publishes({"a", "b", "c"});
  for (int i = 0; i < 2; ++i) {
    peer.sends(1, BasicGet{0, "orders", false});
    agent.turn();
    peer.gets<BasicGetOk>(1);
    peer.gets_content(1);
  }
  peer.sends(1, BasicGet{0, "orders", false});
  expect_channel_error(406, "unacknowledged");
}

TEST_F(AmqpConsume, AnswersManyGetsAtOnceOneAfterTheOther) {
  publishes({"a", "b"});
  for (int i = 0; i < 3; ++i) peer.sends(1, BasicGet{0, "orders", true});
  turns(5);
  EXPECT_EQ(peer.gets<BasicGetOk>(1).message_count, 1u);
  EXPECT_EQ(peer.gets_content(1).body, "a");
  EXPECT_EQ(peer.gets<BasicGetOk>(1).message_count, 0u);
  EXPECT_EQ(peer.gets_content(1).body, "b");
  peer.gets<BasicGetEmpty>(1);
}

TEST_F(AmqpConsume, HoldsBackItsAnswersFromAClientThatDoesNotRead) {
  agent.context.limits.unsent_bytes = 200'000;
  const std::string body = letters(90'000);
  for (int i = 0; i < 50; ++i) peer.publishes(1, "", "orders", body);
  agent.turn();
  for (int i = 0; i < 50; ++i) peer.sends(1, BasicGet{0, "orders", true});
  for (int i = 0; i < 60; ++i) agent.turn();
  EXPECT_LT(peer.session().output().size(), 400'000u);
  turns(120);
  for (int i = 0; i < 50; ++i) {
    peer.gets<BasicGetOk>(1);
    EXPECT_EQ(peer.gets_content(1).body, body);
  }
}

TEST_F(AmqpConsume, ReadsAcksOfAClientThatIsBehindWithReading) {
  agent.context.limits.unsent_bytes = 200'000;
  const std::string body = letters(90'000);
  for (int i = 0; i < 20; ++i) peer.publishes(1, "", "orders", body);
  peer.sends(1, consume_of("orders"));
  agent.turn();
  EXPECT_GT(peer.session().output().size(), 200'000u);
  EXPECT_LT(peer.session().output().size(), 400'000u);
  EXPECT_TRUE(peer.session().wants_bytes());
  turns(20);
  peer.gets<BasicConsumeOk>(1);
  for (int i = 0; i < 20; ++i) gets_delivery(body);
}

}  // namespace
}  // namespace pannier::amqp
