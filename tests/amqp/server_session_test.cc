#include "sidecar/amqp/server_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using AmqpSession = AmqpTest;

TEST_F(AmqpSession, AnswersAnotherProtocolWithItsOwnHeaderAndEnds) {
  peer.raw(std::string_view("AMQP\1\1\0\x0a", 8));
  EXPECT_TRUE(peer.is_closed());
  EXPECT_EQ(peer.session().output().size(), 8u);
}

TEST_F(AmqpSession, AdvertisesItsCapabilities) {
  peer.raw(std::string_view("AMQP\0\0\x09\x01", 8));
  const auto start = peer.gets<ConnectionStart>(0);
  EXPECT_EQ(start.mechanisms.text, "PLAIN AMQPLAIN");
  ASSERT_NE(start.server_properties.find("capabilities"), nullptr);
  const queue::Table* capabilities = start.server_properties.find("capabilities")->as_table();
  EXPECT_NE(capabilities->find("publisher_confirms"), nullptr);
  EXPECT_NE(capabilities->find("consumer_priorities"), nullptr);
}

// kombu, and so Celery, compares the product, and takes the numbers of the version as a tuple.
TEST_F(AmqpSession, SaysTheProductByWhichClientsKnowItsMeaningOfPrefetch) {
  peer.raw(std::string_view("AMQP\0\0\x09\x01", 8));
  const auto start = peer.gets<ConnectionStart>(0);
  const auto text = [&](const char* key) {
    const queue::Value* value = start.server_properties.find(key);
    return value != nullptr && value->as_text() != nullptr ? *value->as_text() : "none";
  };
  EXPECT_EQ(text("product"), "RabbitMQ");
  EXPECT_THAT(text("version"), StartsWith("3.13."));
  EXPECT_THAT(text("platform"), StartsWith("Pannier "));
}

TEST_F(AmqpSession, OffersExternalOnlyToAVerifiedCertificate) {
  Script with_certificate(agent, {"test", true, false, "spiffe://td/ns/shop/sa/a/pod/1"});
  with_certificate.raw(std::string_view("AMQP\0\0\x09\x01", 8));
  EXPECT_EQ(with_certificate.gets<ConnectionStart>(0).mechanisms.text, "PLAIN AMQPLAIN EXTERNAL");
}

TEST_F(AmqpSession, TakesNoPasswordWhereOnlyCertificatesLogIn) {
  Script other(agent, {"test", true, false, "spiffe://td/ns/shop/sa/a/pod/1"}, Logins::certificate);
  other.raw(std::string_view("AMQP\0\0\x09\x01", 8));
  EXPECT_EQ(other.gets<ConnectionStart>(0).mechanisms.text, "EXTERNAL");
  ConnectionStartOk ok;
  ok.mechanism = "PLAIN";
  ok.response.text = std::string("\0guest\0guest", 12);
  other.sends(0, ok);
  EXPECT_EQ(other.gets<ConnectionClose>(0).reply_code, 530);
}

TEST_F(AmqpSession, TellsAClientThatAskedForItWhyItsLoginFailed) {
  says_hello();
  logs_in(std::string("\0guest\0wrong", 12), "PLAIN", true);
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 403);
}

TEST_F(AmqpSession, OpensAnyByteAtATime) {
  net::Output script;
  Bytes bytes;
  const std::string_view header("AMQP\0\0\x09\x01", 8);
  ConnectionStartOk ok;
  ok.mechanism = "PLAIN";
  ok.response.text = std::string("\0guest\0guest", 12);
  put_method(script, 0, ok);
  put_method(script, 0, ConnectionTuneOk{10, 8192, 0});
  put_method(script, 0, ConnectionOpen{"/", "", false});
  put_method(script, 7, ChannelOpen{});
  bytes.insert(bytes.end(), as_bytes(header).begin(), as_bytes(header).end());
  const Bytes said = bytes_of(script);
  bytes.insert(bytes.end(), said.begin(), said.end());
  for (const std::byte& byte : bytes) peer.raw(ByteView(&byte, 1));
  peer.gets<ConnectionStart>(0);
  peer.gets<ConnectionTune>(0);
  peer.gets<ConnectionOpenOk>(0);
  peer.gets<ChannelOpenOk>(7);
}

TEST_F(AmqpSession, RefusesAVhostThatIsNotItsNamespace) {
  says_hello();
  logs_in(std::string("\0guest\0guest", 12));
  const auto tune = peer.gets<ConnectionTune>(0);
  peer.sends(0, ConnectionTuneOk{tune.channel_max, tune.frame_max, 0});
  peer.sends(0, ConnectionOpen{"other", "", false});
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 530);
}

TEST_F(AmqpSession, AnswersADeclareOnlyOnceItIsSynced) {
  peer.opens().sends(1, durable_queue("orders"));
  peer.gets_nothing();
  agent.turn();
  EXPECT_EQ(peer.gets<QueueDeclareOk>(1).queue, "orders");
}

TEST_F(AmqpSession, ConfirmsOnlyAfterTheSync) {
  peer.opens();
  declares("orders");
  peer.sends(1, ConfirmSelect{});
  peer.gets<ConfirmSelectOk>(1);
  peer.publishes(1, "", "orders", "one").publishes(1, "", "orders", "two");
  peer.gets_nothing();
  agent.turn();
  const auto ack = peer.gets<BasicAck>(1);
  EXPECT_EQ(ack.delivery_tag, 2u);
  EXPECT_TRUE(ack.multiple);
  peer.gets_nothing();
}

TEST_F(AmqpSession, ReturnsAMandatoryMessageBeforeItConfirmsIt) {
  peer.opens().sends(1, ConfirmSelect{});
  peer.gets<ConfirmSelectOk>(1);
  peer.publishes(1, "", "nowhere", "lost", true);
  const auto returned = peer.gets<BasicReturn>(1);
  EXPECT_EQ(returned.reply_code, 312);
  EXPECT_EQ(returned.reply_text, "NO_ROUTE");
  EXPECT_EQ(peer.gets_content(1).body, "lost");
  EXPECT_EQ(peer.gets<BasicAck>(1).delivery_tag, 1u);
}

TEST_F(AmqpSession, DeliversWithPropertiesAndForgetsWhatIsAcked) {
  peer.opens();
  declares("orders");
  queue::Properties properties;
  properties.content_type = "text/plain";
  properties.headers.emplace();
  properties.headers->set("k", std::int32_t{7});
  peer.publishes(1, "", "orders", "hello", false, properties);
  peer.sends(1, BasicConsume{0, "orders", "me", false, false, false, false, {}});
  EXPECT_EQ(peer.gets<BasicConsumeOk>(1).consumer_tag, "me");
  agent.turn();
  const auto deliver = peer.gets<BasicDeliver>(1);
  EXPECT_EQ(deliver.consumer_tag, "me");
  EXPECT_EQ(deliver.routing_key, "orders");
  EXPECT_FALSE(deliver.redelivered);
  const auto content = peer.gets_content(1);
  EXPECT_EQ(content.body, "hello");
  EXPECT_EQ(content.properties, properties);
  peer.sends(1, BasicAck{deliver.delivery_tag, false});
  agent.settle_down();
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(AmqpSession, GivesAConsumerNoMoreThanItsPrefetch) {
  peer.opens();
  declares("orders");
  peer.sends(1, BasicQos{0, 2, false});
  peer.gets<BasicQosOk>(1);
  for (const char* body : {"a", "b", "c"}) peer.publishes(1, "", "orders", body);
  peer.sends(1, BasicConsume{0, "orders", "", false, false, false, false, {}});
  peer.gets<BasicConsumeOk>(1);
  agent.turn();
  for (int i = 0; i < 2; ++i) {
    peer.gets<BasicDeliver>(1);
    peer.gets_content(1);
  }
  peer.gets_nothing();
  peer.sends(1, BasicAck{0, true});
  agent.turn();
  peer.gets<BasicDeliver>(1);
  EXPECT_EQ(peer.gets_content(1).body, "c");
}

TEST_F(AmqpSession, RequeuesWithNackRejectAndRecover) {
  peer.opens();
  declares("orders");
  peer.publishes(1, "", "orders", "again");
  peer.sends(1, BasicConsume{0, "orders", "", false, false, false, false, {}});
  peer.gets<BasicConsumeOk>(1);
  agent.turn();
  auto deliver = peer.gets<BasicDeliver>(1);
  peer.gets_content(1);
  peer.sends(1, BasicNack{deliver.delivery_tag, false, true});
  agent.turn();
  deliver = peer.gets<BasicDeliver>(1);
  EXPECT_TRUE(deliver.redelivered);
  peer.gets_content(1);
  peer.sends(1, BasicReject{deliver.delivery_tag, true});
  agent.turn();
  peer.gets<BasicDeliver>(1);
  peer.gets_content(1);
  peer.sends(1, BasicRecover{true});
  agent.turn();
  peer.gets<BasicRecoverOk>(1);
  peer.gets<BasicDeliver>(1);
  EXPECT_EQ(peer.gets_content(1).body, "again");
}

TEST_F(AmqpSession, GetsOneMessageOrSaysThatThereIsNone) {
  peer.opens();
  declares("orders");
  peer.sends(1, BasicGet{0, "orders", false});
  peer.gets<BasicGetEmpty>(1);
  peer.publishes(1, "", "orders", "one").publishes(1, "", "orders", "two");
  peer.sends(1, BasicGet{0, "orders", false});
  agent.turn();
  const auto got = peer.gets<BasicGetOk>(1);
  EXPECT_EQ(got.message_count, 1u);
  EXPECT_EQ(peer.gets_content(1).body, "one");
}

TEST_F(AmqpSession, ClosesOnlyTheChannelForAnUnknownQueueAndGoesOnOnAnother) {
  peer.opens();
  peer.sends(1, BasicConsume{0, "nowhere", "", false, false, false, false, {}});
  const auto close = peer.gets<ChannelClose>(1);
  EXPECT_EQ(close.reply_code, 404);
  EXPECT_THAT(close.reply_text, StartsWith("NOT_FOUND - no queue 'nowhere' in vhost '/'"));
  EXPECT_EQ(close.class_id, 60);
  EXPECT_EQ(close.method_id, 20);
  peer.publishes(1, "", "x", "frames on their way are dropped");
  peer.sends(1, ChannelCloseOk{});
  peer.opens_channel(2);
  peer.opens_channel(1);
  peer.gets_nothing();
}

TEST_F(AmqpSession, ClosesTheChannelForAnUnknownDeliveryTag) {
  peer.opens().sends(1, BasicAck{5, false});
  const auto close = peer.gets<ChannelClose>(1);
  EXPECT_EQ(close.reply_code, 406);
  EXPECT_EQ(close.reply_text, "PRECONDITION_FAILED - unknown delivery tag 5");
}

TEST_F(AmqpSession, ClosesTheConnectionForWhatIsNoFrame) {
  peer.opens().raw("\x09nonsense that is no frame at all");
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 501);
}

TEST_F(AmqpSession, RefusesWhatAccessDenies) {
  peer.opens();
  declares("orders");
  agent.access.denied.insert({Verb::publish, "orders"});
  peer.publishes(1, "", "orders", "x");
  const auto close = peer.gets<ChannelClose>(1);
  EXPECT_EQ(close.reply_code, 403);
  EXPECT_THAT(close.reply_text, HasSubstr("refused for user 'guest'"));
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(AmqpSession, TellsAConsumerWhoseQueueGoes) {
  queue::Table capabilities;
  capabilities.set("consumer_cancel_notify", true);
  peer.opens(capabilities);
  declares("orders");
  peer.sends(1, BasicConsume{0, "orders", "me", false, false, false, false, {}});
  peer.gets<BasicConsumeOk>(1);
  ASSERT_TRUE(agent.registry->delete_queue("orders", 0, false, false));
  EXPECT_EQ(peer.gets<BasicCancel>(1).consumer_tag, "me");
}

TEST_F(AmqpSession, GivesBackWhatWasUnackedWhenTheClientHangsUp) {
  peer.opens();
  declares("orders");
  peer.publishes(1, "", "orders", "a");
  peer.sends(1, BasicConsume{0, "orders", "", false, false, false, false, {}});
  peer.gets<BasicConsumeOk>(1);
  agent.turn();
  peer.gets<BasicDeliver>(1);
  EXPECT_EQ(agent.find("orders")->status().unacked, 1u);
  peer.hangs_up();
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
}

TEST_F(AmqpSession, CarriesALargeBodyInPartsBothWays) {
  peer.opens();
  declares("orders");
  std::string body(3'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 1'000)
    body[i] = static_cast<char>('a' + i / 1'000 % 26);
  peer.sends(1, ConfirmSelect{});
  peer.gets<ConfirmSelectOk>(1);
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  {
    Bytes none;
    ByteWriter writer(none);
    queue::Properties().encode(writer);
    net::Output header;
    put_content_header(header, 1, body.size(), none);
    peer.feeds(header);
    for (std::size_t at = 0; at < body.size(); at += 100'000) {
      net::Output piece;
      put_body(piece, 1, Slice::copy_of(std::string_view(body).substr(at, 100'000)), 100'000);
      peer.feeds(piece);
      agent.turn();
    }
  }
  agent.turn();
  peer.gets<BasicAck>(1);
  peer.sends(1, BasicConsume{0, "orders", "", false, true, false, false, {}});
  peer.gets<BasicConsumeOk>(1);
  for (int i = 0; i < 40; ++i) {
    agent.turn();
    peer.has_more();
  }
  peer.gets<BasicDeliver>(1);
  EXPECT_EQ(peer.gets_content(1).body, body);
  agent.settle_down();
  EXPECT_TRUE(agent.find("orders")->empty());
}

TEST_F(AmqpSession, SendsHeartbeatsAndEndsASilentConnection) {
  opens_with(0, 0, 10);
  agent.clock.advance(std::chrono::seconds(6));
  peer.session().on_time(agent.clock.now());
  EXPECT_EQ(peer.session().output().size(), 8u);  // one heartbeat frame
  agent.clock.advance(std::chrono::seconds(15));
  peer.session().on_time(agent.clock.now());
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpSession, CutsOffWhoeverDoesNotShakeHands) {
  agent.clock.advance(std::chrono::seconds(11));
  peer.session().on_time(agent.clock.now());
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpSession, RoutesThroughEveryTypeOfExchange) {
  peer.opens();
  declares("orders");
  for (const char* type : {"direct", "fanout", "topic", "headers"}) {
    ExchangeDeclare exchange;
    exchange.exchange = std::string("x.") + type;
    exchange.type = type;
    exchange.durable = true;
    peer.sends(1, exchange);
    agent.turn();
    peer.gets<ExchangeDeclareOk>(1);
    QueueBind bind{0, "orders", exchange.exchange, "a.*", false, {}};
    if (exchange.type == "direct") bind.routing_key = "a.b";
    if (exchange.type == "headers") bind.arguments.set("h", std::string("v"));
    peer.sends(1, bind);
    agent.turn();
    peer.gets<QueueBindOk>(1);
    queue::Properties properties;
    properties.headers.emplace();
    properties.headers->set("h", std::string("v"));
    peer.publishes(1, exchange.exchange, "a.b", type, false, properties);
  }
  EXPECT_EQ(agent.find("orders")->status().ready, 4u);
}

TEST_F(AmqpSession, SurvivesNonsenseOfEveryKindWithoutACrash) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    Script client(agent);
    client.opens();
    net::Output out;
    put_method(out, 1, durable_queue("q"));
    put_method(out, 1, BasicConsume{0, "q", "", false, false, false, false, {}});
    put_method(out, 1, BasicPublish{0, "", "q", true, false});
    put_content_header(out, 1, 5, ByteView(Bytes(2)));
    put_body(out, 1, Slice::copy_of("hello"), 4096);
    Bytes bytes = bytes_of(out);
    for (int change = 0; change < 4; ++change)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    client.raw(bytes);
    agent.turn();
    client.hangs_up();
  }
  peer.opens();
  declares("still here");
}

}  // namespace
}  // namespace pannier::amqp
