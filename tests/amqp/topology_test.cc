#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

class AmqpTopology : public AmqpTest {
 protected:
  void SetUp() override { peer.opens(); }
  static ExchangeDeclare exchange(std::string name, std::string type = "direct") {
    ExchangeDeclare method;
    method.exchange = std::move(name);
    method.type = std::move(type);
    method.durable = true;
    return method;
  }
  void declares_exchange(const ExchangeDeclare& method) {
    peer.sends(1, method);
    agent.turn();
    peer.gets<ExchangeDeclareOk>(1);
  }
};

TEST_F(AmqpTopology, DeclaresAnExchangeAgainOnlyAsItIs) {
  declares_exchange(exchange("x"));
  declares_exchange(exchange("x"));
  peer.sends(1, exchange("x", "fanout"));
  expect_channel_error(406, "inequivalent arg 'type' for exchange 'x' in vhost '/'");
  ExchangeDeclare other = exchange("x");
  other.durable = false;
  peer.sends(1, other);
  expect_channel_error(406,
                       "inequivalent arg 'durable' for exchange 'x' in vhost '/': received "
                       "'false' but current is 'true'");
  other = exchange("x");
  other.arguments.set("k", std::int32_t{1});
  declares_exchange(other);  // nobody takes notice of that
  other.arguments.set("alternate-exchange", std::string("y"));
  peer.sends(1, other);
  expect_channel_error(406,
                       "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': "
                       "received 'y' but current is none");
}

TEST_F(AmqpTopology, FindsAnExchangeByAPassiveDeclare) {
  ExchangeDeclare passive = exchange("amq.topic", "");
  passive.passive = true;
  declares_exchange(passive);
  passive.exchange = "nowhere";
  peer.sends(1, passive);
  expect_channel_error(404, "no exchange 'nowhere' in vhost '/'");
}

TEST_F(AmqpTopology, ClosesTheConnectionForAnUnknownTypeOfExchange) {
  peer.sends(1, exchange("x", "x-odd"));
  expect_connection_error(503, "unknown exchange type 'x-odd'");
}

TEST_F(AmqpTopology, KeepsThePredefinedAndTheDefaultExchange) {
  declares_exchange(exchange("amq.direct"));
  peer.sends(1, exchange("amq.mine"));
  expect_channel_error(403, "contains reserved prefix 'amq.*'");
  peer.sends(1, ExchangeDelete{0, "amq.direct", false, false});
  expect_channel_error(403, "ACCESS_REFUSED");
  const char* refusal = "operation not permitted on the default exchange";
  peer.sends(1, exchange(""));
  expect_channel_error(403, refusal);
  ExchangeDeclare passive = exchange("");
  passive.passive = true;
  peer.sends(1, passive);
  expect_channel_error(403, refusal);
  peer.sends(1, ExchangeDelete{0, "", false, false});
  expect_channel_error(403, refusal);
  peer.sends(1, ExchangeBind{0, "", "amq.direct", "k", false, {}});
  expect_channel_error(403, refusal);
  peer.sends(1, ExchangeBind{0, "amq.direct", "", "k", false, {}});
  expect_channel_error(403, refusal);
  declares("orders");
  peer.sends(1, QueueBind{0, "orders", "", "k", false, {}});
  expect_channel_error(403, refusal);
}

TEST_F(AmqpTopology, DeletesAnExchangeUnlessItIsInUse) {
  declares_exchange(exchange("x"));
  declares("orders");
  peer.sends(1, QueueBind{0, "orders", "x", "k", false, {}});
  agent.turn();
  peer.gets<QueueBindOk>(1);
  peer.sends(1, ExchangeDelete{0, "x", true, false});
  expect_channel_error(406, "exchange 'x' in vhost '/' in use");
  peer.sends(1, ExchangeDelete{0, "x", false, false});
  agent.turn();
  peer.gets<ExchangeDeleteOk>(1);
  peer.sends(1, ExchangeDelete{0, "x", false, false});
  agent.turn();
  peer.gets<ExchangeDeleteOk>(1);
}

TEST_F(AmqpTopology, RoutesThroughExchangesBoundToEachOtherUntilTheyAreUnbound) {
  declares_exchange(exchange("outer", "fanout"));
  declares_exchange(exchange("inner", "fanout"));
  declares("orders");
  peer.sends(1, QueueBind{0, "orders", "inner", "", false, {}});
  peer.sends(1, ExchangeBind{0, "inner", "outer", "", false, {}});
  agent.turn();
  peer.gets<QueueBindOk>(1);
  peer.gets<ExchangeBindOk>(1);
  peer.publishes(1, "outer", "", "a");
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
  peer.sends(1, ExchangeUnbind{0, "inner", "outer", "", false, {}});
  agent.turn();
  peer.gets<ExchangeUnbindOk>(1);
  peer.publishes(1, "outer", "", "b");
  EXPECT_EQ(agent.find("orders")->status().ready, 1u);
  peer.sends(1, ExchangeBind{0, "inner", "nowhere", "", false, {}});
  expect_channel_error(404, "no exchange 'nowhere'");
}

TEST_F(AmqpTopology, DeclaresAQueueAgainOnlyAsItIs) {
  declares("orders");
  declares("orders");
  QueueDeclare other = durable_queue("orders");
  other.auto_delete = true;
  peer.sends(1, other);
  expect_channel_error(406, "inequivalent arg 'auto_delete' for queue 'orders' in vhost '/'");
  other = durable_queue("orders");
  other.exclusive = true;
  peer.sends(1, other);
  expect_channel_error(405, "cannot obtain exclusive access to locked queue 'orders'");
}

TEST_F(AmqpTopology, ComparesOnlyArgumentsThatMeanSomething) {
  QueueDeclare first = durable_queue("orders");
  first.arguments.set("x-max-length", std::int32_t{5});
  first.arguments.set("mine", std::int32_t{1});
  peer.sends(1, first);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  QueueDeclare other = first;
  other.arguments.erase("mine");
  peer.sends(1, other);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  other.arguments.set("x-max-length", std::int64_t{6});
  peer.sends(1, other);
  expect_channel_error(406,
                       "inequivalent arg 'x-max-length' for queue 'orders' in vhost '/': "
                       "received '6' but current is '5'");
  other = durable_queue("typed");
  other.arguments.set("x-queue-type", std::string("odd"));
  peer.sends(1, other);
  expect_channel_error(406, "invalid arg 'x-queue-type'");
}

TEST_F(AmqpTopology, TakesLineBreaksOutOfNames) {
  peer.sends(1, durable_queue("or\r\nders"));
  agent.turn();
  EXPECT_EQ(peer.gets<QueueDeclareOk>(1).queue, "orders");
}

TEST_F(AmqpTopology, SendsToTheAlternateExchangeWhatNothingMatches) {
  ExchangeDeclare first = exchange("first");
  first.arguments.set("alternate-exchange", std::string("second"));
  declares_exchange(first);
  declares_exchange(exchange("second", "fanout"));
  declares("wanted");
  declares("rest");
  peer.sends(1, QueueBind{0, "wanted", "first", "a", false, {}});
  peer.sends(1, QueueBind{0, "rest", "second", "", false, {}});
  agent.turn();
  peer.gets<QueueBindOk>(1);
  peer.gets<QueueBindOk>(1);
  peer.publishes(1, "first", "a", "x", true).publishes(1, "first", "b", "y", true);
  peer.gets_nothing();
  EXPECT_EQ(agent.find("wanted")->status().ready, 1u);
  EXPECT_EQ(agent.find("rest")->status().ready, 1u);
}

TEST_F(AmqpTopology, CountsMessagesAndConsumersInDeclareOk) {
  declares("orders");
  peer.publishes(1, "", "orders", "a").publishes(1, "", "orders", "b");
  QueueDeclare passive;
  passive.queue = "orders";
  passive.passive = true;
  peer.sends(1, passive);
  agent.turn();
  EXPECT_EQ(peer.gets<QueueDeclareOk>(1).message_count, 2u);
  passive.queue = "nowhere";
  peer.sends(1, passive);
  expect_channel_error(404, "no queue 'nowhere' in vhost '/'");
}

TEST_F(AmqpTopology, LetsNobodyElseUseAnExclusiveQueueAndDropsItWithItsConnection) {
  QueueDeclare mine;
  mine.queue = "mine";
  mine.exclusive = true;
  peer.sends(1, mine);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  Script other(agent);
  other.opens();
  ChannelId channel = 1;
  const auto is_locked = [&](const auto& method) {
    other.sends(channel, method);
    const auto close = other.gets<ChannelClose>(channel);
    EXPECT_EQ(close.reply_code, 405);
    EXPECT_EQ(close.reply_text.substr(0, 15), "RESOURCE_LOCKED");
    other.opens_channel(++channel);
  };
  is_locked(mine);
  QueueDeclare passive = mine;
  passive.passive = true;
  is_locked(passive);
  is_locked(consume_of("mine"));
  is_locked(BasicGet{0, "mine", false});
  is_locked(QueuePurge{0, "mine", false});
  is_locked(QueueDelete{0, "mine", false, false, false});
  is_locked(QueueBind{0, "mine", "amq.direct", "k", false, {}});
  peer.hangs_up();
  EXPECT_EQ(agent.find("mine"), nullptr);
}

TEST_F(AmqpTopology, NamesQueuesItselfAndRemembersTheLastOne) {
  peer.sends(1, QueueDeclare{});
  agent.turn();
  const std::string name = peer.gets<QueueDeclareOk>(1).queue;
  EXPECT_EQ(name.substr(0, 8), "amq.gen-");
  peer.sends(1, QueueBind{0, "", "amq.direct", "", false, {}});
  agent.turn();
  peer.gets<QueueBindOk>(1);
  peer.publishes(1, "amq.direct", name, "by the queue's own name");
  EXPECT_EQ(agent.find(name)->status().ready, 1u);
  peer.sends(1, QueueUnbind{0, "", "amq.direct", "", {}});
  agent.turn();
  peer.gets<QueueUnbindOk>(1);
  peer.publishes(1, "amq.direct", name, "nowhere any more");
  EXPECT_EQ(agent.find(name)->status().ready, 1u);
  peer.sends(1, QueuePurge{0, "", false});
  agent.turn();
  EXPECT_EQ(peer.gets<QueuePurgeOk>(1).message_count, 1u);
  peer.sends(1, QueueDelete{0, "", false, false, false});
  agent.turn();
  peer.gets<QueueDeleteOk>(1);
}

TEST_F(AmqpTopology, RefusesAnEmptyNameWhenNothingWasDeclared) {
  peer.sends(1, BasicGet{0, "", false});
  expect_channel_error(404, "no previously declared queue");
}

TEST_F(AmqpTopology, DeletesAQueueUnlessItIsInUseOrNotEmpty) {
  declares("orders");
  peer.publishes(1, "", "orders", "a");
  peer.sends(1, QueueDelete{0, "orders", false, true, false});
  expect_channel_error(406, "queue 'orders' in vhost '/' is not empty");
  consumes("orders");
  agent.turn();
  gets_delivery("a");
  peer.sends(1, QueueDelete{0, "orders", true, false, false});
  expect_channel_error(406, "queue 'orders' in vhost '/' in use");
  agent.turn();
  peer.sends(1, QueueDelete{0, "orders", false, false, false});
  agent.turn();
  EXPECT_EQ(peer.gets<QueueDeleteOk>(1).message_count, 1u);
  peer.sends(1, QueueDelete{0, "orders", false, false, false});
  agent.turn();
  EXPECT_EQ(peer.gets<QueueDeleteOk>(1).message_count, 0u);
}

TEST_F(AmqpTopology, DropsAnAutoDeleteQueueWithItsLastConsumer) {
  QueueDeclare method = durable_queue("passing");
  method.auto_delete = true;
  peer.sends(1, method);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  consumes("passing", "a");
  consumes("passing", "b");
  peer.sends(1, BasicCancel{"a", false});
  peer.gets<BasicCancelOk>(1);
  EXPECT_NE(agent.find("passing"), nullptr);
  peer.sends(1, BasicCancel{"b", false});
  peer.gets<BasicCancelOk>(1);
  EXPECT_EQ(agent.find("passing"), nullptr);
}

TEST_F(AmqpTopology, AnswersNothingThatAskedForNoAnswer) {
  ExchangeDeclare x = exchange("x", "fanout");
  x.no_wait = true;
  QueueDeclare q = durable_queue("orders");
  q.no_wait = true;
  peer.sends(1, x).sends(1, q);
  peer.sends(1, QueueBind{0, "orders", "x", "", true, {}});
  peer.sends(1, ExchangeBind{0, "x", "amq.fanout", "", true, {}});
  peer.sends(1, ConfirmSelect{true});
  BasicConsume consume = consume_of("orders", "me");
  consume.no_wait = true;
  peer.sends(1, consume).sends(1, BasicCancel{"me", true});
  peer.sends(1, QueuePurge{0, "orders", true});
  peer.sends(1, ExchangeUnbind{0, "x", "amq.fanout", "", true, {}});
  peer.sends(1, QueueDelete{0, "orders", false, false, true});
  peer.sends(1, ExchangeDelete{0, "x", false, true});
  agent.turn();
  peer.gets_nothing();
  EXPECT_EQ(agent.find("orders"), nullptr);
  EXPECT_EQ(agent.registry->find_exchange("x"), nullptr);
}

TEST_F(AmqpTopology, AnswersInTheOrderOfTheRequests) {
  declares("orders");
  peer.publishes(1, "", "orders", "a");
  agent.turn();
  peer.sends(1, durable_queue("more"));
  peer.sends(1, BasicGet{0, "orders", false});
  peer.sends(1, BasicQos{0, 1, false});
  peer.gets_nothing();
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  peer.gets<BasicGetOk>(1);
  EXPECT_EQ(peer.gets_content(1).body, "a");
  peer.gets<BasicQosOk>(1);
}

TEST_F(AmqpTopology, AnswersMoreRequestsAtOnceThanItKeepsWaiting) {
  agent.context.limits.answers_waiting = 4;
  for (int i = 0; i < 20; ++i) peer.sends(1, durable_queue("q" + std::to_string(i)));
  for (int i = 0; i < 10; ++i) agent.turn();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(peer.gets<QueueDeclareOk>(1).queue, "q" + std::to_string(i));
}

}  // namespace
}  // namespace pannier::amqp
