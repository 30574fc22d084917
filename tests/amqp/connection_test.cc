#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AmqpConnection : public AmqpTest {};

TEST_F(AmqpConnection, AnswersCloseWithCloseOkAndEnds) {
  peer.opens().sends(0, ConnectionClose{200, "bye", 0, 0});
  peer.gets<ConnectionCloseOk>(0);
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, AnswersACloseThatCrossesItsOwn) {
  peer.opens();
  peer.session().force_close("the agent ends");
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 320);
  peer.sends(0, ConnectionClose{200, "bye", 0, 0});
  peer.gets<ConnectionCloseOk>(0);
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, HasNoDeadlineAndKeepsNothingOnceItHasEnded) {
  peer.opens().sends(0, ConnectionClose{200, "bye", 0, 0});
  peer.gets<ConnectionCloseOk>(0);
  EXPECT_EQ(peer.session().deadline(), std::nullopt);
  peer.raw("more that nobody reads");
  peer.gets_nothing();
}

TEST_F(AmqpConnection, EndsWhenItsCloseIsNotAnswered) {
  peer.opens().raw("\x09no frame at all, whatever it is");
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 501);
  EXPECT_FALSE(peer.is_closed());
  agent.clock.advance(seconds(11));
  peer.session().on_time(agent.clock.now());
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, TakesANewSecret) {
  peer.opens().sends(0, ConnectionUpdateSecret{{"another"}, "it has expired"});
  peer.gets<ConnectionUpdateSecretOk>(0);
}

TEST_F(AmqpConnection, RefusesAMethodThatItsStateDoesNotAllow) {
  peer.opens().sends(0, ConnectionTuneOk{0, 0, 0});
  expect_connection_error(504, "unexpected method in connection state");
}

TEST_F(AmqpConnection, RefusesASecondStartOk) {
  says_hello();
  logs_in(std::string("\0guest\0guest", 12));
  peer.gets<ConnectionTune>(0);
  logs_in(std::string("\0guest\0guest", 12));
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, RefusesAChannelsMethodOnChannelZero) {
  peer.opens().sends(0, durable_queue("orders"));
  expect_connection_error(504);
}

TEST_F(AmqpConnection, RefusesContentOnChannelZero) {
  peer.opens();
  sends_header(5, 0);
  expect_connection_error(505);
}

TEST_F(AmqpConnection, RefusesFramesOnAChannelThatIsNotOpen) {
  peer.opens().sends(9, durable_queue("orders"));
  expect_connection_error(504, "expected 'channel.open'");
}

TEST_F(AmqpConnection, RefusesASecondOpenOfAChannel) {
  peer.opens().sends(1, ChannelOpen{});
  expect_connection_error(504, "second 'channel.open' seen");
}

TEST_F(AmqpConnection, RefusesMoreChannelsThanWereAgreed) {
  opens_with(2, 8192, 0);
  peer.opens_channel(2).sends(3, ChannelOpen{});
  expect_connection_error(530, "channel_max (2)");
}

TEST_F(AmqpConnection, CutsOffWhoeverAsksForOtherLimitsThanItOffers) {
  for (const ConnectionTuneOk& tune :
       {ConnectionTuneOk{10, 100, 0}, ConnectionTuneOk{10, 200'000, 0}, ConnectionTuneOk{10, 0, 0},
        ConnectionTuneOk{0, 4'096, 0}, ConnectionTuneOk{2'048, 4'096, 0}}) {
    peer = Script(agent);
    says_hello();
    logs_in(std::string("\0guest\0guest", 12));
    peer.gets<ConnectionTune>(0);
    peer.sends(0, tune);
    peer.gets_nothing();
    EXPECT_TRUE(peer.is_closed());
  }
}

TEST_F(AmqpConnection, CountsChannelsAndDoesNotMindTheirNumbers) {
  opens_with(2, 8192, 0);
  peer.opens_channel(65'535);
}

TEST_F(AmqpConnection, RefusesHeartbeatsThatAreNone) {
  peer.opens().raw(std::string_view("\x08\0\1\0\0\0\0\xCE", 8));
  expect_connection_error(505, "heartbeat");
  peer = Script(agent);
  peer.opens().raw(std::string_view("\x08\0\0\0\0\0\1x\xCE", 9));
  expect_connection_error(501, "heartbeat");
}

TEST_F(AmqpConnection, TakesALoginByAmqplain) {
  queue::Table table;
  table.set("LOGIN", std::string("guest"));
  table.set("PASSWORD", std::string("guest"));
  Bytes bytes;
  ByteWriter writer(bytes);
  table.encode(writer);
  const std::string response(as_text(ByteView(bytes).subspan(4)));
  says_hello();
  logs_in(response, "AMQPLAIN");
  peer.gets<ConnectionTune>(0);
  peer = Script(agent);
  says_hello();
  logs_in(response.substr(0, response.size() - 1), "AMQPLAIN");
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, RefusesFramesLargerThanAgreedAndSendsNone) {
  opens_with(0, 4096, 0);
  declares("orders");
  const std::string body = letters(9'000);
  ASSERT_TRUE(agent.registry->publish("", "orders", queue::message(body, "", "orders")));
  peer.sends(1, BasicGet{0, "orders", true});
  agent.turn();
  peer.gets<BasicGetOk>(1);
  EXPECT_EQ(peer.gets_content(1, 4096).body, body);
  peer.sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(5'000);
  sends_body(letters(5'000));
  expect_connection_error(501, "FRAME_ERROR");
}

TEST_F(AmqpConnection, RefusesAFrameWithAWrongEnd) {
  net::Output out;
  put_method(out, 1, durable_queue("orders"));
  Bytes bytes = bytes_of(out);
  bytes.back() = std::byte{0xCD};
  peer.opens().raw(bytes);
  expect_connection_error(501);
}

TEST_F(AmqpConnection, RefusesAMethodThatIsCutShort) {
  net::Output out;
  put_frame(out.owned(), FrameType::method, 1, [&] {
    ByteWriter writer(out.owned());
    writer.be(std::uint16_t{50});
    writer.be(std::uint16_t{10});
    writer.u8(0);
  });
  peer.opens().feeds(out);
  expect_connection_error(501, "FRAME_ERROR");
}

TEST_F(AmqpConnection, RefusesAMethodWithBytesLeftOverAndNamesThatAreNoText) {
  net::Output out;
  put_method(out, 1, durable_queue("orders"));
  Bytes bytes = bytes_of(out);
  bytes.insert(bytes.end() - 1, std::byte{7});
  bytes[6] = std::byte{static_cast<unsigned char>(static_cast<unsigned>(bytes[6]) + 1)};
  peer.opens().raw(bytes);
  expect_connection_error(501, "FRAME_ERROR");
  peer = Script(agent);
  peer.opens().sends(1, durable_queue("orders\xFF"));
  expect_connection_error(501, "FRAME_ERROR");
}

TEST_F(AmqpConnection, RefusesMethodsOfServersAndCutsOffWhoeverMakesSomeUp) {
  peer.opens().sends(1, QueueDeclareOk{"orders", 0, 0});
  expect_connection_error(503, "unimplemented method");
  peer = Script(agent);
  net::Output out;
  put_frame(out.owned(), FrameType::method, 1, [&] {
    ByteWriter writer(out.owned());
    writer.be(std::uint16_t{50});
    writer.be(std::uint16_t{99});
  });
  peer.opens().feeds(out);
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, AnswersTheAccessRequestsOfOldClients) {
  peer.opens().sends(1, AccessRequest{});
  EXPECT_EQ(peer.gets<AccessRequestOk>(1).ticket, 1);
}

TEST_F(AmqpConnection, CutsOffAWrongPasswordWithoutAWord) {
  says_hello();
  logs_in(std::string("\0guest\0wrong", 12));
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, CutsOffMalformedLoginsLikeWrongOnes) {
  for (const std::string& response :
       {std::string(), std::string("guest"), std::string("\0guest", 6), std::string("\0\0guest", 7),
        std::string("\0guest\0guest\0more", 17), std::string("admin\0guest\0guest", 17)}) {
    peer = Script(agent);
    says_hello();
    logs_in(response);
    peer.gets_nothing();
    EXPECT_TRUE(peer.is_closed()) << response.size();
  }
}

TEST_F(AmqpConnection, RefusesMechanismsThatItDidNotOffer) {
  says_hello();
  logs_in("", "EXTERNAL");
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, TakesNoFrameLargerThanTheHandshakesBeforeALogin) {
  says_hello();
  logs_in(std::string("\0guest\0", 7) + std::string(20'000, 'p'));
  peer.gets_nothing();
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, EndsAHandshakeThatStopsAfterTune) {
  says_hello();
  logs_in(std::string("\0guest\0guest", 12));
  peer.gets<ConnectionTune>(0);
  agent.clock.advance(seconds(11));
  peer.session().on_time(agent.clock.now());
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, SendsTwoHeartbeatsInTheShortestInterval) {
  opens_with(0, 0, 1);
  ASSERT_TRUE(peer.session().deadline());
  EXPECT_EQ(*peer.session().deadline() - agent.clock.now(), milliseconds(500));
  peer.session().on_time(agent.clock.now());
  EXPECT_FALSE(peer.has_more());
  agent.clock.advance(milliseconds(500));
  peer.session().on_time(agent.clock.now());
  EXPECT_EQ(peer.session().output().size(), 8u);
}

TEST_F(AmqpConnection, LivesOnWhileHeartbeatsCome) {
  opens_with(0, 0, 10);
  for (int i = 0; i < 5; ++i) {
    agent.clock.advance(seconds(15));
    peer.raw(std::string_view("\x08\0\0\0\0\0\0\xCE", 8));
    peer.session().on_time(agent.clock.now());
    EXPECT_FALSE(peer.is_closed());
  }
  agent.clock.advance(seconds(20));
  peer.session().on_time(agent.clock.now());
  EXPECT_TRUE(peer.is_closed());
}

TEST_F(AmqpConnection, CutsOffNobodyForItsSilenceWhileItDoesNotListenItself) {
  opens_with(0, 0, 5);
  declares("orders");
  const std::string body = letters(90'000);
  for (int i = 0; i < 140 && peer.session().wants_bytes(); ++i)
    peer.publishes(1, "", "orders", body);
  ASSERT_FALSE(peer.session().wants_bytes());
  agent.clock.advance(seconds(11));
  peer.session().on_time(agent.clock.now());
  EXPECT_FALSE(peer.is_closed());
}

TEST_F(AmqpConnection, TellsPublishersThatAskedWhenTheyAreBlockedAndUnblocked) {
  queue::Table capabilities;
  capabilities.set("connection.blocked", true);
  peer.opens(capabilities);
  declares("orders");
  agent.context.set_blocked("low on disk");
  peer.gets_nothing();
  peer.publishes(1, "", "orders", "first");
  EXPECT_EQ(peer.gets<ConnectionBlocked>(0).reason, "low on disk");
  agent.context.set_blocked("lower on disk");
  peer.gets_nothing();
  agent.context.set_blocked({});
  peer.gets<ConnectionUnblocked>(0);
}

TEST_F(AmqpConnection, ToldThatTheAgentEndsGivesBackWithoutCountingAFailure) {
  peer.opens();
  declares("orders");
  peer.publishes(1, "", "orders", "a");
  consumes("orders");
  agent.turn();
  gets_delivery("a");
  agent.context.close_all("the agent ends");
  EXPECT_EQ(peer.gets<ConnectionClose>(0).reply_code, 320);
  agent.turn();
  const auto again = agent.get(*agent.find("orders"));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->redelivered);
  EXPECT_EQ(again->delivery_count, 0);
}

TEST_F(AmqpConnection, SurvivesSessionsThatGoWhileOthersAreTold) {
  Script other(agent);
  queue::Table capabilities;
  capabilities.set("connection.blocked", true);
  peer.opens(capabilities);
  other.opens(capabilities);
  declares("orders");
  peer.publishes(1, "", "orders", "x");
  other.publishes(1, "", "orders", "x");
  peer.session().set_bell([&] { other.hangs_up(); });
  other.session().set_bell([&] { peer.hangs_up(); });
  agent.context.set_blocked("low on disk");
  EXPECT_EQ(agent.context.sessions().size(), 1u);
}

class AmqpChannel : public AmqpTest {};

TEST_F(AmqpChannel, ClosesAndOpensAgain) {
  peer.opens().sends(1, ChannelClose{200, "bye", 0, 0});
  peer.gets<ChannelCloseOk>(1);
  peer.opens_channel(1);
}

TEST_F(AmqpChannel, WaitsForCloseOkWhenTwoClosesCross) {
  peer.opens().sends(1, BasicAck{5, false});
  EXPECT_EQ(peer.gets<ChannelClose>(1).reply_code, 406);
  peer.sends(1, ChannelClose{200, "bye", 0, 0});
  peer.gets<ChannelCloseOk>(1);
  peer.sends(1, ChannelCloseOk{});
  peer.gets_nothing();
  peer.opens_channel(1);
}

TEST_F(AmqpChannel, StopsAndResumesDeliveriesWithFlow) {
  peer.opens();
  declares("orders");
  peer.sends(1, ChannelFlow{false});
  EXPECT_FALSE(peer.gets<ChannelFlowOk>(1).active);
  consumes("orders");
  peer.publishes(1, "", "orders", "a");
  agent.turn();
  peer.gets_nothing();
  peer.sends(1, ChannelFlow{true});
  EXPECT_TRUE(peer.gets<ChannelFlowOk>(1).active);
  gets_delivery("a");
}

TEST_F(AmqpChannel, RefusesContentThatNothingAnnounced) {
  peer.opens();
  sends_header(5);
  expect_connection_error(505);
}

TEST_F(AmqpChannel, RefusesAMethodInTheMiddleOfContent) {
  peer.opens().sends(1, BasicPublish{0, "", "orders", false, false});
  peer.sends(1, BasicAck{1, false});
  expect_connection_error(505, "expected content header for class 60");
}

TEST_F(AmqpChannel, RefusesACloseInTheMiddleOfContent) {
  peer.opens().sends(1, BasicPublish{0, "", "orders", false, false});
  peer.sends(1, ChannelClose{200, "bye", 0, 0});
  expect_connection_error(505, "expected content header for class 60");
}

TEST_F(AmqpChannel, RefusesABodyBeforeItsHeader) {
  peer.opens().sends(1, BasicPublish{0, "", "orders", false, false});
  sends_body("hello");
  expect_connection_error(505);
}

TEST_F(AmqpChannel, RefusesAHeaderOfAnotherClass) {
  peer.opens().sends(1, BasicPublish{0, "", "orders", false, false});
  net::Output out;
  put_frame(out.owned(), FrameType::header, 1, [&] {
    ByteWriter writer(out.owned());
    writer.be(std::uint16_t{50});
    writer.zeros(12);
  });
  peer.feeds(out);
  expect_connection_error(505, "expected content header for class 60, got one for class 50");
}

TEST_F(AmqpChannel, RefusesMoreBodyThanAnnounced) {
  peer.opens().sends(1, BasicPublish{0, "", "orders", false, false});
  sends_header(3);
  sends_body("four");
  expect_connection_error(501);
}

}  // namespace
}  // namespace pannier::amqp
