#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

// Bodies in parts, on their way to clients that read slowly or change their minds.
class AmqpStream : public AmqpTest {
 protected:
  const std::string body = letters(900'000);

  void SetUp() override {
    agent.context.limits.unsent_bytes = 150'000;
    peer.opens();
    declares("orders");
  }
  // Until the output is full; nothing is read by the client.
  void starts_streaming(bool no_ack = false) {
    publishes_large("orders", body);
    consumes("orders", "me", no_ack);
    for (int i = 0; i < 20; ++i) agent.turn();
    ASSERT_LT(peer.session().output().size(), body.size());
    ASSERT_GT(peer.session().output().size(), 100'000u);
  }
  queue::QueueStatus status() { return agent.find("orders")->status(); }
};

TEST_F(AmqpStream, KeepsNoMoreThanItsLimitAndOnePartForASlowClient) {
  starts_streaming();
  EXPECT_LT(peer.session().output().size(), 150'000u + 110'000u);
  EXPECT_TRUE(peer.session().wants_bytes());
  turns(30);
  gets_delivery(body);
}

TEST_F(AmqpStream, LetsOtherChannelsGoOnMeanwhile) {
  starts_streaming();
  peer.opens_channel_later(2).sends(2, durable_queue("other"));
  turns(30);
  std::size_t others = 0;
  EXPECT_EQ(peer.gets_content_among(1, others), body);
  EXPECT_EQ(others, 2u);
}

TEST_F(AmqpStream, SendsSeveralLargeMessagesOneAfterTheOther) {
  for (int i = 0; i < 3; ++i) publishes_large("orders", body);
  for (int i = 0; i < 3; ++i) peer.sends(1, BasicGet{0, "orders", false});
  peer.sends(1, BasicQos{0, 1, false});
  turns(100);
  for (int i = 0; i < 3; ++i) {
    peer.gets<BasicGetOk>(1);
    EXPECT_EQ(peer.gets_content(1).body, body);
  }
  peer.gets<BasicQosOk>(1);
}

TEST_F(AmqpStream, SettlesWithoutAcksOnlyOnceTheLastPartWasRead) {
  starts_streaming(true);
  EXPECT_EQ(status().unacked, 1u);
  turns(30);
  gets_delivery(body);
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(AmqpStream, GivesBackWhatWasNotSentWholeWhenTheConnectionEnds) {
  starts_streaming(true);
  peer.hangs_up();
  EXPECT_EQ(status().ready, 1u);
  agent.turn();
}

TEST_F(AmqpStream, FinishesAContentThatHasBegunBeforeItAnswersClose) {
  starts_streaming();
  peer.sends(1, ChannelClose{200, "bye", 0, 0});
  turns(30);
  gets_delivery(body);
  peer.gets<ChannelCloseOk>(1);
  EXPECT_EQ(status().ready, 1u);
  peer.opens_channel(1);
  peer.gets_nothing();
}

TEST_F(AmqpStream, FinishesAContentThatHasBegunBeforeItClosesAChannelForAnError) {
  starts_streaming();
  peer.sends(1, BasicAck{7, false});
  peer.sends(1, durable_queue("dropped"));
  turns(30);
  gets_delivery(body);
  EXPECT_EQ(peer.gets<ChannelClose>(1).reply_code, 406);
  EXPECT_EQ(agent.find("dropped"), nullptr);
  peer.sends(1, ChannelCloseOk{});
  peer.opens_channel(1);
}

TEST_F(AmqpStream, SendsWholeWhatWasSettledTooEarly) {
  starts_streaming();
  peer.sends(1, BasicAck{0, true});
  turns(30);
  gets_delivery(body);
  agent.settle_down();
  EXPECT_TRUE(agent.find("orders")->empty());
  peer.gets_nothing();
}

TEST_F(AmqpStream, SendsWholeWhatWasCancelledOnTheWay) {
  starts_streaming();
  peer.sends(1, BasicCancel{"me", false});
  turns(30);
  const auto deliver = gets_delivery(body);
  peer.gets<BasicCancelOk>(1);
  peer.sends(1, BasicAck{deliver.delivery_tag, false});
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(AmqpStream, ClosesTheChannelWhenTheQueueGoesOnTheWay) {
  starts_streaming();
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  turns(30);
  peer.gets<BasicDeliver>(1);
  EXPECT_TRUE(peer.session().channels() == 0);
}

TEST_F(AmqpStream, TimesOutNoMessageThatTheClientIsStillReading) {
  auto settings = agent.find("orders")->settings();
  settings.ack_timeout = std::chrono::seconds(10);
  agent.find("orders")->change(settings);
  starts_streaming();
  for (int i = 0; i < 6; ++i) {
    agent.clock.advance(std::chrono::seconds(6));
    agent.registry->on_time(agent.clock.now());
    peer.has_more();
    agent.pool.run_one(), agent.loop.run_one();
  }
  EXPECT_EQ(status().unacked, 1u);
  turns(30);
  gets_delivery(body);
}

TEST_F(AmqpStream, HoldsNoEndlessAnswersBehindAMessageThatNobodyReads) {
  agent.context.limits.unsent_bytes_max = 1u << 20;
  starts_streaming();
  std::size_t sent = 0;
  for (; sent < 50'000 && peer.session().wants_bytes(); ++sent)
    peer.publishes(1, "", "nowhere", "a message that nobody wants", true);
  EXPECT_LT(sent, 50'000u);
}

TEST_F(AmqpStream, AnswersAGetBetweenTheLargeMessagesOfAConsumer) {
  for (int i = 0; i < 2; ++i) publishes_large("orders", body);
  declares("other");
  starts_streaming();
  peer.sends(1, BasicGet{0, "other", false});
  turns(150);
  gets_delivery(body);
  peer.gets<BasicGetEmpty>(1);
  for (int i = 0; i < 2; ++i) gets_delivery(body);
}

TEST_F(AmqpStream, EndsInTheMiddleOfEverything) {
  starts_streaming();
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(500'000);
  for (int i = 0; i < 3; ++i) sends_body(letters(90'000));
  peer.sends(0, ConnectionClose{200, "bye", 0, 0});
  EXPECT_TRUE(peer.is_closed());
  agent.settle_down();
  EXPECT_EQ(status().ready, 1u);
  EXPECT_LT(agent.spool->status().live_bytes, body.size() + 100'000);
}

}  // namespace
}  // namespace pannier::amqp
