#include "tests/amqp/amqp_fixture.h"

namespace pannier::amqp {
namespace {

class AmqpTx : public AmqpTest {
 protected:
  void SetUp() override {
    peer.opens();
    declares("a");
    declares("b");
    peer.opens_channel(2);
    peer.sends(2, TxSelect{});
    peer.gets<TxSelectOk>(2);
  }
  std::uint64_t ready(const char* queue) { return agent.find(queue)->status().ready; }
  DeliveryTag gets_one(const char* queue) {
    peer.sends(2, BasicGet{0, queue, false});
    agent.turn();
    const auto got = peer.gets<BasicGetOk>(2);
    peer.gets_content(2);
    return got.delivery_tag;
  }
};

TEST_F(AmqpTx, PublishesAndSettlesWithTheCommitAndNotBefore) {
  peer.publishes(1, "", "a", "taken");
  const DeliveryTag tag = gets_one("a");
  peer.sends(2, BasicAck{tag, false}).publishes(2, "", "b", "1").publishes(2, "", "b", "2");
  agent.turn();
  EXPECT_EQ(ready("b"), 0u);
  EXPECT_EQ(agent.find("a")->status().unacked, 1u);
  peer.sends(2, TxCommit{});
  EXPECT_EQ(ready("b"), 2u);
  EXPECT_EQ(agent.find("a")->status().unacked, 0u);
  agent.turn();
  peer.gets<TxCommitOk>(2);
}

TEST_F(AmqpTx, AnswersTheCommitAfterItsSync) {
  peer.publishes(2, "", "b", "1").sends(2, TxCommit{});
  peer.gets_nothing();
  agent.turn();
  peer.gets<TxCommitOk>(2);
  EXPECT_EQ(agent.context.transactions.used(), 0u);
}

TEST_F(AmqpTx, IsThereAfterACrashAsAWholeOrNotAtAll) {
  peer.publishes(1, "", "a", "taken");
  agent.turn();
  peer.sends(2, BasicAck{gets_one("a"), false});
  peer.publishes(2, "", "a", "1").publishes(2, "", "b", "2").publishes(2, "", "a", "3");
  peer.sends(2, TxCommit{});
  agent.turn();
  peer.gets<TxCommitOk>(2);
  for (const auto keep : {Keep::nothing, Keep::random}) {
    const auto after = disk.restart(7, keep);
    AmqpHarness again(*after);
    EXPECT_EQ(again.find("a")->status().ready, 2u);
    EXPECT_EQ(again.find("b")->status().ready, 1u);
  }
}

TEST_F(AmqpTx, IsNowhereAfterACrashBeforeItsSync) {
  peer.publishes(1, "", "a", "taken");
  agent.turn();
  peer.sends(2, BasicAck{gets_one("a"), false}).publishes(2, "", "b", "2");
  peer.sends(2, TxCommit{});
  const auto after = disk.restart(7, Keep::nothing);
  AmqpHarness again(*after);
  EXPECT_EQ(again.find("a")->status().ready, 1u);
  EXPECT_EQ(again.find("b")->status().ready, 0u);
}

TEST_F(AmqpTx, ForgetsWithARollbackAndLetsAcksBeGivenAgain) {
  peer.publishes(1, "", "a", "1").publishes(1, "", "a", "2");
  gets_one("a");
  const DeliveryTag second = gets_one("a");
  peer.sends(2, BasicAck{second, true}).publishes(2, "", "b", "never").sends(2, TxRollback{});
  peer.gets<TxRollbackOk>(2);
  EXPECT_EQ(agent.find("a")->status().unacked, 2u);
  peer.sends(2, BasicAck{second - 1, false}).sends(2, BasicNack{second, false, true});
  peer.sends(2, TxCommit{});
  agent.turn();
  peer.gets<TxCommitOk>(2);
  EXPECT_EQ(agent.find("a")->status().unacked, 0u);
  EXPECT_EQ(ready("a"), 1u);
  EXPECT_EQ(ready("b"), 0u);
}

TEST_F(AmqpTx, ClosedBeforeItsCommitGivesEverythingBack) {
  peer.publishes(1, "", "a", "1");
  peer.sends(2, BasicAck{gets_one("a"), false}).publishes(2, "", "b", "never");
  peer.sends(2, ChannelClose{200, "", 0, 0});
  peer.gets<ChannelCloseOk>(2);
  agent.turn();
  EXPECT_EQ(ready("a"), 1u);
  EXPECT_EQ(ready("b"), 0u);
  EXPECT_EQ(agent.context.transactions.used(), 0u);
}

TEST_F(AmqpTx, FreesCreditWithTheCommit) {
  peer.sends(2, BasicQos{0, 1, false});
  peer.gets<BasicQosOk>(2);
  peer.sends(2, consume_of("a", "me"));
  peer.gets<BasicConsumeOk>(2);
  peer.publishes(1, "", "a", "1").publishes(1, "", "a", "2");
  agent.turn();
  const auto first = gets_delivery("1", 2);
  peer.sends(2, BasicAck{first.delivery_tag, false});
  agent.turn();
  peer.gets_nothing();
  peer.sends(2, TxCommit{});
  gets_delivery("2", 2);
}

TEST_F(AmqpTx, KnowsNoTagTwice) {
  peer.publishes(1, "", "a", "1");
  const DeliveryTag tag = gets_one("a");
  peer.sends(2, BasicAck{tag, false}).sends(2, BasicAck{tag, false});
  expect_channel_error(406, "unknown delivery tag", 2);
  EXPECT_EQ(ready("a") + agent.find("a")->status().unacked, 1u);
}

TEST_F(AmqpTx, MixesWithConfirmsInNoOrder) {
  peer.sends(2, ConfirmSelect{});
  expect_channel_error(406, "cannot switch from tx to confirm mode", 2);
  confirms();
  peer.sends(1, TxSelect{});
  expect_channel_error(406, "cannot switch from confirm to tx mode");
  peer.sends(1, TxCommit{});
  expect_channel_error(406, "channel is not transactional");
}

TEST_F(AmqpTx, ClosesTheChannelWhenAQueueRefusesAndTakesNothingBack) {
  QueueDeclare small = durable_queue("small");
  small.arguments.set("x-max-length", std::int32_t{1});
  small.arguments.set("x-overflow", std::string("reject-publish"));
  peer.sends(1, small);
  agent.turn();
  peer.gets<QueueDeclareOk>(1);
  peer.publishes(2, "", "small", "1").publishes(2, "", "small", "2").publishes(2, "", "a", "3");
  peer.sends(2, TxCommit{});
  expect_channel_error(406, "partial tx completion", 2);
  EXPECT_EQ(ready("small"), 1u);
  EXPECT_EQ(ready("a"), 1u);
}

TEST_F(AmqpTx, SendsBackWhatIsMandatoryBeforeItsAnswer) {
  peer.publishes(2, "", "nobody", "back", true);
  peer.gets_nothing();
  peer.sends(2, TxCommit{});
  EXPECT_EQ(peer.gets<BasicReturn>(2).reply_code, 312);
  EXPECT_EQ(peer.gets_content(2).body, "back");
  peer.gets<TxCommitOk>(2);
}

TEST_F(AmqpTx, TakesLargeBodiesAndDropsThemWithARollback) {
  const std::string body = letters(350'000);
  publishes_large("a", body, 2);
  peer.sends(2, TxRollback{});
  peer.gets<TxRollbackOk>(2);
  agent.turn();
  publishes_large("b", body, 2);
  peer.sends(2, TxCommit{});
  agent.turn();
  peer.gets<TxCommitOk>(2);
  EXPECT_EQ(ready("a"), 0u);
  EXPECT_EQ(ready("b"), 1u);
}

TEST_F(AmqpTx, RefusesMoreThanItsLimit) {
  const std::string body = letters(90'000);
  for (std::size_t bytes = 0; bytes <= agent.context.limits.tx_bytes_per_channel;
       bytes += body.size())
    peer.publishes(2, "", "a", body);
  expect_channel_error(406, "in transactions that are not committed", 2);
  EXPECT_EQ(agent.context.transactions.used(), 0u);
}

}  // namespace
}  // namespace pannier::amqp
