#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/amqp/client_harness.h"

namespace pannier::amqp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

// A server that says what the test wants it to.
class AmqpClientAgainst : public testing::Test {
 protected:
  AmqpClientAgainst() { restart(); }

  void restart(const ClientOptions& options = guest()) {
    user = std::make_unique<TestUser>();
    client = std::make_unique<ClientSession>(*user, options, clock);
  }
  void says(const net::Output& out) { static_cast<void>(client->on_bytes(bytes_of(out))); }
  template <typename Method>
  void says(ChannelId channel, const Method& method) {
    net::Output out;
    put_method(out, channel, method);
    says(out);
  }
  static ConnectionStart start(std::string mechanisms = "AMQPLAIN PLAIN") {
    ConnectionStart method;
    method.version_minor = 9;
    method.mechanisms.text = std::move(mechanisms);
    method.locales.text = "en_US";
    return method;
  }
  void shakes_hands() {
    says(0, start());
    says(0, ConnectionTune{10, 8192, 0});
    says(0, ConnectionOpenOk{});
    ASSERT_TRUE(client->is_open());
  }
  // Channel 1, that consumes and gets confirms.
  void opens() {
    shakes_hands();
    ASSERT_TRUE(client->open_channel());
    says(1, ChannelOpenOk{});
    ASSERT_TRUE(client->ask(1, BasicConsume{0, "q", "tag", false, false, false, true, {}}));
    ASSERT_TRUE(client->ask(1, ConfirmSelect{true}));
  }
  void publishes(int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(client->publish(1, {"", "q", true}, ByteView(), Slice()));
  }
  void says_header(std::uint64_t size, ByteView properties = Bytes(2)) {
    net::Output out;
    put_content_header(out, 1, size, properties);
    says(out);
  }
  void says_body(std::string_view body) {
    net::Output out;
    put_body(out, 1, Slice::copy_of(body), 8192);
    says(out);
  }
  void ended_with(Errc code, std::string_view detail) {
    ASSERT_TRUE(user->ending) << "not ended; expected: " << detail;
    EXPECT_EQ(user->ending->error.code, code) << user->ending->error.detail;
    EXPECT_THAT(user->ending->error.detail, HasSubstr(std::string(detail)));
    EXPECT_TRUE(client->wants_close());
    EXPECT_FALSE(client->deadline());
  }

  FakeClock clock;
  std::unique_ptr<TestUser> user;
  std::unique_ptr<ClientSession> client;
};

TEST_F(AmqpClientAgainst, AServerOfAnotherProtocolEndsWithThatReason) {
  static_cast<void>(client->on_bytes(as_bytes("AMQP")));
  ended_with(Errc::not_supported, "AMQP 0-9-1");
  restart();
  EXPECT_FALSE(client->on_bytes(as_bytes("HTTP/1.1 400 Bad Request")));
  ended_with(Errc::bad_frame, "type 72");
}

TEST_F(AmqpClientAgainst, AServerThatDoesNotAnswerEndsAtTheHandshakeLimit) {
  ASSERT_TRUE(client->deadline());
  clock.advance(9s);
  client->on_time(clock.now());
  EXPECT_FALSE(user->ending);
  clock.advance(1s);
  client->on_time(clock.now());
  ended_with(Errc::timed_out, "did not answer");
}

TEST_F(AmqpClientAgainst, AServerThatHangsUpOnALoginIsTakenForARefusal) {
  says(0, start());
  client->on_closed();
  ended_with(Errc::not_authenticated, "login");
}

TEST_F(AmqpClientAgainst, EachMethodOutOfItsStateEndsTheSession) {
  says(0, ConnectionTune{});
  ended_with(Errc::unexpected, "10.30");
  restart();
  says(0, start());
  says(0, start());
  ended_with(Errc::unexpected, "10.10");
  restart();
  says(0, start());
  says(1, ChannelOpenOk{});
  ended_with(Errc::unexpected, "before the connection is open");
  restart();
  shakes_hands();
  says(0, ConnectionOpenOk{});
  ended_with(Errc::unexpected, "10.41");
  restart();
  shakes_hands();
  says(3, BasicAck{1, false});
  ended_with(Errc::unexpected, "channel 3, which is not open");
  restart();
  opens();
  says(1, QueueDeclareOk{"q", 0, 0});
  ended_with(Errc::unexpected, "50.11 that nobody asked for");
  restart();
  opens();
  says(1, BasicGetEmpty{});
  ended_with(Errc::unexpected, "60.72 that nobody asked for");
}

TEST_F(AmqpClientAgainst, ContentThatIsNoneEndsTheSession) {
  opens();
  says_header(1);
  ended_with(Errc::unexpected, "header that nothing announced");
  restart();
  opens();
  says_body("x");
  ended_with(Errc::unexpected, "body frame that nothing announced");
  restart();
  opens();
  says(1, BasicDeliver{"tag", 1, false, "", "q"});
  says(1, BasicDeliver{"tag", 2, false, "", "q"});
  ended_with(Errc::unexpected, "where content is due");
  restart();
  opens();
  says(1, BasicDeliver{"tag", 1, false, "", "q"});
  says_header(2);
  says_body("abc");
  ended_with(Errc::bad_frame, "longer than its header says");
  restart();
  opens();
  says(1, BasicDeliver{"tag", 1, false, "", "q"});
  says_header(2, as_bytes("\xff\xff\xff"));
  ended_with(Errc::bad_syntax, "properties");
  restart();
  opens();
  says(1, BasicReturn{312, "NO_ROUTE", "", "q"});
  ended_with(Errc::unexpected, "nothing was mandatory");
}

TEST_F(AmqpClientAgainst, DeliveryTagsThatDoNotRiseEndTheSession) {
  opens();
  for (int i = 0; i < 2; ++i) {
    says(1, BasicDeliver{"tag", 5, false, "", "q"});
    says_header(0);
  }
  ended_with(Errc::unexpected, "delivery tag 5 after 5");
  EXPECT_EQ(user->messages.size(), 1u);
}

TEST_F(AmqpClientAgainst, ConfirmsInAnyOrderAndGroupingAreToldOnceEach) {
  opens();
  publishes(7);
  says(1, BasicAck{3, false});
  says(1, BasicNack{5, false, false});
  says(1, BasicAck{4, false});
  EXPECT_EQ(client->unconfirmed(1), 7u);
  says(1, BasicAck{6, true});
  EXPECT_EQ(client->unconfirmed(1), 1u);
  says(1, BasicNack{0, true, false});
  EXPECT_THAT(user->log,
              ElementsAre("ack 3", "nack 5", "ack 4", "ack 1", "ack 2", "ack 6", "nack 7"));
  EXPECT_EQ(client->unconfirmed(1), 0u);
}

TEST_F(AmqpClientAgainst, AConfirmOfWhatIsNotOutstandingEndsTheSession) {
  for (const BasicAck ack : {BasicAck{3, false}, BasicAck{3, true}, BasicAck{0, false}}) {
    restart();
    opens();
    publishes(2);
    says(1, ack);
    ended_with(Errc::unexpected, "not outstanding");
  }
  restart();
  opens();
  publishes(3);
  says(1, BasicAck{2, false});
  says(1, BasicAck{2, false});
  ended_with(Errc::unexpected, "publish 2");
  restart();
  opens();
  ASSERT_TRUE(client->begin_publish(1, {"", "q"}, ByteView(), 10));
  says(1, BasicAck{1, false});
  ended_with(Errc::unexpected, "publish 1");
}

TEST_F(AmqpClientAgainst, NoMorePublishesThanTheLimitWaitForTheirConfirm) {
  ClientOptions options = guest();
  options.limits.unconfirmed = 3;
  restart(options);
  opens();
  publishes(3);
  const auto refused = client->publish(1, {"", "q"}, ByteView(), Slice());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::limit_reached);
  says(1, BasicAck{1, false});
  publishes(1);
}

TEST_F(AmqpClientAgainst, ClosesThatCrossLeaveTheChannelFreeOnceBothAreAnswered) {
  opens();
  ASSERT_TRUE(client->close_channel(1));
  client->output().clear();
  says(1, ChannelClose{406, "PRECONDITION_FAILED", 0, 0});
  net::Output ok;
  put_method(ok, 1, ChannelCloseOk{});
  EXPECT_EQ(bytes_of(client->output()), bytes_of(ok));
  EXPECT_TRUE(user->closed_channels.empty());
  says(1, ChannelCloseOk{});
  EXPECT_EQ(user->closed_channels.size(), 1u);
  EXPECT_FALSE(user->ending);
}

TEST_F(AmqpClientAgainst, AChannelMayBeClosedWithinABodyThatItSends) {
  opens();
  says(1, BasicDeliver{"tag", 1, false, "", "q"});
  says_header(500'000);
  says_body("first part");
  says(1, ChannelClose{541, "INTERNAL_ERROR", 60, 60});
  ASSERT_EQ(user->closed_channels.size(), 1u);
  EXPECT_EQ(user->ended_bodies, 0);
  EXPECT_FALSE(user->ending);
}

TEST_F(AmqpClientAgainst, WhatItMustAnswerWaitsForTheEndOfABodyOfItsOwn) {
  opens();
  ASSERT_TRUE(client->begin_publish(1, {"", "q"}, ByteView(), 3));
  client->output().clear();
  says(1, ChannelFlow{false});
  EXPECT_TRUE(client->output().empty());
  ASSERT_TRUE(client->publish_part(1, Slice::copy_of(std::string_view("abc"))));
  net::Output expected;
  put_body(expected, 1, Slice::copy_of(std::string_view("abc")), 8192);
  put_method(expected, 1, ChannelFlowOk{false});
  EXPECT_EQ(bytes_of(client->output()), bytes_of(expected));
  EXPECT_THAT(user->log, ElementsAre("flow off"));
}

TEST_F(AmqpClientAgainst, AServerThatAsksWithoutEndWithinABodyEndsTheSession) {
  opens();
  ASSERT_TRUE(client->begin_publish(1, {"", "q"}, ByteView(), 3));
  for (int i = 0; i < 1'000 && !user->ending; ++i) says(1, ChannelFlow{false});
  ended_with(Errc::limit_reached, "while a body is on its way");
}

TEST_F(AmqpClientAgainst, WhatCameDuringAPauseIsLookedAtWhenARoomEndsThePause) {
  ClientOptions options = guest();
  options.limits.unsent_bytes = 1'000;
  restart(options);
  opens();
  user->when_room = [&] { client->resume(); };
  client->pause();
  says(0, ConnectionBlocked{"full"});
  ASSERT_TRUE(client->publish(1, {"", "q"}, ByteView(), Slice::copy_of(std::string(2'000, 'x'))));
  EXPECT_TRUE(user->log.empty());
  client->output().clear();
  client->on_sent(0);
  EXPECT_THAT(user->log, ElementsAre("blocked full"));
}

TEST_F(AmqpClientAgainst, NothingIsCalledAfterTheEnd) {
  opens();
  user->when_message = [&](ChannelId, const TestUser::Message&) { client->on_closed(); };
  net::Output out;
  for (DeliveryTag tag = 1; tag <= 3; ++tag) {
    put_method(out, 1, BasicDeliver{"tag", tag, false, "", "q"});
    put_content_header(out, 1, 0, Bytes(2));
  }
  says(out);
  EXPECT_EQ(user->messages.size(), 1u);
  EXPECT_FALSE(client->ask(1, BasicQos{}));
  client->on_closed();
  client->on_time(clock.now() + 1h);
}

// A conversation with a real server that shows every kind of frame, as the server's bytes.
class AmqpClientOnBadBytes : public testing::Test {
 protected:
  AmqpClientOnBadBytes() {
    MemoryDisk disk;
    AmqpHarness agent(disk);
    auto one = make();
    ServerSession server(agent.context, {"test", false, true, ""});
    Pipe pipe(agent, *one->client, server);
    pipe.run();
    EXPECT_FALSE(one->user.ending) << one->user.ending->error.detail;
    EXPECT_EQ(one->user.messages.size(), 4u);
    valid = pipe.from_server;
  }
  struct One {
    FakeClock clock;
    TestUser user;
    std::unique_ptr<ClientSession> client;
  };
  // Asks for everything as soon as it may, so that the same bytes fit each time.
  static std::unique_ptr<One> make() {
    auto one = std::make_unique<One>();
    ClientOptions options = guest();
    options.limits.whole_body_bytes = 1'000;
    options.limits.message_bytes_max = 1u << 20;
    one->client = std::make_unique<ClientSession>(one->user, options, one->clock);
    one->user.when_open = [client = one->client.get()] {
      static_cast<void>(client->open_channel());
      QueueDeclare declare;
      declare.queue = "q";
      static_cast<void>(client->ask(1, declare));
      static_cast<void>(client->ask(1, ConfirmSelect{}));
      for (const std::size_t size : {0u, 10u, 3'000u})
        static_cast<void>(client->publish(1, {"", "q"}, queue::Properties{},
                                          Slice::copy_of(std::string(size, 'x'))));
      static_cast<void>(client->publish(1, {"", "nowhere", true}, ByteView(), Slice()));
      static_cast<void>(client->ask(1, BasicConsume{0, "q", "tag", false, true, {}, {}, {}}));
    };
    return one;
  }
  static void feed(One& one, ByteView bytes, Random& random) {
    while (!bytes.empty()) {
      const std::size_t size = std::min<std::size_t>(1 + random.below(200), bytes.size());
      static_cast<void>(one.client->on_bytes(bytes.first(size)));
      bytes = bytes.subspan(size);
    }
  }
  static void must_end(One& one) {
    one.client->on_closed();
    ASSERT_TRUE(one.user.ending);
    EXPECT_FALSE(one.user.ending->error.detail.empty());
    EXPECT_TRUE(one.client->wants_close());
  }

  Bytes valid;
};

TEST_F(AmqpClientOnBadBytes, EndsWithAnErrorWhereverTheConversationBreaksOff) {
  Random random(1);
  for (std::size_t size = 0; size <= valid.size(); ++size) {
    auto one = make();
    feed(*one, ByteView(valid).first(size), random);
    ASSERT_FALSE(one->user.ending) << one->user.ending->error.detail;
    must_end(*one);
  }
}

TEST_F(AmqpClientOnBadBytes, SurvivesMutationsOfEveryKind) {
  Random random(2);
  int ended = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = valid;
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      const auto at = static_cast<std::ptrdiff_t>(random.below(bytes.size()));
      switch (random.below(4)) {
        case 0: bytes[static_cast<std::size_t>(at)] = std::byte(random.below(256)); break;
        case 1: bytes[static_cast<std::size_t>(at)] ^= std::byte(1u << random.below(8)); break;
        case 2: bytes.erase(bytes.begin() + at); break;
        default: bytes.insert(bytes.begin() + at, std::byte(random.below(256)));
      }
    }
    auto one = make();
    feed(*one, bytes, random);
    ended += one->user.ending ? 1 : 0;
    must_end(*one);
  }
  EXPECT_GT(ended, 5'000) << "most mutations are noticed at once";
}

}  // namespace
}  // namespace pannier::amqp
