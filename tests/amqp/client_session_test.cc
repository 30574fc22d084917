#include "sidecar/amqp/client_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/amqp/client_harness.h"

namespace pannier::amqp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

// A client on a real server session, on a memory disk.
class AmqpClient : public testing::Test {
 protected:
  void starts(const ClientOptions& options = guest(),
              net::PeerInfo peer = {"test", false, true, ""}) {
    client = std::make_unique<ClientSession>(user, options, agent.clock);
    server = std::make_unique<ServerSession>(agent.context, std::move(peer));
    pipe = std::make_unique<Pipe>(agent, *client, *server, 7);
    pipe->run();
  }
  ChannelId opens(const ClientOptions& options = guest()) {
    starts(options);
    return opens_channel();
  }
  ChannelId opens_channel() {
    const auto channel = client->open_channel();
    EXPECT_TRUE(channel);
    pipe->run();
    return channel ? *channel : ChannelId{0};
  }
  void declares(ChannelId channel, const std::string& name) {
    QueueDeclare declare;
    declare.queue = name;
    EXPECT_TRUE(client->ask(channel, declare));
    pipe->run();
  }
  void consumes(ChannelId channel, const std::string& queue, const std::string& tag) {
    BasicConsume consume;
    consume.queue = queue;
    consume.consumer_tag = tag;
    EXPECT_TRUE(client->ask(channel, consume));
    pipe->run();
  }
  void publishes(ChannelId channel, std::string_view key, std::string_view body,
                 bool mandatory = false) {
    EXPECT_TRUE(
        client->publish(channel, {"", key, mandatory}, queue::Properties{}, Slice::copy_of(body)));
  }

  MemoryDisk disk;
  AmqpHarness agent{disk};
  TestUser user;
  std::unique_ptr<ClientSession> client;
  std::unique_ptr<ServerSession> server;
  std::unique_ptr<Pipe> pipe;
};

std::string pattern(std::size_t size) {
  std::string body(size, '\0');
  for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 + i / 4099);
  return body;
}

TEST_F(AmqpClient, ShakesHandsAndKnowsTheServersProperties) {
  starts();
  EXPECT_TRUE(client->is_open());
  EXPECT_EQ(user.opened, 1);
  ASSERT_NE(client->server_properties().find("product"), nullptr);
  EXPECT_EQ(*client->server_properties().find("product")->as_text(), "RabbitMQ");
  EXPECT_EQ(client->tuned().frame_max, agent.context.limits.frame_max) << "the lower of both";
}

TEST_F(AmqpClient, LogsInWithItsCertificate) {
  ClientOptions options = guest();
  options.login = ClientOptions::Login::external;
  starts(options, {"test", true, false, "spiffe://td/ns/shop/sa/a/pod/1"});
  EXPECT_TRUE(client->is_open());
  EXPECT_EQ(server->user(), "spiffe://td/ns/shop/sa/a/pod/1");
}

TEST_F(AmqpClient, EndsWhenTheServerDoesNotOfferItsMechanism) {
  ClientOptions options = guest();
  options.login = ClientOptions::Login::external;
  starts(options);
  ASSERT_TRUE(user.ending);
  EXPECT_EQ(user.ending->error.code, Errc::not_supported);
  EXPECT_THAT(user.ending->error.detail, HasSubstr("EXTERNAL"));
}

TEST_F(AmqpClient, IsToldThatItsPasswordIsWrongAndNeverRepeatsIt) {
  ClientOptions options = guest();
  options.password = "hunter2";
  starts(options);
  ASSERT_TRUE(user.ending);
  EXPECT_EQ(user.ending->error.code, Errc::not_authenticated);
  EXPECT_EQ(user.ending->reply_code, 403);
  EXPECT_THAT(user.ending->error.detail, testing::Not(HasSubstr("hunter2")));
}

TEST_F(AmqpClient, AsksWithoutWaitingAndIsAnsweredInOrder) {
  starts();
  const auto channel = client->open_channel();
  ASSERT_TRUE(channel);
  ExchangeDeclare exchange;
  exchange.exchange = "events";
  exchange.type = "topic";
  QueueDeclare declare;
  declare.queue = "orders";
  EXPECT_TRUE(client->ask(*channel, exchange));
  EXPECT_TRUE(client->ask(*channel, declare));
  EXPECT_TRUE(client->ask(*channel, QueueBind{0, "orders", "events", "order.*", false, {}}));
  EXPECT_TRUE(client->ask(*channel, BasicQos{0, 10, false}));
  EXPECT_TRUE(client->publish(*channel, {"events", "order.new"}, ByteView(), Slice()));
  pipe->run();
  EXPECT_THAT(user.answers, ElementsAre(ChannelOpenOk::kId, ExchangeDeclareOk::kId,
                                        QueueDeclareOk::kId, QueueBindOk::kId, BasicQosOk::kId));
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
}

TEST_F(AmqpClient, DeclaresBindsPurgesAndDeletes) {
  const ChannelId channel = opens();
  ExchangeDeclare exchange;
  exchange.exchange = "events";
  exchange.type = "topic";
  QueueDeclare declare;
  declare.queue = "orders";
  EXPECT_TRUE(client->ask(channel, exchange));
  EXPECT_TRUE(client->ask(channel, declare));
  EXPECT_TRUE(client->ask(channel, QueueBind{0, "orders", "events", "order.*", false, {}}));
  EXPECT_TRUE(client->publish(channel, {"events", "order.new"}, queue::Properties{},
                              Slice::copy_of(std::string_view("hello"))));
  pipe->run();
  declare.passive = true;
  EXPECT_TRUE(client->ask(channel, declare));
  pipe->run();
  EXPECT_EQ(user.last_messages, 1u);
  EXPECT_TRUE(client->ask(channel, QueuePurge{0, "orders", false}));
  EXPECT_TRUE(client->ask(channel, QueueDelete{0, "orders", false, false, false}));
  pipe->run();
  EXPECT_THAT(user.answers, ElementsAre(ChannelOpenOk::kId, ExchangeDeclareOk::kId,
                                        QueueDeclareOk::kId, QueueBindOk::kId, QueueDeclareOk::kId,
                                        QueuePurgeOk::kId, QueueDeleteOk::kId));
  EXPECT_THAT(user.names, testing::Contains("orders"));
}

TEST_F(AmqpClient, PublishesWithConfirmsAndConsumesWithAcks) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  EXPECT_TRUE(client->ask(channel, ConfirmSelect{}));
  for (const char* body : {"one", "two", "three"}) publishes(channel, "orders", body);
  EXPECT_EQ(client->unconfirmed(channel), 3u);
  pipe->run();
  EXPECT_THAT(user.log, ElementsAre("ack 1", "ack 2", "ack 3"));
  EXPECT_EQ(client->unconfirmed(channel), 0u);

  consumes(channel, "orders", "tag");
  ASSERT_EQ(user.messages.size(), 3u);
  EXPECT_EQ(user.messages[2].body, "three");
  EXPECT_TRUE(client->ack(channel, user.messages[1].tag, true));
  EXPECT_TRUE(client->nack(channel, user.messages[2].tag, false, true));
  pipe->run();
  ASSERT_EQ(user.messages.size(), 4u);
  EXPECT_EQ(user.messages[3].body, "three");
  EXPECT_TRUE(user.messages[3].redelivered);
  EXPECT_TRUE(client->reject(channel, user.messages[3].tag, false));
  pipe->run();
  EXPECT_EQ(agent.find("orders")->status().ready, 0u);
  EXPECT_EQ(agent.find("orders")->status().unacked, 0u);
  EXPECT_FALSE(client->ack(channel, 99)) << "never delivered";
  EXPECT_FALSE(user.ending);
}

TEST_F(AmqpClient, GetsOneMessageOrIsToldThatThereIsNone) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  publishes(channel, "orders", "one");
  EXPECT_TRUE(client->ask(channel, BasicGet{0, "orders", true}));
  EXPECT_TRUE(client->ask(channel, BasicGet{0, "orders", true}));
  pipe->run();
  ASSERT_EQ(user.messages.size(), 1u);
  EXPECT_EQ(user.messages[0].kind, Incoming::Kind::got);
  EXPECT_EQ(user.messages[0].body, "one");
  EXPECT_EQ(user.answers.back(), BasicGetEmpty::kId);
}

TEST_F(AmqpClient, IsGivenAReturnBeforeItsConfirm) {
  const ChannelId channel = opens();
  EXPECT_TRUE(client->ask(channel, ConfirmSelect{}));
  publishes(channel, "nowhere", "lost", true);
  pipe->run();
  EXPECT_THAT(user.log, ElementsAre("returned 312", "ack 1"));
  EXPECT_EQ(user.messages[0].body, "lost");
}

TEST_F(AmqpClient, CarriesALargeBodyInPartsBothWaysWithoutHoldingIt) {
  const ChannelId channel = opens();
  declares(channel, "big");
  EXPECT_TRUE(client->ask(channel, ConfirmSelect{}));
  const std::string body = pattern(5u << 20);
  const Slice whole = Slice::copy_of(body);
  EXPECT_TRUE(client->begin_publish(channel, {"", "big"}, ByteView(), body.size()));
  EXPECT_FALSE(client->ask(channel, BasicQos{})) << "not within a body";
  constexpr std::size_t kPart = 300'000;
  for (std::size_t at = 0; at < body.size(); at += kPart) {
    EXPECT_TRUE(client->publish_part(channel, whole.part(at, std::min(kPart, body.size() - at))));
    pipe->run();
  }
  EXPECT_THAT(user.log, ElementsAre("ack 1"));
  EXPECT_FALSE(client->publish_part(channel, whole.part(0, 1))) << "it is complete";
  consumes(channel, "big", "tag");
  ASSERT_EQ(user.messages.size(), 1u);
  EXPECT_EQ(user.ended_bodies, 1);
  EXPECT_GT(user.messages[0].parts, 10u);
  EXPECT_LE(user.largest_part, client->tuned().frame_max);
  EXPECT_TRUE(user.messages[0].body == body);
}

TEST_F(AmqpClient, SharesALargeBodyInsteadOfCopyingIt) {
  const ChannelId channel = opens();
  const Slice body = Slice::copy_of(pattern(50'000));
  EXPECT_TRUE(client->publish(channel, {"", "orders"}, queue::Properties{}, body));
  std::vector<ByteView> views;
  client->output().gather(views);
  EXPECT_TRUE(
      std::ranges::any_of(views, [&](ByteView view) { return view.data() == body.view().data(); }));
}

TEST_F(AmqpClient, IsToldThatItsConsumerEndedWithItsQueue) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  consumes(channel, "orders", "tag");
  EXPECT_TRUE(client->ask(channel, QueueDelete{0, "orders", false, false, false}));
  pipe->run();
  EXPECT_THAT(user.log, ElementsAre("cancelled tag"));
}

TEST_F(AmqpClient, CancelsAConsumer) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  consumes(channel, "orders", "tag");
  EXPECT_TRUE(client->ask(channel, BasicCancel{"tag", false}));
  pipe->run();
  EXPECT_EQ(user.answers.back(), BasicCancelOk::kId);
  EXPECT_EQ(user.names.back(), "tag");
  publishes(channel, "orders", "one");
  pipe->run();
  EXPECT_TRUE(user.messages.empty());
}

TEST_F(AmqpClient, LosesOnlyTheChannelThatAskedForWhatIsNotThere) {
  const ChannelId channel = opens();
  const ChannelId other = opens_channel();
  QueueDeclare declare;
  declare.queue = "nothing";
  declare.passive = true;
  EXPECT_TRUE(client->ask(channel, declare));
  pipe->run();
  ASSERT_EQ(user.closed_channels.size(), 1u);
  EXPECT_EQ(user.closed_channels[0].first, channel);
  EXPECT_EQ(user.closed_channels[0].second.reply_code, 404);
  EXPECT_EQ(user.closed_channels[0].second.error.code, Errc::not_found);
  EXPECT_FALSE(client->ask(channel, declare));
  declares(other, "orders");
  EXPECT_EQ(user.answers.back(), QueueDeclareOk::kId);
  EXPECT_EQ(opens_channel(), channel) << "the number is free again";
}

TEST_F(AmqpClient, SendsAMethodWithAContentBehindIt) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  const BasicPublish method{0, "", "orders", false, false};
  EXPECT_TRUE(client->send(channel, method, ByteView(), Slice::copy_of("whole")));
  EXPECT_TRUE(client->send(channel, method, ByteView(), Slice()));
  EXPECT_TRUE(client->begin_send(channel, method, ByteView(), 9));
  EXPECT_FALSE(client->send(channel, method, ByteView(), Slice())) << "within a body";
  EXPECT_FALSE(client->begin_send(channel, method, ByteView(), 1));
  EXPECT_TRUE(client->publish_part(channel, Slice::copy_of("in ")));
  EXPECT_FALSE(client->publish_part(channel, Slice::copy_of("too much")));
  EXPECT_TRUE(client->publish_part(channel, Slice::copy_of("parts!")));
  consumes(channel, "orders", "tag");
  ASSERT_EQ(user.messages.size(), 3u);
  EXPECT_EQ(user.messages[0].body, "whole");
  EXPECT_EQ(user.messages[1].body, "");
  EXPECT_EQ(user.messages[2].body, "in parts!");
}

TEST_F(AmqpClient, SendsNoContentWhoseMethodOrPropertiesHaveNoRoomInAFrame) {
  const ChannelId channel = opens();
  const std::size_t unsent = client->unsent();
  BasicPublish method;
  method.routing_key = std::string(256, 'k');
  EXPECT_FALSE(client->send(channel, method, ByteView(), Slice::copy_of("body")));
  EXPECT_FALSE(client->send(channel, BasicPublish{}, Bytes(200'000), Slice::copy_of("body")));
  EXPECT_EQ(client->unsent(), unsent);
}

TEST_F(AmqpClient, AConfirmWithinAContentThatIsNoPublishIsForAll) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  EXPECT_TRUE(client->ask(channel, ConfirmSelect{}));
  publishes(channel, "orders", "one");
  EXPECT_TRUE(
      client->begin_send(channel, BasicPublish{0, "", "orders", false, false}, ByteView(), 2));
  pipe->run();
  EXPECT_FALSE(user.ending) << user.ending->error.detail;
  EXPECT_THAT(user.log, ElementsAre("ack 1"));
}

TEST_F(AmqpClient, OpensTheChannelOfANumber) {
  starts();
  EXPECT_TRUE(client->open_channel(2));
  EXPECT_FALSE(client->open_channel(2));
  EXPECT_FALSE(client->open_channel(0));
  EXPECT_FALSE(client->open_channel(static_cast<ChannelId>(client->tuned().channel_max + 1)));
  pipe->run();
  EXPECT_THAT(user.answers, ElementsAre(ChannelOpenOk::kId));
  declares(2, "orders");
  EXPECT_EQ(opens_channel(), 1);
  EXPECT_EQ(opens_channel(), 3);
  EXPECT_FALSE(user.ending);
}

TEST_F(AmqpClient, ClosesAChannelAndThenTheConnection) {
  const ChannelId channel = opens();
  EXPECT_TRUE(client->close_channel(channel));
  pipe->run();
  ASSERT_EQ(user.closed_channels.size(), 1u);
  EXPECT_TRUE(user.closed_channels[0].second.asked_for);
  client->close();
  pipe->run();
  ASSERT_TRUE(user.ending);
  EXPECT_TRUE(user.ending->asked_for);
  EXPECT_TRUE(client->wants_close());
  EXPECT_FALSE(client->open_channel());
}

TEST_F(AmqpClient, EndsWithTheReasonOfAServerThatCloses) {
  opens();
  server->force_close("the agent ends");
  pipe->run();
  ASSERT_TRUE(user.ending);
  EXPECT_EQ(user.ending->reply_code, 320);
  EXPECT_THAT(user.ending->error.detail, HasSubstr("the agent ends"));
  EXPECT_TRUE(server->wants_close()) << "close-ok has come";
}

TEST_F(AmqpClient, IsToldWhenPublishersAreBlocked) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  publishes(channel, "orders", "one");
  pipe->run();
  agent.context.set_blocked("low on disk");
  pipe->run();
  EXPECT_TRUE(client->is_blocked());
  agent.context.set_blocked({});
  pipe->run();
  EXPECT_THAT(user.log, ElementsAre("blocked low on disk", "unblocked"));
}

TEST_F(AmqpClient, LooksAtNothingWhileItIsPaused) {
  const ChannelId channel = opens();
  declares(channel, "orders");
  for (int i = 0; i < 20; ++i) publishes(channel, "orders", "x");
  user.when_message = [&](ChannelId, const TestUser::Message&) { client->pause(); };
  consumes(channel, "orders", "tag");
  EXPECT_EQ(user.messages.size(), 1u);
  EXPECT_FALSE(client->wants_bytes());
  client->resume();
  EXPECT_EQ(user.messages.size(), 2u);
  user.when_message = nullptr;
  client->resume();
  pipe->run();
  EXPECT_EQ(user.messages.size(), 20u);
}

TEST_F(AmqpClient, SaysWhenItsOutputIsOverfullAndWhenThereIsRoomAgain) {
  ClientOptions options = guest();
  options.limits.unsent_bytes = 10'000;
  const ChannelId channel = opens(options);
  publishes(channel, "orders", std::string(20'000, 'x'));
  EXPECT_TRUE(client->is_overfull());
  client->pause();
  user.when_room = [&] { client->resume(); };
  pipe->run();
  EXPECT_EQ(user.rooms, 1);
  EXPECT_TRUE(client->wants_bytes());
  EXPECT_FALSE(client->is_overfull());
}

TEST_F(AmqpClient, SendsHeartbeatsAndEndsWhenTheServerIsSilentForTwo) {
  ClientOptions options = guest();
  options.heartbeat_seconds = 10;
  opens(options);
  agent.clock.advance(5s);
  client->on_time(agent.clock.now());
  EXPECT_EQ(client->output().size(), kFrameOverhead);
  pipe->run();
  agent.clock.advance(5s);
  server->on_time(agent.clock.now());
  pipe->run();
  agent.clock.advance(19s);
  client->on_time(agent.clock.now());
  EXPECT_FALSE(user.ending);
  agent.clock.advance(1s);
  client->on_time(agent.clock.now());
  ASSERT_TRUE(user.ending);
  EXPECT_EQ(user.ending->error.code, Errc::timed_out);
  EXPECT_TRUE(client->wants_close());
}

TEST_F(AmqpClient, DoesNotTakeItsOwnPauseForTheServersSilence) {
  ClientOptions options = guest();
  options.heartbeat_seconds = 10;
  opens(options);
  client->pause();
  agent.clock.advance(60s);
  client->on_time(agent.clock.now());
  EXPECT_FALSE(user.ending);
  client->resume();
  client->on_time(agent.clock.now());
  EXPECT_FALSE(user.ending);
}

TEST_F(AmqpClient, RefusesAMessageBeyondItsLimitAndKeepsTheConnection) {
  ClientOptions options = guest();
  options.limits.message_bytes_max = 1'000;
  const ChannelId channel = opens(options);
  declares(channel, "orders");
  publishes(channel, "orders", std::string(1'001, 'x'));
  consumes(channel, "orders", "tag");
  ASSERT_EQ(user.closed_channels.size(), 1u);
  EXPECT_EQ(user.closed_channels[0].second.error.code, Errc::too_large);
  EXPECT_FALSE(user.ending);
  EXPECT_EQ(opens_channel(), channel);
}

TEST_F(AmqpClient, RefusesWhatDoesNotFitAndSendsNothingOfIt) {
  const ChannelId channel = opens();
  const std::string name(256, 'q');
  BasicConsume consume;
  consume.queue = "orders";
  consume.arguments.set("x", std::string(200'000, 'x'));
  EXPECT_FALSE(client->ask(channel, QueuePurge{0, name, false}));
  EXPECT_FALSE(client->ask(channel, consume));
  EXPECT_FALSE(client->publish(channel, {"", name}, queue::Properties{}, Slice()));
  EXPECT_FALSE(client->publish(channel, {"", "q"}, Bytes(200'000), Slice()));
  EXPECT_TRUE(client->output().empty());
}

TEST_F(AmqpClient, MayBeUsedFromWithinItsCallbacks) {
  starts();
  user.when_open = nullptr;
  const ChannelId channel = opens_channel();
  declares(channel, "orders");
  int turns = 0;
  user.when_message = [&](ChannelId at, const TestUser::Message& message) {
    EXPECT_TRUE(client->ack(at, message.tag));
    if (++turns < 50)
      publishes(at, "orders", "again");
    else
      EXPECT_TRUE(client->close_channel(at));
  };
  publishes(channel, "orders", "first");
  consumes(channel, "orders", "tag");
  EXPECT_EQ(turns, 50);
  EXPECT_EQ(user.closed_channels.size(), 1u);
  EXPECT_EQ(agent.find("orders")->status().unacked, 0u);
}

}  // namespace
}  // namespace pannier::amqp
