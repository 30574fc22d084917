// PushWorld: an agent that takes what scripted agents push to it.
//
//   Script link = world.open_link();
//   world.pushes(link, "orders");
//   world.puts(link, "orders", 1, "hello");
//   world.agent.turn();
//   world.expect_taken(link, "orders", {1});
#pragma once

#include "sidecar/forward/link_channel.h"
#include "sidecar/forward/push_channel.h"
#include "sidecar/forward/push_hops.h"
#include "tests/amqp/amqp_fixture.h"
#include "tests/forward/agent_login.h"

namespace pannier::forward {

using amqp::letters;
using amqp::Script;
using queue::Sequence;

inline constexpr std::uint32_t kNumberThere = 7;  // of the queue, in the pusher's spool

inline std::vector<Sequence> sequences_in(const amqp::LongString& packed) {
  std::vector<Sequence> sequences;
  ByteReader in(as_bytes(packed.text));
  while (in.left() > 0) sequences.push_back(in.be<Sequence>());
  return sequences;
}

struct PushWorld {
  explicit PushWorld(spool::Disk& disk, const amqp::AmqpLimits& limits = amqp::small_limits())
      : agent(disk, limits) {
    serve_links(agent.context, leases, door);
    for (const char* name : {"orders", "mail"}) policy.queues.push_back(governed(name));
    apply();
  }

  static PolicyQueue governed(const std::string& name) {
    PolicyQueue queue;
    queue.name = name;
    queue.uid = "uid-of-" + name;
    return queue;
  }
  void apply() {
    for (PolicyQueue& queue : policy.queues) ++queue.generation;
    EXPECT_TRUE(agent.registry->apply(policy));
    door.on_policy();
    agent.turn();
  }
  Script connect(const std::string& pod) {
    Script link(agent, {"peer", true, false, pod});
    log_in_as_agent(link);
    return link;
  }
  Script open_link(const std::string& pod = "pod-1") {
    Script link = connect(pod);
    link.opens_channel(kPushChannel);
    return link;
  }

  static LinkPush push_of(const std::string& queue) {
    LinkPush push;
    push.queue = queue;
    push.uid = "uid-of-" + queue;
    push.spool.text = std::string(16, 's');
    push.number = kNumberThere;
    return push;
  }
  void expect_ok(Script& link, const LinkPush& push) {
    link.sends(kPushChannel, push);
    const auto ok = link.gets<LinkPushOk>(kPushChannel);
    EXPECT_EQ(ok.queue, push.queue);
    EXPECT_EQ(ok.messages, kPushWindowMessages);
    EXPECT_EQ(ok.bytes, kPushWindowBytes);
  }
  void pushes(Script& link, const std::string& queue, Sequence floor = 0, bool drains = false) {
    LinkPush push = push_of(queue);
    push.floor = floor;
    push.drains = drains;
    expect_ok(link, push);
  }
  static LinkPut put_of(const std::string& queue, Sequence sequence) {
    LinkPut put;
    put.queue = queue;
    put.sequence = sequence;
    put.routing_key = queue;
    return put;
  }
  void add_put(net::Output& out, const LinkPut& put, const std::string& body) const {
    Bytes properties;
    ByteWriter writer(properties);
    queue::Properties().encode(writer);
    amqp::put_method(out, kPushChannel, put);
    amqp::put_content_header(out, kPushChannel, body.size(), properties);
    amqp::put_body(out, kPushChannel, Slice::copy_of(body), agent.context.limits.frame_max);
  }
  void puts(Script& link, const LinkPut& put, const std::string& body) {
    net::Output out;
    add_put(out, put, body);
    link.feeds(out);
  }
  void puts(Script& link, const std::string& queue, Sequence sequence, const std::string& body) {
    puts(link, put_of(queue, sequence), body);
  }
  // All that one read from the socket brings.
  void puts_at_once(Script& link, const std::string& queue, Sequence first, Sequence last) {
    net::Output out;
    for (Sequence sequence = first; sequence <= last; ++sequence)
      add_put(out, put_of(queue, sequence), std::to_string(sequence));
    link.feeds(out);
  }
  static void forgets(Script& link, const std::string& queue, std::vector<Sequence> sequences) {
    Bytes packed;
    ByteWriter out(packed);
    for (const Sequence sequence : sequences) out.be(sequence);
    link.sends(kPushChannel, LinkForget{queue, {std::string(as_text(packed))}});
  }

  static void expect_taken(Script& link, const std::string& queue,
                           const std::vector<Sequence>& sequences) {
    const auto taken = link.gets<LinkTaken>(kPushChannel);
    EXPECT_EQ(taken.queue, queue);
    EXPECT_EQ(static_cast<LinkTaken::How>(taken.how), LinkTaken::How::taken) << taken.why;
    EXPECT_EQ(sequences_in(taken.sequences), sequences);
  }
  static void expect_refused(Script& link, const std::string& queue,
                             const std::vector<Sequence>& sequences, const std::string& why) {
    const auto taken = link.gets<LinkTaken>(kPushChannel);
    EXPECT_EQ(taken.queue, queue);
    EXPECT_EQ(static_cast<LinkTaken::How>(taken.how), LinkTaken::How::refused);
    EXPECT_THAT(taken.why, testing::HasSubstr(why));
    EXPECT_EQ(sequences_in(taken.sequences), sequences);
  }
  static void expect_end(Script& link, const std::string& queue, const std::string& why) {
    const auto end = link.gets<LinkEnd>(kPushChannel);
    EXPECT_EQ(end.queue, queue);
    EXPECT_THAT(end.why, testing::HasSubstr(why));
  }
  static void expect_connection_error(Script& link, std::uint16_t code, const std::string& text) {
    const auto close = link.gets<amqp::ConnectionClose>(0);
    EXPECT_EQ(close.reply_code, code) << close.reply_text;
    EXPECT_THAT(close.reply_text, testing::HasSubstr(text));
  }
  std::uint64_t ready(const std::string& queue) { return agent.find(queue)->status().ready; }
  // All of it, gone afterwards.
  std::vector<std::string> bodies(const std::string& queue) {
    std::vector<std::string> texts;
    while (const auto delivery = agent.get(*agent.find(queue), true))
      texts.emplace_back(delivery->message->body.text());
    return texts;
  }
  queue::PushSource source(const std::string& queue) {
    queue::PushSource source;
    source.queue = agent.find(queue)->id();
    source.spool.fill(std::byte{'s'});
    source.number = kNumberThere;
    return source;
  }
  bool remembers(const std::string& queue, Sequence sequence) {
    return agent.registry->push_marks().holds(source(queue), sequence);
  }
  void passes(std::chrono::milliseconds time) {
    agent.clock.advance(time);
    agent.registry->on_time(agent.clock.now());
    agent.turn();
  }

  amqp::AmqpHarness agent;
  LinkLeases leases{agent.clock};
  PushDoor door;
  Policy policy;
};

class PushTest : public testing::Test {
 protected:
  explicit PushTest(const amqp::AmqpLimits& limits = amqp::small_limits()) : world(disk, limits) {}
  MemoryDisk disk;
  PushWorld world;
};

}  // namespace pannier::forward
