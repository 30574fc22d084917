#include "tests/forward/link_fixture.h"

namespace pannier::forward {
namespace {

using amqp::letters;

// Who may pull what, and peers that do not keep to the rules.
class LinkAccessTest : public LinkTest {
 protected:
  LinkAccessTest() : LinkTest(few()) {}
  static amqp::AmqpLimits few() {
    amqp::AmqpLimits limits = amqp::small_limits();
    limits.consumers_per_channel = 100;
    limits.unacked_per_channel = 50;
    limits.unsent_bytes = 200'000;
    limits.unsent_bytes_max = 400'000;
    return limits;
  }
  template <typename Method>
  static Bytes payload_of(const Method& method) {
    net::Output out;
    amqp::put_method(out, kPullChannel, method);
    const Bytes frame = amqp::bytes_of(out);
    return {frame.begin() + 7, frame.end() - 1};
  }
  static void sends_payload(Script& link, ByteView payload,
                            amqp::FrameType type = amqp::FrameType::method) {
    Bytes frame;
    amqp::put_frame(frame, type, kPullChannel,
                    [&] { frame.insert(frame.end(), payload.begin(), payload.end()); });
    link.raw(frame);
  }
  template <typename Method>
  void expect_every_truncation_refused(const Method& method) {
    const Bytes whole = payload_of(method);
    for (std::size_t size = 4; size < whole.size(); ++size) {
      Script link = open_link();
      sends_payload(link, ByteView(whole).first(size));
      expect_connection_error(link, 501);
    }
  }
};

TEST_F(LinkAccessTest, AQueueOfAnotherUidIsNotPulled) {
  Script link = open_link();
  link.sends(kPullChannel, LinkPull{"orders", "another", {}});
  expect_end(link, "orders", "another MessageQueue");
  link.sends(kPullChannel, LinkPull{"orders", "", {}});
  expect_end(link, "orders", "another MessageQueue");
  agent.declare("by-a-client");
  link.sends(kPullChannel, LinkPull{"by-a-client", "", {}});
  expect_end(link, "by-a-client", "another MessageQueue");
  pulls(link, "orders");
}

TEST_F(LinkAccessTest, UnknownParkedAndForbiddenQueuesAreNotPulled) {
  agent.access.denied.insert({Verb::consume, "mail"});
  policy.queues.erase(policy.queues.begin());
  apply();
  Script link = open_link();
  asks_to_pull(link, "nowhere");
  expect_end(link, "nowhere", "no queue");
  asks_to_pull(link, "mail");
  expect_end(link, "mail", "refused");
  asks_to_pull(link, "orders");
  expect_end(link, "orders", "orders");
  gives(link, "orders", 5, true);
  link.sends(kPullChannel, LinkStop{"mail"});
  link.gets_nothing();
}

TEST_F(LinkAccessTest, AccessThatIsTakenAwayEndsThePullAtOnce) {
  publish("orders", {"a"});
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  gives(link, "orders", 5);
  gives(link, "mail", 5);
  const auto a = expect_delivery(link, "orders", "a");
  link.forgets();
  agent.access.denied.insert({Verb::consume, "orders"});
  leases.on_policy();
  expect_end(link, "orders", "refused");
  publish("orders", {"b"});
  link.gets_nothing();
  // What it holds it still settles.
  settles(link, "orders", How::ack, {receipt_of(a)});
  agent.turn();
  link.gets<LinkSettled>(kPullChannel);
  EXPECT_EQ(status("orders").unacked, 0u);
  publish("mail", {"x"});
  expect_delivery(link, "mail", "x");
}

TEST_F(LinkAccessTest, WhoLosesAccessHasALeaseOfWhatItHolds) {
  publish("orders", {"a", "b"});
  Script link = open_link();
  pulls(link, "orders");
  gives(link, "orders", 5);
  const auto a = expect_delivery(link, "orders", "a");
  expect_delivery(link, "orders", "b");
  link.forgets();
  agent.access.denied.insert({Verb::consume, "orders"});
  leases.on_policy();
  expect_end(link, "orders", "refused");
  passes(std::chrono::seconds(29));
  leases.on_policy();
  EXPECT_EQ(status("orders").unacked, 2u);
  settles(link, "orders", How::ack, {receipt_of(a)});
  agent.turn();
  EXPECT_EQ(status("orders").unacked, 1u);
  passes(std::chrono::seconds(1));
  const auto b = agent.get(*agent.find("orders"));
  ASSERT_TRUE(b);
  EXPECT_EQ(b->delivery_count, 0);
}

TEST_F(LinkAccessTest, AccessIsAskedWithEveryCredit) {
  Script link = open_link();
  pulls(link, "orders");
  agent.access.denied.insert({Verb::consume, "orders"});
  gives(link, "orders", 5);
  expect_end(link, "orders", "refused");
  agent.access.denied.clear();
  pulls(link, "orders");
}

TEST_F(LinkAccessTest, AQueueThatIsParkedOrDeletedEndsItsPull) {
  publish("mail", {"a"});
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  gives(link, "mail", 1);
  const auto a = expect_delivery(link, "mail", "a");
  link.forgets();
  policy.queues.clear();
  policy.queues.push_back(governed("mail"));
  apply();
  expect_end(link, "orders", "orders");
  policy.queues.clear();
  policy.tombstones = {"uid-of-mail"};
  apply();
  expect_end(link, "mail", "deleted");
  settles(link, "mail", How::ack, {receipt_of(a)});
  agent.turn();
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 1u);
  link.gets_nothing();
}

TEST_F(LinkAccessTest, OrdinaryMethodsAreNotUnderstoodOnALink) {
  const auto refuses = [this](const auto& method) {
    Script link = open_link();
    link.sends(kPullChannel, method);
    expect_connection_error(link, 540);
  };
  refuses(amqp::consume_of("orders"));
  refuses(amqp::BasicPublish{0, "", "orders", false, false});
  refuses(amqp::BasicGet{0, "orders", false});
  refuses(amqp::durable_queue("new"));
  refuses(amqp::QueuePurge{0, "orders", false});
  refuses(amqp::ConfirmSelect{});
  refuses(LinkReady{"orders", 1, 1, 1});
  refuses(LinkSettled{1});
}

TEST_F(LinkAccessTest, ContentsAreNotTakenFromAPuller) {
  for (const auto type : {amqp::FrameType::header, amqp::FrameType::body}) {
    Script link = open_link();
    sends_payload(link, payload_of(LinkStop{"orders"}), type);
    expect_connection_error(link, 505);
  }
}

TEST_F(LinkAccessTest, LinkMethodsAreNotUnderstoodFromApps) {
  Script app(agent);
  app.opens();
  app.sends(1, LinkPull{"orders", "uid-of-orders", {}});
  EXPECT_TRUE(app.is_closed());
  app.gets_nothing();
}

TEST_F(LinkAccessTest, AgentsHaveNoOtherChannelAndNoneWhereLinksAreNotServed) {
  Script link = open_link();
  link.sends(5, amqp::ChannelOpen{});
  EXPECT_EQ(link.gets<amqp::ChannelClose>(5).reply_code, 403);
  link.sends(5, amqp::ChannelCloseOk{});
  pulls(link, "orders");
  agent.context.make_link_channel = {};
  Script other = connect("pod-2");
  other.sends(kPullChannel, amqp::ChannelOpen{});
  EXPECT_EQ(other.gets<amqp::ChannelClose>(kPullChannel).reply_code, 403);
  EXPECT_EQ(leases.links(), 1u);
}

TEST_F(LinkAccessTest, TheServerSaysThatItHasLinksToWhoHasACertificate) {
  Script agent_peer(agent, {"peer", true, false, "pod-1"});
  Script app(agent);
  for (Script* peer : {&agent_peer, &app}) peer->raw(std::string_view("AMQP\0\0\x09\x01", 8));
  EXPECT_NE(agent_peer.gets<amqp::ConnectionStart>(0).server_properties.find("pannier-links"),
            nullptr);
  EXPECT_EQ(app.gets<amqp::ConnectionStart>(0).server_properties.find("pannier-links"), nullptr);
}

TEST_F(LinkAccessTest, MethodsThatAreCutShortEndTheConnection) {
  const auto receipts = pack_receipts(std::vector<Receipt>{{1, 2}, {3, 4}});
  expect_every_truncation_refused(LinkPull{"orders", "uid-of-orders", receipts});
  expect_every_truncation_refused(LinkCredit{"orders", 5, true});
  expect_every_truncation_refused(LinkSettle{"orders", 0, receipts});
  expect_every_truncation_refused(LinkStop{"orders"});
  expect_every_truncation_refused(LinkEnd{"orders", "why"});
}

TEST_F(LinkAccessTest, MalformedReceiptsAndWaysToSettleAreRefused) {
  Script torn = open_link();
  torn.sends(kPullChannel, LinkSettle{"orders", 0, {std::string(17, 'x')}});
  expect_connection_error(torn, 502);
  Script unknown = open_link();
  unknown.sends(kPullChannel, LinkSettle{"orders", 4, {}});
  expect_connection_error(unknown, 503);
  Script twice = open_link();
  pulls(twice, "orders");
  asks_to_pull(twice, "orders");
  EXPECT_EQ(twice.gets<amqp::ChannelClose>(kPullChannel).reply_code, 406);
  Script many = open_link();
  const std::vector<Receipt> receipts(receipts_per_frame(100'000) + 1, Receipt{1, 1});
  asks_to_pull(many, "orders", receipts);
  EXPECT_EQ(many.gets<amqp::ChannelClose>(kPullChannel).reply_code, 406);
}

TEST_F(LinkAccessTest, AFullListOfUnknownReceiptsDoesNothing) {
  Script link = open_link();
  const std::vector<Receipt> receipts(receipts_per_frame(100'000), Receipt{1, 1});
  EXPECT_EQ(pulls(link, "orders", receipts).kept.text, "");
  settles(link, "orders", How::discard, receipts);
  agent.turn();
  EXPECT_EQ(link.gets<LinkSettled>(kPullChannel).count, 1u);
}

TEST_F(LinkAccessTest, PullsBeyondTheLimitAreRefusedAndTheOthersGoOn) {
  std::vector<std::string> names;
  for (int i = 0; i < 150; ++i) names.push_back("q" + std::to_string(i));
  serve(names);
  Script link = open_link();
  for (int i = 0; i < 100; ++i) pulls(link, names[static_cast<std::size_t>(i)]);
  for (std::size_t i = 100; i < 150; ++i) {
    asks_to_pull(link, names[i]);
    expect_end(link, names[i], "too many");
  }
  link.sends(kPullChannel, LinkStop{"q7"});
  pulls(link, "q149");
}

TEST_F(LinkAccessTest, NoMoreIsDeliveredThanMayBeUnacknowledged) {
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  std::vector<std::string> bodies(60, "x");
  publish("orders", bodies);
  publish("mail", {"m"});
  link.forgets();
  gives(link, "orders", 1'000, true);
  std::vector<Receipt> held;
  for (int i = 0; i < 50; ++i) held.push_back(receipt_of(expect_delivery(link, "orders", "x")));
  expect_ready(link, "orders", 10);
  gives(link, "mail", 5);
  link.gets_nothing();
  settles(link, "orders", How::ack, held);
  EXPECT_EQ(status("orders").ready, 0u);
  EXPECT_EQ(status("mail").ready, 0u);
}

TEST_F(LinkAccessTest, ASlowLinkIsGivenNoMoreThanItsOutputHoldsAndHoldsNobodyUp) {
  Script slow = open_link();
  Script fast = open_link("pod-2");
  for (Script* link : {&slow, &fast}) pulls(*link, "orders");
  slow.sends(kPullChannel, LinkCredit{"orders", 1'000, false});
  const std::string body = letters(20'000);
  publish("orders", std::vector<std::string>(40, body));
  const std::size_t unsent = slow.session().output().size();
  EXPECT_GT(unsent, 200'000u);
  EXPECT_LT(unsent, 200'000u + 25'000u);
  EXPECT_EQ(status("orders").unacked, 10u);
  fast.forgets();
  fast.sends(kPullChannel, LinkCredit{"orders", 20, false});
  for (int i = 0; i < 20; ++i) {
    expect_delivery(fast, "orders", body);
    agent.turn();
  }
  slow.has_more();
  agent.turn();
  EXPECT_EQ(status("orders").ready, 0u);
}

TEST_F(LinkAccessTest, ALinkThatDoesNotReadIsToldNothingNew) {
  Script link = open_link();
  pulls(link, "orders");
  pulls(link, "mail");
  link.sends(kPullChannel, LinkCredit{"orders", 1'000, false});
  publish("orders", std::vector<std::string>(11, letters(20'000)));
  const std::size_t unsent = link.session().output().size();
  publish("mail", {"a"});
  passes(kReadyInterval);
  EXPECT_EQ(link.session().output().size(), unsent);
  EXPECT_FALSE(link.session().deadline());
  for (int i = 0; i < 11; ++i)
    link.gets<LinkDeliver>(kPullChannel), link.gets_content(kPullChannel);
  expect_ready(link, "mail", 1);
}

}  // namespace
}  // namespace pannier::forward
