#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

class AmqpPublish : public AmqpTest {
 protected:
  void SetUp() override { peer.opens(); }
  void declares_limited(const std::string& name, std::int32_t messages) {
    QueueDeclare limited = durable_queue(name);
    limited.arguments.set("x-max-length", messages);
    limited.arguments.set("x-overflow", std::string("reject-publish"));
    peer.sends(1, limited);
    agent.turn();
    peer.gets<QueueDeclareOk>(1);
  }
};

queue::Table every_type() {
  queue::Table inner;
  inner.set("deep", std::string("text"));
  queue::Table table;
  table.set("void", queue::Value());
  table.set("t", true);
  table.set("b", std::int8_t{-1});
  table.set("B", std::uint8_t{255});
  table.set("s", std::int16_t{-300});
  table.set("u", std::uint16_t{60'000});
  table.set("I", std::int32_t{-70'000});
  table.set("i", std::uint32_t{4'000'000'000});
  table.set("l", std::int64_t{-5'000'000'000});
  table.set("f", 1.5f);
  table.set("d", 2.25);
  table.set("D", queue::Decimal{2, 314});
  table.set("S", std::string("text"));
  table.set("x", queue::ByteArray{Bytes(3, std::byte{7})});
  table.set("T", queue::Timestamp{1'700'000'000});
  table.set("A", queue::Array{{queue::Value(true), queue::Value(std::string("each"))}});
  table.set("F", inner);
  return table;
}

TEST_F(AmqpPublish, CarriesEveryPropertyAndEveryTypeOfHeader) {
  declares("orders");
  queue::Properties all;
  all.content_type = "text/plain";
  all.content_encoding = "utf-8";
  all.headers = every_type();
  all.delivery_mode = std::uint8_t{2};
  all.priority = std::uint8_t{9};
  all.correlation_id = "c";
  all.reply_to = "r";
  all.expiration = "60000";
  all.message_id = "m";
  all.timestamp = queue::Timestamp{12};
  all.type = "t";
  all.user_id = "guest";
  all.app_id = "a";
  all.cluster_id = "";
  peer.publishes(1, "", "orders", "all of it", false, all);
  peer.sends(1, BasicGet{0, "orders", true});
  agent.turn();
  peer.gets<BasicGetOk>(1);
  const auto content = peer.gets_content(1);
  EXPECT_EQ(content.properties, all);
  EXPECT_EQ(content.body, "all of it");
}

TEST_F(AmqpPublish, TakesAnEmptyBodyAndBodiesInManyFrames) {
  declares("orders");
  peer.publishes(1, "", "orders", "");
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(6);
  for (const char* piece : {"on", "e ", "by"}) sends_body(piece);
  peer.sends(1, BasicGet{0, "orders", true}).sends(1, BasicGet{0, "orders", true});
  agent.turn();
  peer.gets<BasicGetOk>(1);
  EXPECT_EQ(peer.gets_content(1).body, "");
  peer.gets<BasicGetOk>(1);
  EXPECT_EQ(peer.gets_content(1).body, "one by");
}

TEST_F(AmqpPublish, RefusesAnUnknownOrInternalExchange) {
  peer.publishes(1, "nowhere", "k", "x");
  expect_channel_error(404, "no exchange 'nowhere' in vhost '/'");
  ExchangeDeclare internal;
  internal.exchange = "inside";
  internal.type = "fanout";
  internal.internal = true;
  peer.sends(1, internal);
  agent.turn();
  peer.gets<ExchangeDeclareOk>(1);
  peer.publishes(1, "inside", "k", "x");
  expect_channel_error(403, "cannot publish to internal exchange 'inside' in vhost '/'");
}

TEST_F(AmqpPublish, HasNoImmediate) {
  peer.sends(1, BasicPublish{0, "", "orders", false, true});
  expect_connection_error(540, "immediate=true");
}

TEST_F(AmqpPublish, RefusesAUserIdThatIsNotTheUsers) {
  queue::Properties forged;
  forged.user_id = "admin";
  peer.publishes(1, "", "orders", "x", false, forged);
  expect_channel_error(406, "user_id property set to 'admin' but authenticated user was 'guest'");
}

TEST_F(AmqpPublish, TakesTheNameOfTheLoginAndThatOfTheServiceAccountForAUserId) {
  Script app(agent);
  app.raw(std::string_view("AMQP\0\0\x09\x01", 8)).gets<ConnectionStart>(0);
  ConnectionStartOk ok;
  ok.mechanism = "PLAIN";
  ok.response.text = std::string("\0app\0secret", 11);
  app.sends(0, ok);
  const auto tune = app.gets<ConnectionTune>(0);
  app.sends(0, ConnectionTuneOk{tune.channel_max, tune.frame_max, 0});
  app.sends(0, ConnectionOpen{"/", "", false}).gets<ConnectionOpenOk>(0);
  app.opens_channel(1);
  declares("orders");
  app.sends(1, ConfirmSelect{}).gets<ConfirmSelectOk>(1);
  queue::Properties said;
  for (const char* name : {"app", "checkout"}) {
    said.user_id = name;
    app.publishes(1, "", "orders", "x", false, said);
    agent.turn();
    app.gets<BasicAck>(1);
  }
  said.user_id = "guest";
  app.publishes(1, "", "orders", "x", false, said);
  EXPECT_EQ(app.gets<ChannelClose>(1).reply_code, 406);
}

TEST_F(AmqpPublish, RoutesByCcAndBccAndShowsNobodyBcc) {
  for (const char* name : {"a", "b", "c"}) declares(name);
  const auto keys = [](std::vector<std::string> texts) {
    queue::Array array;
    for (std::string& text : texts) array.values.emplace_back(std::move(text));
    return queue::Value(std::move(array));
  };
  queue::Properties properties;
  properties.headers.emplace();
  properties.headers->set("CC", keys({"b", "a"}));
  properties.headers->set("BCC", keys({"c"}));
  peer.publishes(1, "", "a", "for three", false, properties);
  properties.headers->erase("BCC");
  for (const char* name : {"a", "b", "c"}) {
    peer.sends(1, BasicGet{0, name, true});
    agent.turn();
    EXPECT_EQ(peer.gets<BasicGetOk>(1).message_count, 0u);
    EXPECT_EQ(peer.gets_content(1).properties, properties);
  }
  properties.headers->set("CC", std::string("no list"));
  peer.publishes(1, "", "a", "x", false, properties);
  expect_channel_error(406, "header CC is no list");
}

TEST_F(AmqpPublish, RefusesADeliveryModeAndAnExpirationThatMeanNothing) {
  queue::Properties properties;
  properties.delivery_mode = 3;
  peer.publishes(1, "", "orders", "x", false, properties);
  expect_channel_error(406, "delivery mode 3");
  for (const char* text : {"", "soon", "-1", "1.5", "4294967296"}) {
    properties = {};
    properties.expiration = text;
    peer.publishes(1, "", "orders", "x", false, properties);
    expect_channel_error(406, "invalid expiration");
  }
}

TEST_F(AmqpPublish, TakesOffPropertyFlagsThatMeanNothing) {
  declares("orders");
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  net::Output header;
  put_content_header(header, 1, 0, as_bytes(std::string_view("\0\3", 2)));
  peer.feeds(header);
  const auto got = agent.get(*agent.find("orders"), true);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->message->properties()), std::string_view("\0\0", 2));
}

TEST_F(AmqpPublish, RefusesMessagesOverTheLimitAndGoesOn) {
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(agent.context.limits.message_bytes_max + 1);
  sends_body("on its way already");
  expect_channel_error(406, "is larger than configured max size");
  declares("orders");
}

TEST_F(AmqpPublish, DropsAnUnroutableMessageAndConfirmsIt) {
  confirms();
  peer.publishes(1, "", "nowhere", "x");
  EXPECT_EQ(peer.gets<BasicAck>(1).delivery_tag, 1u);
}

TEST_F(AmqpPublish, NeverConfirmsALaterMessageBeforeAnEarlierOne) {
  declares("orders");
  confirms();
  peer.publishes(1, "", "orders", "on disk first");
  peer.publishes(1, "", "nowhere", "dropped at once");
  peer.gets_nothing();
  agent.turn();
  const auto ack = peer.gets<BasicAck>(1);
  EXPECT_EQ(ack.delivery_tag, 2u);
  EXPECT_TRUE(ack.multiple);
}

TEST_F(AmqpPublish, NacksWhatAFullQueueRefusesInOrderWithTheAcks) {
  declares_limited("small", 2);
  confirms();
  for (const char* body : {"a", "b", "c", "d"}) peer.publishes(1, "", "small", body);
  peer.publishes(1, "", "nowhere", "e");
  peer.gets_nothing();
  agent.turn();
  EXPECT_EQ(peer.gets<BasicAck>(1).delivery_tag, 2u);
  const auto nack = peer.gets<BasicNack>(1);
  EXPECT_EQ(nack.delivery_tag, 4u);
  EXPECT_TRUE(nack.multiple);
  const auto last = peer.gets<BasicAck>(1);
  EXPECT_EQ(last.delivery_tag, 5u);
  EXPECT_FALSE(last.multiple);
}

TEST_F(AmqpPublish, LetsAFullQueueDropWhatNobodyAskedToConfirm) {
  declares_limited("small", 1);
  peer.publishes(1, "", "small", "a").publishes(1, "", "small", "b");
  agent.turn();
  peer.gets_nothing();
  EXPECT_EQ(agent.find("small")->status().ready, 1u);
}

TEST_F(AmqpPublish, LeavesNothingOfALargeMessageThatAFullQueueRefused) {
  declares_limited("small", 1);
  confirms();
  peer.publishes(1, "", "small", "a");
  agent.turn();
  peer.gets<BasicAck>(1);
  const auto before = agent.spool->status().live_bytes;
  publishes_large("small", letters(300'000));
  EXPECT_EQ(peer.gets<BasicNack>(1).delivery_tag, 2u);
  agent.settle_down();
  EXPECT_LT(agent.spool->status().live_bytes, before + 100'000);
}

TEST_F(AmqpPublish, LeavesNothingOfALargeMessageThatWasNeverFinished) {
  declares("orders");
  const auto before = agent.spool->status().live_bytes;
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(500'000);
  for (int i = 0; i < 4; ++i) sends_body(letters(90'000));
  agent.turn();
  EXPECT_GT(agent.spool->status().live_bytes, before + 200'000);
  peer.sends(0, ConnectionClose{200, "changed my mind", 0, 0});
  peer.gets<ConnectionCloseOk>(0);
  agent.settle_down();
  EXPECT_LT(agent.spool->status().live_bytes, before + 100'000);
}

TEST_F(AmqpPublish, ReturnsALargeMandatoryMessageWholeBeforeItsConfirm) {
  confirms();
  const std::string body = letters(700'000);
  publishes_large("nowhere", body, 1, true);
  turns(20);
  EXPECT_EQ(peer.gets<BasicReturn>(1).reply_code, 312);
  EXPECT_EQ(peer.gets_content(1).body, body);
  EXPECT_EQ(peer.gets<BasicAck>(1).delivery_tag, 1u);
  agent.settle_down();
  EXPECT_LT(agent.spool->status().live_bytes, 100'000u);
}

TEST_F(AmqpPublish, ConfirmsNothingForAChannelThatHasGone) {
  declares("orders");
  confirms();
  peer.publishes(1, "", "orders", "a");
  peer.sends(1, ChannelClose{200, "bye", 0, 0});
  peer.gets<ChannelCloseOk>(1);
  peer.opens_channel(1);
  agent.turn();
  peer.gets_nothing();
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
}

TEST_F(AmqpPublish, LosesAndForgetsNoFrameWhileTheSpoolIsBusy) {
  declares("orders");
  confirms();
  constexpr std::size_t kCount = 14;
  const std::string body = letters(900'000);
  for (std::size_t i = 0; i < kCount; ++i) {
    peer.sends(1, BasicPublish{0, "", "orders", false, false});
    sends_header(body.size());
    for (std::size_t at = 0; at < body.size(); at += 90'000)
      sends_body(std::string_view(body).substr(at, 90'000));
  }
  peer.sends(1, durable_queue("after"));
  EXPECT_FALSE(peer.session().wants_bytes());
  turns(40);
  EXPECT_TRUE(peer.session().wants_bytes());
  EXPECT_EQ(agent.find("orders")->status().ready, kCount);
  EXPECT_NE(agent.find("after"), nullptr);
}

TEST_F(AmqpPublish, NacksWhatAFullSpoolRefusesAndReadsOn) {
  declares("orders");
  confirms();
  disk.set_capacity(4u << 20);
  for (int i = 0; i < 200; ++i) {
    peer.publishes(1, "", "orders", letters(90'000));
    agent.turn();
  }
  ASSERT_LT(agent.find("orders")->status().ready, 200u);
  peer.forgets();
  peer.publishes(1, "", "orders", letters(90'000));
  agent.turn();
  peer.gets<BasicNack>(1);
  EXPECT_TRUE(peer.session().wants_bytes());
  peer.opens_channel(2).publishes(2, "", "orders", letters(90'000));
  EXPECT_EQ(peer.gets<ChannelClose>(2).reply_code, 506);
}

// Whoever announces bodies on many channels and sends none of them takes memory all the same.
TEST_F(AmqpPublish, BoundsWhatIsAnnouncedAndNotSent) {
  declares("orders");
  const auto announces = [&](ChannelId channel, Script& by) {
    by.opens_channel(channel).sends(channel, BasicPublish{0, "", "orders", false, false});
    net::Output header;
    put_content_header(header, channel, 100'000, ByteView(Bytes(2)));
    by.feeds(header);
  };
  const auto most = agent.context.limits.incomplete_bytes_per_session / 100'000;
  for (ChannelId channel = 2; channel < 2 + most; ++channel) announces(channel, peer);
  peer.forgets();
  EXPECT_EQ(agent.context.incomplete.used(), most * 100'000);
  announces(static_cast<ChannelId>(2 + most), peer);
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 530);
  EXPECT_EQ(agent.context.incomplete.used(), 0u);
  peer.hangs_up();
}

TEST_F(AmqpPublish, GivesBackTheRoomOfACompleteMessage) {
  declares("orders");
  const auto most = agent.context.limits.incomplete_bytes_per_session / 100'000;
  for (std::uint64_t i = 0; i < 3 * most; ++i) {
    peer.publishes(1, "", "orders", letters(100'000));
    agent.turn();
  }
  EXPECT_EQ(agent.find("orders")->status().ready, 3 * most);
  EXPECT_EQ(agent.context.incomplete.used(), 0u);
}

}  // namespace
}  // namespace pannier::amqp
