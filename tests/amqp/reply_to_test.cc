#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

class AmqpReplyTo : public AmqpTest {
 protected:
  void SetUp() override {
    peer.opens();
    server.opens();
    declares("requests");
  }
  void waits_for_answers() {
    peer.sends(1, consume_of(std::string(kReplyTo), "answers", true));
    EXPECT_EQ(peer.gets<BasicConsumeOk>(1).consumer_tag, "answers");
  }
  static queue::Properties asking() {
    queue::Properties properties;
    properties.reply_to = std::string(kReplyTo);
    return properties;
  }
  // The name that the request carries.
  std::string asks() {
    peer.publishes(1, "", "requests", "ask", false, asking());
    const auto got = agent.get(*agent.find("requests"), true);
    if (!got) return "";
    return queue::Properties::decode(got->message->properties())->reply_to.value_or("");
  }
  Script server{agent};
};

TEST_F(AmqpReplyTo, CarriesAnAnswerToWhoeverAsked) {
  waits_for_answers();
  const std::string name = asks();
  EXPECT_EQ(name.size(), kReplyTo.size() + 33);
  server.publishes(1, "", name, "answer");
  EXPECT_EQ(gets_delivery("answer").consumer_tag, "answers");
  EXPECT_EQ(agent.find("requests")->status().ready, 0u);
}

TEST_F(AmqpReplyTo, GivesEveryConsumerANameOfItsOwn) {
  waits_for_answers();
  const std::string first = asks();
  peer.sends(1, BasicCancel{"answers", false});
  peer.gets<BasicCancelOk>(1);
  waits_for_answers();
  EXPECT_NE(asks(), first);
  server.publishes(1, "", first, "late", true);
  EXPECT_EQ(server.gets<BasicReturn>(1).reply_code, 312);
  peer.gets_nothing();
}

TEST_F(AmqpReplyTo, RefusesAcksAndASecondConsumerAndARequestWithoutOne) {
  peer.sends(1, consume_of(std::string(kReplyTo), "answers"));
  expect_channel_error(406, "reply consumer cannot acknowledge");
  waits_for_answers();
  peer.sends(1, consume_of(std::string(kReplyTo), "more", true));
  expect_channel_error(406, "reply consumer already set");
  peer.publishes(1, "", "requests", "ask", false, asking());
  expect_channel_error(406, "fast reply consumer does not exist");
}

TEST_F(AmqpReplyTo, SaysWhetherSomebodyStillWaits) {
  waits_for_answers();
  const std::string name = asks();
  QueueDeclare passive;
  passive.queue = name;
  passive.passive = true;
  server.sends(1, passive);
  EXPECT_EQ(server.gets<QueueDeclareOk>(1).consumer_count, 1u);
  peer.hangs_up();
  server.sends(1, passive);
  EXPECT_EQ(server.gets<ChannelClose>(1).reply_code, 404);
  EXPECT_EQ(agent.context.replies.size(), 0u);
}

TEST_F(AmqpReplyTo, CarriesALargeAnswerAndKeepsNothingOfIt) {
  waits_for_answers();
  const std::string name = asks();
  const std::string body = letters(350'000);
  server.sends(1, BasicPublish{0, "", name, true, false});
  net::Output header;
  Bytes none(2);
  put_content_header(header, 1, body.size(), none);
  server.feeds(header);
  for (std::size_t at = 0; at < body.size(); at += 90'000) {
    net::Output piece;
    put_body(piece, 1, Slice::copy_of(std::string_view(body).substr(at, 90'000)), 100'000);
    server.feeds(piece);
    agent.turn();
  }
  turns(10);
  gets_delivery(body);
  server.gets<BasicReturn>(1);
  for (int i = 0; i < 10; ++i) {
    agent.turn();
    server.has_more();
  }
  EXPECT_EQ(server.gets_content(1).body, body);
}

TEST_F(AmqpReplyTo, LosesAnswersForWhoeverDoesNotRead) {
  waits_for_answers();
  const std::string name = asks();
  const std::string body = letters(90'000);
  std::size_t sent = 0;
  for (; sent < 3 * agent.context.limits.reply_bytes_unsent; sent += body.size())
    server.publishes(1, "", name, body);
  const std::size_t unsent = peer.session().output().size();
  EXPECT_GT(unsent, agent.context.limits.reply_bytes_unsent / 2);
  EXPECT_LT(unsent, agent.context.limits.reply_bytes_unsent + body.size());
}

}  // namespace
}  // namespace pannier::amqp
