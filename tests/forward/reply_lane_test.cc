#include "sidecar/forward/reply_lane.h"

#include <gmock/gmock.h>

#include "tests/amqp/amqp_fixture.h"
#include "tests/forward/agent_login.h"
#include "tests/forward/link_world.h"

namespace pannier::forward {
namespace {

using amqp::Script;

// A caller beside one agent and a server beside another, which pulls the caller's requests.
class ReplyWorld : public testing::Test {
 protected:
  ReplyWorld() {
    amqp::AmqpLimits limits = amqp::small_limits();
    MemberQueue served;
    served.uid = "uid-orders";
    for (const char* name : {"here", "there"}) {
      nodes.push_back(std::make_unique<Node>(name, random, limits));
      MemberAgent agent;
      agent.pod_uid = agent.pod_name = name;
      agent.address = "10.0.0.1";
      agent.service_account = "shop";
      members.agents.push_back(agent);
      served.served_by.emplace_back(name);
      served.may_pull.emplace_back(name);
    }
    members.queues = {served};
    PolicyQueue wanted;
    wanted.uid = "uid-orders";
    wanted.name = "orders";
    Policy policy;
    policy.queues = {wanted};
    for (const auto& node : nodes) {
      for (const auto& other : nodes) node->dialer.nodes[other->pod] = other.get();
      node->puller->apply(members);
      node->apply(policy);
    }
  }
  ~ReplyWorld() override {
    for (const auto& node : nodes) node->puller->stop();
    for (const auto& node : nodes) node->agent.context.remote_replies = nullptr;
    for (const auto& node : nodes) node->puller.reset();
  }

  void go() {
    for (int quiet = 0; quiet < 2;) {
      bool moved = false;
      for (const auto& node : nodes) {
        moved = node->dialer.run_once() || moved;
        node->end_turn();
      }
      quiet = moved ? 0 : quiet + 1;
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (; time.count() > 0; time -= std::chrono::milliseconds(100)) {
      for (const auto& node : nodes) node->pass(std::chrono::milliseconds(100));
      go();
    }
  }
  Node& here() { return *nodes[0]; }
  Node& there() { return *nodes[1]; }

  Random random{1};
  Members members;
  std::vector<std::unique_ptr<Node>> nodes;
};

class ReplyLaneTest : public ReplyWorld {
 protected:
  ReplyLaneTest() {
    caller.opens();
    server.opens();
    server.sends(1, amqp::consume_of("orders", "", true));
    server.gets<amqp::BasicConsumeOk>(1);
    server.opens_channel(2);
    server.sends(2, amqp::ConfirmSelect{});
    server.gets<amqp::ConfirmSelectOk>(2);
  }

  std::string has_queue(const std::string& name = "", bool exclusive = true) {
    amqp::QueueDeclare declare;
    declare.queue = name;
    declare.exclusive = exclusive;
    caller.sends(1, declare);
    const std::string given = caller.gets<amqp::QueueDeclareOk>(1).queue;
    caller.sends(1, amqp::consume_of(given, "answers", true));
    caller.gets<amqp::BasicConsumeOk>(1);
    return given;
  }
  // Returns the name that the server is to answer to.
  std::string asks(const std::string& reply_to) {
    queue::Properties properties;
    properties.reply_to = reply_to;
    caller.publishes(1, "", "orders", "ask", false, properties);
    go();
    server.gets<amqp::BasicDeliver>(1);
    const auto got = server.gets_content(1);
    EXPECT_EQ(got.body, "ask");
    return got.properties.reply_to.value_or("");
  }
  void answers(const std::string& name, const std::string& body, bool mandatory = false) {
    queue::Properties properties;
    properties.correlation_id = body.substr(0, 20);
    if (body.size() <= 90'000) {
      server.publishes(2, "", name, body, mandatory, properties);
      return;
    }
    server.sends(2, amqp::BasicPublish{0, "", name, mandatory, false});
    Bytes encoded;
    ByteWriter writer(encoded);
    properties.encode(writer);
    net::Output header;
    amqp::put_content_header(header, 2, body.size(), encoded);
    server.feeds(header);
    for (std::size_t at = 0; at < body.size(); at += 90'000) {
      net::Output piece;
      amqp::put_body(piece, 2, Slice::copy_of(std::string_view(body).substr(at, 90'000)), 100'000);
      server.feeds(piece);
      go();
    }
  }
  void gets_answer(const std::string& body) {
    EXPECT_EQ(caller.gets<amqp::BasicDeliver>(1).consumer_tag, "answers");
    const std::string got = caller.gets_content(1).body;
    EXPECT_EQ(got.size(), body.size());
    EXPECT_TRUE(got == body);
  }
  void gets_return(const std::string& name) {
    const auto returned = server.gets<amqp::BasicReturn>(2);
    EXPECT_EQ(returned.reply_code, 312);
    EXPECT_EQ(returned.routing_key, name);
    server.gets_content(2);
  }

  Script caller{here().agent};
  Script server{there().agent};
};

TEST_F(ReplyLaneTest, AnAnswerGoesBackToAnExclusiveQueueAndIsConfirmedOnceItIsThere) {
  const std::string name = asks(has_queue());
  answers(name, "answer");
  server.gets_nothing();  // not there yet
  go();
  gets_answer("answer");
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
}

TEST_F(ReplyLaneTest, AnAnswerToADirectReplyToGoesBack) {
  caller.sends(1, amqp::consume_of(std::string(amqp::kReplyTo), "answers", true));
  caller.gets<amqp::BasicConsumeOk>(1);
  const std::string name = asks(std::string(amqp::kReplyTo));
  amqp::QueueDeclare passive;
  passive.queue = name;
  passive.passive = true;
  server.sends(1, passive);
  EXPECT_EQ(server.gets<amqp::QueueDeclareOk>(1).queue, name);
  answers(name, "answer", true);
  go();
  gets_answer("answer");
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
}

TEST_F(ReplyLaneTest, AQueueThatDeletesItselfCanBeAnsweredToo) {
  const std::string name = asks(has_queue("of-a-backend", false));
  answers(name, "answer");
  go();
  gets_answer("answer");
}

TEST_F(ReplyLaneTest, AnAnswerThatNobodyWaitsForIsReturnedIfItIsMandatoryAndElseDropped) {
  const std::string name = asks(has_queue());
  caller.hangs_up();
  answers(name, "one");
  answers(name, "two", true);
  answers(name, "three");
  go();
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
  gets_return(name);
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 2u);
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 3u);
}

TEST_F(ReplyLaneTest, ALargeAnswerGoesBackWholeAndOthersFollowIt) {
  const std::string name = asks(has_queue());
  const std::string large = amqp::letters(700'000);
  answers(name, large);
  answers(name, "small");
  go();
  gets_answer(large);
  gets_answer("small");
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 2u);
  pass(std::chrono::seconds(1));
  EXPECT_EQ(there().puller->bodies(), 0u);
}

TEST_F(ReplyLaneTest, ConfirmsKeepTheirOrderBehindAnAnswerThatIsOnItsWay) {
  const std::string name = asks(has_queue());
  answers(name, "answer");
  server.publishes(2, "", "orders", "local");
  there().agent.turn();
  server.gets<amqp::BasicDeliver>(1);
  server.gets_content(1);
  server.gets_nothing();
  go();
  const auto ack = server.gets<amqp::BasicAck>(2);
  EXPECT_EQ(ack.delivery_tag, 2u);
  EXPECT_TRUE(ack.multiple);
}

TEST_F(ReplyLaneTest, WhatACutLeavesUnconfirmedIsRefusedAndTheNextAnswerDialsAgain) {
  const std::string name = asks(has_queue());
  answers(name, "one", true);
  there().end_turn();  // in the output, and stays there
  there().dialer.cut_all();
  there().end_turn();
  gets_return(name);
  EXPECT_EQ(server.gets<amqp::BasicNack>(2).delivery_tag, 1u);
  answers(name, "two");
  pass(std::chrono::seconds(2));
  gets_answer("two");
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 2u);
}

TEST_F(ReplyLaneTest, AnAnswerWaitsSomeSecondsForALinkAndIsThenRefused) {
  const std::string name = asks(has_queue());
  there().dialer.nodes["here"] = nullptr;
  there().dialer.cut_all();
  pass(std::chrono::seconds(1));
  answers(name, "one");
  pass(kReplyWaitMax - std::chrono::seconds(1));
  server.gets_nothing();
  pass(std::chrono::seconds(2));
  EXPECT_EQ(server.gets<amqp::BasicNack>(2).delivery_tag, 1u);
}

TEST_F(ReplyLaneTest, ALinkThatIsNotNeededAnyMoreIsDialledForALateAnswer) {
  const std::string name = asks(has_queue());
  server.sends(1, amqp::ChannelClose{200, "", 0, 0});
  pass(std::chrono::seconds(20));
  EXPECT_EQ(there().puller->links(), 0u);
  answers(name, "late");
  pass(std::chrono::seconds(1));
  gets_answer("late");
  pass(std::chrono::seconds(1));
  EXPECT_EQ(there().puller->links(), 0u);
}

TEST_F(ReplyLaneTest, AnAnswerToACallerWhosePodIsGoneIsDropped) {
  const std::string name = asks(has_queue());
  server.sends(1, amqp::ChannelClose{200, "", 0, 0});
  Members left = members;
  left.agents.erase(left.agents.begin());
  there().puller->apply(left);
  pass(std::chrono::seconds(40));
  answers(name, "late", true);
  go();
  server.gets<amqp::ChannelCloseOk>(1);
  gets_return(name);
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
}

TEST_F(ReplyLaneTest, WhoeverNobodyHasAskedAnswersNobody) {
  const std::string name = has_queue();
  answers(name, "guessed", true);
  go();
  gets_return(name);
  EXPECT_EQ(server.gets<amqp::BasicAck>(2).delivery_tag, 1u);
  caller.gets_nothing();
}

TEST_F(ReplyLaneTest, AnAnswerInATransactionGoesBackToo) {
  const std::string name = asks(has_queue());
  server.opens_channel(3);
  server.sends(3, amqp::TxSelect{});
  server.gets<amqp::TxSelectOk>(3);
  server.publishes(3, "", name, "answer");
  server.sends(3, amqp::TxCommit{});
  go();
  server.gets<amqp::TxCommitOk>(3);
  gets_answer("answer");
}

// What another agent may do with such a channel, were it to try more.
class ReplyChannelAttack : public ReplyLaneTest {
 protected:
  ReplyChannelAttack() {
    log_in_as_agent(link);
    link.opens_channel(kReplyChannel);
  }
  void expect_refused(const std::string& text) {
    const auto close = link.gets<amqp::ChannelClose>(kReplyChannel);
    EXPECT_EQ(close.reply_code, 403) << close.reply_text;
    EXPECT_THAT(close.reply_text, testing::HasSubstr(text));
  }
  void expect_returned(const std::string& name) {
    link.publishes(kReplyChannel, "", name, "x", true);
    here().agent.turn();
    EXPECT_EQ(link.gets<amqp::BasicReturn>(kReplyChannel).routing_key, name);
    link.gets_content(kReplyChannel);
    EXPECT_EQ(here().agent.find("orders")->status().ready, 0u);
  }
  Script link{here().agent, {"peer", true, false, "there"}};
};

TEST_F(ReplyChannelAttack, OnlyTheNamesThatThisAgentWasToldCanBeAnswered) {
  const std::string name = has_queue();
  expect_returned(name);
  here().leases.reply_names().note("another", name);
  expect_returned(name);
  here().leases.reply_names().note("there", name);
  link.publishes(kReplyChannel, "", name, "x", true);
  here().agent.turn();
  gets_answer("x");
  link.gets_nothing();
}

TEST_F(ReplyChannelAttack, AQueueOfTheNamespaceOrOneThatLastsIsNoReplyQueue) {
  caller.sends(1, amqp::durable_queue("work"));
  here().agent.turn();
  caller.gets<amqp::QueueDeclareOk>(1);
  for (const char* name : {"orders", "work", "nothing"}) {
    here().leases.reply_names().note("there", name);
    expect_returned(name);
  }
}

TEST_F(ReplyChannelAttack, FurtherKeysMeanNothing) {
  const std::string name = has_queue();
  here().leases.reply_names().note("there", name);
  queue::Properties properties;
  properties.headers.emplace();
  queue::Array keys;
  keys.values.emplace_back(std::string("orders"));
  properties.headers->set("CC", keys);
  link.publishes(kReplyChannel, "", name, "x", true, properties);
  here().agent.turn();
  gets_answer("x");
  EXPECT_EQ(here().agent.find("orders")->status().ready, 0u);
}

TEST_F(ReplyChannelAttack, AnExchangeCannotBePublishedTo) {
  link.publishes(kReplyChannel, "amq.topic", "r", "x");
  expect_refused("answers of other agents go to one queue");
}

TEST_F(ReplyChannelAttack, NothingCanBeDeclaredOrConsumed) {
  link.sends(kReplyChannel, amqp::durable_queue("mine"));
  expect_refused("and nothing else");
  EXPECT_EQ(here().agent.find("mine"), nullptr);
}

TEST_F(ReplyChannelAttack, NothingCanBeConsumed) {
  link.sends(kReplyChannel, amqp::consume_of("orders"));
  expect_refused("and nothing else");
}

}  // namespace
}  // namespace pannier::forward
