#include "tests/forward/push_fixture.h"

namespace pannier::forward {
namespace {

// Who may push what, and peers that do not keep to the rules.
class PushAccessTest : public PushTest {
 protected:
  template <typename Method>
  static Bytes payload_of(const Method& method) {
    net::Output out;
    amqp::put_method(out, kPushChannel, method);
    const Bytes frame = amqp::bytes_of(out);
    return {frame.begin() + 7, frame.end() - 1};
  }
  static void sends_payload(Script& link, ByteView payload,
                            amqp::FrameType type = amqp::FrameType::method) {
    Bytes frame;
    amqp::put_frame(frame, type, kPushChannel,
                    [&] { frame.insert(frame.end(), payload.begin(), payload.end()); });
    link.raw(frame);
  }
  template <typename Method>
  void expect_every_truncation_refused(const Method& method) {
    const Bytes whole = payload_of(method);
    for (std::size_t size = 4; size < whole.size(); ++size) {
      Script link = world.open_link();
      world.pushes(link, "mail");
      sends_payload(link, ByteView(whole).first(size));
      PushWorld::expect_connection_error(link, 501, "");
    }
  }
  void expect_no_push(Script& link, const LinkPush& push, const std::string& why) {
    link.sends(kPushChannel, push);
    PushWorld::expect_end(link, push.queue, why);
  }
  void sends_header(Script& link, std::uint64_t size, std::uint16_t class_id = amqp::kBasicClass) {
    Bytes payload;
    ByteWriter out(payload);
    out.be(class_id);
    out.be(std::uint16_t{0});
    out.be(size);
    out.be(std::uint16_t{0});
    sends_payload(link, payload, amqp::FrameType::header);
  }
  // A link with a push of "orders" that one put of that has come over.
  Script announced(const LinkPut& put) {
    Script link = world.open_link();
    world.pushes(link, "orders", 10);
    link.sends(kPushChannel, put);
    return link;
  }
};

TEST_F(PushAccessTest, OnlyQueuesThatAreServedHereAreTaken) {
  world.policy.queues.push_back(PushWorld::governed("old"));
  world.apply();
  world.policy.queues.pop_back();
  world.policy.queues[1].ending = true;
  world.apply();
  world.agent.declare("by-a-client");
  Script link = world.open_link();
  LinkPush push = PushWorld::push_of("orders");
  push.uid = "another";
  expect_no_push(link, push, "another MessageQueue");
  push.uid = "";
  expect_no_push(link, push, "another MessageQueue");
  push.queue = "by-a-client";
  expect_no_push(link, push, "another MessageQueue");
  expect_no_push(link, PushWorld::push_of("unknown"), "no queue");
  expect_no_push(link, PushWorld::push_of("old"), "does not serve it");
  expect_no_push(link, PushWorld::push_of("mail"), "is being deleted");
  world.agent.access.denied.insert({Verb::publish, "orders"});
  expect_no_push(link, PushWorld::push_of("orders"), "refused for");
  world.agent.access.denied.clear();
  world.pushes(link, "orders");
}

TEST_F(PushAccessTest, APodNamesNoSpoolButItsOwnOnceTheMembersKnowIt) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  Members members;
  members.agents.resize(2);
  members.agents[0].pod_uid = "pod-1";
  members.agents[1].pod_uid = "pod-2";
  members.agents[1].spool_id = "00000000-0000-4000-8000-000000000000";
  world.door.apply(members);
  link.gets_nothing();
  members.agents[0].spool_id = "11111111-1111-4111-8111-111111111111";
  world.door.apply(members);
  PushWorld::expect_end(link, "orders", "is not the one of pod pod-1");
  expect_no_push(link, PushWorld::push_of("orders"), "is not the one of pod pod-1");
  members.agents[0].spool_id = to_text(world.source("orders").spool);
  world.door.apply(members);
  world.pushes(link, "orders");
}

TEST_F(PushAccessTest, AccessThatIsTakenAwayEndsAPushAndRefusesWhatStillComes) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.pushes(link, "mail");
  world.puts(link, "orders", 1, "a");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  world.agent.access.denied.insert({Verb::publish, "orders"});
  world.door.on_policy();
  PushWorld::expect_end(link, "orders", "refused for");
  world.puts(link, "orders", 2, "b");
  PushWorld::expect_refused(link, "orders", {2}, "refused for");
  world.puts(link, "orders", 1, "a");
  PushWorld::expect_taken(link, "orders", {1});
  PushWorld::forgets(link, "orders", {1});
  EXPECT_FALSE(world.remembers("orders", 1));
  world.puts(link, "mail", 1, "c");
  world.agent.turn();
  PushWorld::expect_taken(link, "mail", {1});
  EXPECT_EQ(world.ready("orders"), 1u);
  world.agent.access.denied.clear();
  world.pushes(link, "orders");
  world.puts(link, "orders", 2, "b");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {2});
}

TEST_F(PushAccessTest, ADeletedQueueEndsItsPushAmidABody) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  net::Output out;
  world.add_put(out, PushWorld::put_of("orders", 1), letters(450'000));
  const Bytes bytes = amqp::bytes_of(out);
  link.raw(ByteView(bytes).first(350'000));
  world.policy.queues.erase(world.policy.queues.begin());
  world.policy.tombstones.push_back("uid-of-orders");
  world.apply();
  PushWorld::expect_end(link, "orders", "no queue");
  link.raw(ByteView(bytes).subspan(350'000));
  PushWorld::expect_refused(link, "orders", {1}, "no queue");
  world.pushes(link, "mail");
}

TEST_F(PushAccessTest, AnAgentThatDrainsTakesNothing) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts(link, "orders", 1, "a");
  world.door.close();
  PushWorld::expect_end(link, "orders", "it is ending");
  world.puts(link, "orders", 2, "b");
  PushWorld::expect_refused(link, "orders", {2}, "it is ending");
  expect_no_push(link, PushWorld::push_of("mail"), "it is ending");
  Script other = world.open_link("pod-2");
  expect_no_push(other, PushWorld::push_of("orders"), "it is ending");
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
}

TEST_F(PushAccessTest, AgentsWithoutThatChannelNumberHaveNone) {
  Script link = world.connect("pod-1");
  link.opens_channel(kPullChannel);
  link.opens_channel(kPushChannel);
  link.opens_channel_later(5);
  const auto close = link.gets<amqp::ChannelClose>(5);
  EXPECT_EQ(close.reply_code, 403) << close.reply_text;
}

TEST_F(PushAccessTest, AMessageBeyondTheWindowEndsTheLink) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  world.puts_at_once(link, "orders", 1, kPushWindowMessages);
  world.puts_at_once(link, "orders", 2'000, 2'000);
  PushWorld::expect_connection_error(link, 530, "beyond the window");
}

TEST_F(PushAccessTest, AnsweredMessagesLeaveTheWindow) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  for (Sequence first = 1; first < 4'000; first += 500) {
    world.puts_at_once(link, "orders", first, first + 499);
    world.agent.turn();
  }
  EXPECT_EQ(world.ready("orders"), 4'000u);
}

TEST_F(PushAccessTest, BytesBeyondTheWindowEndTheLinkAndOneMessageMayAlwaysCome) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  link.sends(kPushChannel, PushWorld::put_of("orders", 1));
  sends_header(link, kPushWindowBytes + 1);
  const std::string piece(99'000, 'x');
  for (std::uint64_t left = kPushWindowBytes + 1; left > 0;) {
    const auto size = std::min<std::uint64_t>(left, piece.size());
    sends_payload(link, as_bytes(piece).first(size), amqp::FrameType::body);
    world.agent.turn();
    left -= size;
  }
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  link.sends(kPushChannel, PushWorld::put_of("orders", 2));
  sends_header(link, 0);
  link.sends(kPushChannel, PushWorld::put_of("orders", 3));
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {2});
  Script other = world.open_link("pod-2");
  world.pushes(other, "mail");
  net::Output out;
  world.add_put(out, PushWorld::put_of("mail", 1), "a");
  amqp::put_method(out, kPushChannel, PushWorld::put_of("mail", 2));
  amqp::put_content_header(out, kPushChannel, kPushWindowBytes, Bytes(2));
  other.feeds(out);
  PushWorld::expect_connection_error(other, 530, "beyond the window");
}

TEST_F(PushAccessTest, PutsThatMakeNoSenseEndTheLink) {
  Script unasked = world.open_link();
  unasked.sends(kPushChannel, PushWorld::put_of("orders", 1));
  PushWorld::expect_connection_error(unasked, 505, "not pushed over this link");
  Script stopped = world.open_link();
  world.pushes(stopped, "orders");
  stopped.sends(kPushChannel, LinkStop{"orders"});
  stopped.sends(kPushChannel, PushWorld::put_of("orders", 1));
  PushWorld::expect_connection_error(stopped, 505, "not pushed over this link");
  Script zero = world.open_link();
  world.pushes(zero, "orders");
  zero.sends(kPushChannel, PushWorld::put_of("orders", 0));
  PushWorld::expect_connection_error(zero, 503, "below the floor");
  Script low = announced(PushWorld::put_of("orders", 9));
  PushWorld::expect_connection_error(low, 503, "below the floor");
  for (const std::string& attributes :
       {std::string("\x04"), std::string("\x04\x01\0", 3), std::string("\x04\x02\0ab", 5),
        std::string("\x04\x01\0a\x04\x01\0a", 8), std::string("\x01\x05\0ab", 5),
        std::string(65'533, '\0')}) {
    LinkPut put = PushWorld::put_of("orders", 10);
    put.attributes.text = attributes;
    Script link = announced(put);
    PushWorld::expect_connection_error(link, 502, "attributes");
  }
}

TEST_F(PushAccessTest, ContentsThatMakeNoSenseEndTheLink) {
  const LinkPut put = PushWorld::put_of("orders", 10);
  Script headless = world.open_link();
  sends_header(headless, 1);
  PushWorld::expect_connection_error(headless, 505, "no link.put announces");
  Script bodiless = announced(put);
  sends_payload(bodiless, as_bytes("x"), amqp::FrameType::body);
  PushWorld::expect_connection_error(bodiless, 505, "without its header");
  Script twice = announced(put);
  sends_header(twice, 1);
  sends_header(twice, 1);
  PushWorld::expect_connection_error(twice, 505, "where a body was expected");
  Script amid = announced(put);
  sends_header(amid, 1);
  amid.sends(kPushChannel, LinkStop{"orders"});
  PushWorld::expect_connection_error(amid, 505, "amid the content");
  Script longer = announced(put);
  sends_header(longer, 1);
  sends_payload(longer, as_bytes("xy"), amqp::FrameType::body);
  PushWorld::expect_connection_error(longer, 501, "longer than its header");
  Script foreign = announced(put);
  sends_header(foreign, 1, 61);
  PushWorld::expect_connection_error(foreign, 505, "class 61");
  Script properties = announced(put);
  sends_payload(properties, as_bytes(std::string_view("\0\x3c\0\0\0\0\0\0\0\0\0\1\x80\0", 14)),
                amqp::FrameType::header);
  PushWorld::expect_connection_error(properties, 502, "");
}

TEST_F(PushAccessTest, MalformedMethodsEndTheLink) {
  expect_every_truncation_refused(PushWorld::push_of("orders"));
  expect_every_truncation_refused(PushWorld::put_of("mail", 1));
  expect_every_truncation_refused(LinkForget{"mail", {"12345678"}});
  Script odd = world.open_link();
  world.pushes(odd, "mail");
  odd.sends(kPushChannel, LinkForget{"mail", {"123456789"}});
  PushWorld::expect_connection_error(odd, 502, "cut short");
  Script spool = world.open_link();
  LinkPush push = PushWorld::push_of("mail");
  push.spool.text = "abc";
  spool.sends(kPushChannel, push);
  PushWorld::expect_connection_error(spool, 502, "16 bytes, not 3");
  Script pull = world.open_link();
  pull.sends(kPushChannel, LinkPull{"orders", "uid-of-orders", {}});
  PushWorld::expect_connection_error(pull, 540, "on a push link");
  Script twice = world.open_link();
  world.pushes(twice, "orders");
  twice.sends(kPushChannel, PushWorld::push_of("orders"));
  const auto close = twice.gets<amqp::ChannelClose>(kPushChannel);
  EXPECT_EQ(close.reply_code, 406);
}

}  // namespace
}  // namespace pannier::forward
