// LinkTest: an agent that owns queues, and scripted agents that have links to it.
//
//   Script link = open_link("pod-1");
//   pulls(link, "orders");
//   gives(link, "orders", 10);
//   expect_delivery(link, "orders", "hello");
#pragma once

#include "sidecar/forward/link_channel.h"
#include "sidecar/forward/link_receipts.h"
#include "tests/amqp/amqp_fixture.h"
#include "tests/forward/agent_login.h"

namespace pannier::forward {

using amqp::Script;
using How = queue::RemoteOrigin::Settle;
using queue::Receipt;

class LinkTest : public testing::Test {
 protected:
  explicit LinkTest(const amqp::AmqpLimits& limits = amqp::small_limits()) : agent(disk, limits) {
    serve_links(agent.context, leases, push_door);
    serve({"orders", "mail"});
    // The first delivery of a queue waits for a sync, which would make scripts longer.
    for (const char* name : {"orders", "mail"}) {
      publish(name, {"first"});
      agent.get(*agent.find(name), true);
    }
  }

  MemoryDisk disk;
  amqp::AmqpHarness agent;
  LinkLeases leases{agent.clock};
  PushDoor push_door;
  Policy policy;

  static PolicyQueue governed(const std::string& name) {
    PolicyQueue queue;
    queue.name = name;
    queue.uid = "uid-of-" + name;
    return queue;
  }
  void serve(const std::vector<std::string>& names) {
    policy.queues.clear();
    for (const std::string& name : names) policy.queues.push_back(governed(name));
    apply();
  }
  void apply() {
    EXPECT_TRUE(agent.registry->apply(policy));
    leases.on_policy();
    agent.turn();
  }
  void publish(const std::string& queue, const std::vector<std::string>& bodies) {
    for (const std::string& body : bodies) agent.publish(queue, body);
    agent.turn();
  }
  // From an app of ours, in parts when it is large.
  void publish_large(const std::string& queue, const std::string& body) {
    Script app(agent);
    app.opens();
    app.sends(1, amqp::BasicPublish{0, "", queue, false, false});
    Bytes properties;
    ByteWriter writer(properties);
    queue::Properties().encode(writer);
    net::Output header;
    amqp::put_content_header(header, 1, body.size(), properties);
    app.feeds(header);
    for (std::size_t at = 0; at < body.size(); at += 90'000) {
      net::Output piece;
      amqp::put_body(piece, 1, Slice::copy_of(std::string_view(body).substr(at, 90'000)), 100'000);
      app.feeds(piece);
      agent.turn();
    }
    agent.turn();
  }

  // Logged in, without a channel.
  Script connect(const std::string& pod) {
    Script link(agent, {"peer", true, false, pod});
    log_in_as_agent(link);
    return link;
  }
  Script open_link(const std::string& pod = "pod-1") {
    Script link = connect(pod);
    link.opens_channel(kPullChannel);
    return link;
  }
  void asks_to_pull(Script& link, const std::string& queue, const std::vector<Receipt>& held = {}) {
    link.sends(kPullChannel, LinkPull{queue, "uid-of-" + queue, pack_receipts(held)});
  }
  LinkPullOk pulls(Script& link, const std::string& queue, const std::vector<Receipt>& held = {}) {
    asks_to_pull(link, queue, held);
    auto ok = link.gets<LinkPullOk>(kPullChannel);
    EXPECT_EQ(ok.queue, queue);
    return ok;
  }
  void gives(Script& link, const std::string& queue, std::uint64_t limit, bool asks = false) {
    link.sends(kPullChannel, LinkCredit{queue, limit, asks});
    agent.turn();
  }
  void settles(Script& link, const std::string& queue, How how,
               const std::vector<Receipt>& receipts) {
    link.sends(kPullChannel,
               LinkSettle{queue, static_cast<std::uint8_t>(how), pack_receipts(receipts)});
  }
  LinkDeliver expect_delivery(Script& link, const std::string& queue, const std::string& body) {
    auto deliver = link.gets<LinkDeliver>(kPullChannel);
    EXPECT_EQ(deliver.queue, queue);
    EXPECT_EQ(link.gets_content(kPullChannel).body, body);
    return deliver;
  }
  LinkReady expect_ready(Script& link, const std::string& queue, std::uint64_t ready) {
    auto told = link.gets<LinkReady>(kPullChannel);
    EXPECT_EQ(told.queue, queue);
    EXPECT_EQ(told.ready, ready);
    return told;
  }
  void expect_end(Script& link, const std::string& queue, const std::string& why) {
    const auto end = link.gets<LinkEnd>(kPullChannel);
    EXPECT_EQ(end.queue, queue);
    EXPECT_THAT(end.why, testing::HasSubstr(why));
  }
  static void expect_connection_error(Script& link, std::uint16_t code) {
    const auto close = link.gets<amqp::ConnectionClose>(0);
    EXPECT_EQ(close.reply_code, code) << close.reply_text;
  }
  static Receipt receipt_of(const LinkDeliver& deliver) {
    return {deliver.sequence, deliver.delivery};
  }
  queue::QueueStatus status(const std::string& name) { return agent.find(name)->status(); }

  void passes(std::chrono::milliseconds time) {
    agent.clock.advance(time);
    agent.registry->on_time(agent.clock.now());
    leases.on_time(agent.clock.now());
    for (amqp::ServerSession* session : std::set(agent.context.sessions()))
      session->on_time(agent.clock.now());
    agent.turn();
  }
};

}  // namespace pannier::forward
