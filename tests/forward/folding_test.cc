// Bodies that travel compressed: between two agents over real links, and from peers that send
// anything.
#include "sidecar/forward/folding.h"

#include <gmock/gmock.h>

#include "sidecar/spool/compression.h"
#include "tests/forward/link_world.h"
#include "tests/forward/push_fixture.h"

namespace pannier::forward {
namespace {

using testing::HasSubstr;
using testing::Lt;

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "{\"order\":" + std::to_string(text.size()) + "},";
  text.resize(size);
  return text;
}

// Two agents with one queue. What is published at a is wanted at b.
class Pair {
 public:
  explicit Pair(Compression compression, bool is_of_this_release = true) {
    amqp::AmqpLimits limits = amqp::small_limits();
    limits.frame_max = 20'000;
    for (const char* pod : {"a", "b"})
      nodes_.push_back(std::make_unique<Node>(pod, random_, limits));
    MemberQueue queue;
    queue.uid = "uid-orders";
    for (const auto& node : nodes_) {
      MemberAgent agent;
      agent.pod_uid = agent.pod_name = node->pod;
      agent.address = "10.0.0.1";
      agent.service_account = "shop";
      members_.agents.push_back(agent);
      queue.served_by.push_back(node->pod);
      queue.may_pull.push_back(node->pod);
      for (const auto& other : nodes_) node->dialer.nodes[other->pod] = other.get();
    }
    queue.may_receive = {"b"};
    members_.queues = {queue};
    PolicyQueue wanted;
    wanted.uid = "uid-orders";
    wanted.name = "orders";
    wanted.storage.compression = compression;
    policy_.queues = {wanted};
    for (const auto& node : nodes_) {
      if (!is_of_this_release) node->agent.context.link_codecs.clear();
      node->add_pusher();
      node->puller->apply(members_);
      node->apply(policy_);
      node->pusher->apply(members_);
    }
  }
  ~Pair() {
    for (const auto& node : nodes_) {
      for (const auto& taker : node->takers) node->orders->remove_consumer(*taker);
      node->puller.reset();
      node->pusher.reset();
    }
  }
  Node& a() { return *nodes_[0]; }
  Node& b() { return *nodes_[1]; }

  void go() {
    for (int quiet = 0, rounds = 0; quiet < 2; ++rounds) {
      bool moved = false;
      for (const auto& node : nodes_) {
        moved = node->dialer.run_once() || moved;
        node->end_turn();
      }
      quiet = moved ? 0 : quiet + 1;
      ASSERT_LT(rounds, 100'000) << "it never comes to rest";
    }
  }
  void pass(std::chrono::milliseconds time) {
    for (; time.count() > 0; time -= std::chrono::milliseconds(100)) {
      for (const auto& node : nodes_) node->pass(std::chrono::milliseconds(100));
      go();
    }
  }
  void publish(const std::string& body) {
    amqp::Script app(a().agent);
    app.opens().publishes(1, "", "orders", body);
    a().agent.turn();
    app.hangs_up();
  }
  Taker& take_at_b() {
    b().takers.push_back(std::make_unique<Taker>(100));
    b().orders->add_consumer(*b().takers.back());
    pass(std::chrono::seconds(1));
    return *b().takers.back();
  }
  std::string body_at_b(const queue::Delivery& delivery) {
    const queue::Message& message = *delivery.message;
    std::string body(message.body.text());
    for (std::uint32_t i = 0; i < message.parts; ++i) {
      std::optional<Result<Slice>> part;
      b().agent.spool->read_part(message.body_id, i, [&](auto got) { part = std::move(got); });
      b().agent.turn();
      body += part && *part ? std::string((*part)->text()) : "?";
    }
    return body;
  }
  std::uint64_t carried() { return a().dialer.carried + b().dialer.carried; }

 private:
  Random random_{7};
  Members members_;
  Policy policy_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

class Folding : public testing::TestWithParam<Compression> {
 protected:
  const std::string small_ = text_of(15'000);
  const std::string frames_ = text_of(100'000);
  const std::string parts_ = text_of(700'000);
  // In all.
  const std::uint64_t sizes_ = 815'000;
  bool folds() const { return GetParam() != Compression::none; }
};

TEST_P(Folding, APulledBodyTravelsAsItsQueueAsks) {
  Pair pair(GetParam());
  for (const std::string& body : {small_, frames_, parts_}) pair.publish(body);
  Taker& taker = pair.take_at_b();
  ASSERT_EQ(taker.got.size(), 3u);
  EXPECT_EQ(pair.body_at_b(taker.got[0]), small_);
  EXPECT_EQ(pair.body_at_b(taker.got[1]), frames_);
  EXPECT_EQ(pair.body_at_b(taker.got[2]), parts_);
  EXPECT_GT(taker.got[2].message->parts, 0u);
  EXPECT_EQ(pair.carried() < sizes_ / 2, folds()) << pair.carried();
  const std::uint64_t kept = pair.b().agent.spool->status().live_bytes;
  EXPECT_EQ(kept < parts_.size() / 2, folds()) << kept << " bytes of parts at the puller's";
}

TEST_P(Folding, APushedBodyTravelsAsItsQueueAsksAndLiesThereSo) {
  Pair pair(GetParam());
  for (const std::string& body : {small_, frames_, parts_}) pair.publish(body);
  pair.a().push_door.close();
  pair.a().pusher->drain();
  pair.pass(std::chrono::seconds(2));
  EXPECT_EQ(pair.a().orders->status().ready, 0u);
  EXPECT_EQ(pair.carried() < sizes_ / 2, folds()) << pair.carried();
  const std::uint64_t kept = pair.b().agent.spool->status().live_bytes;
  EXPECT_EQ(kept < sizes_ / 2, folds()) << kept;
  Taker& taker = pair.take_at_b();
  ASSERT_EQ(taker.got.size(), 3u);
  EXPECT_EQ(pair.body_at_b(taker.got[0]), small_);
  EXPECT_EQ(pair.body_at_b(taker.got[1]), frames_);
  EXPECT_EQ(pair.body_at_b(taker.got[2]), parts_);
}

INSTANTIATE_TEST_SUITE_P(Each, Folding,
                         testing::Values(Compression::none, Compression::lz4, Compression::zstd),
                         [](const auto& test) {
                           return test.param == Compression::none  ? "None"
                                  : test.param == Compression::lz4 ? "Lz4"
                                                                   : "Zstd";
                         });

TEST(FoldingPeers, AReceiverOfTheReleaseBeforeIsSentBodiesAsTheyAre) {
  Pair pair(Compression::zstd, false);
  const std::string body = text_of(50'000);
  pair.publish(body);
  pair.a().push_door.close();
  pair.a().pusher->drain();
  pair.pass(std::chrono::seconds(2));
  EXPECT_GT(pair.carried(), body.size());
  Taker& taker = pair.take_at_b();
  ASSERT_EQ(taker.got.size(), 1u);
  EXPECT_EQ(pair.body_at_b(taker.got[0]), body);
}

TEST(FoldingPeers, AreFoldedForOnlyByACodecThatTheyName) {
  MemoryDisk disk;
  queue::QueueHarness agent(disk);
  Policy policy;
  policy.queues.resize(1);
  policy.queues[0].uid = "u";
  policy.queues[0].name = "orders";
  policy.queues[0].storage.compression = Compression::zstd;
  ASSERT_TRUE(agent.registry->apply(policy));
  const queue::Queue& orders = *agent.find("orders");
  EXPECT_TRUE(fold_for(orders, "lz4 zstd", 1'000));
  EXPECT_TRUE(fold_for(orders, "zstd", 1'000));
  EXPECT_TRUE(fold_for(orders, "later zstd", 1'000));
  for (const char* codecs : {"", "lz4", "zstd2", "lz4zstd", " "})
    EXPECT_FALSE(fold_for(orders, codecs, 1'000)) << codecs;
  EXPECT_FALSE(fold_for(orders, "lz4 zstd", 100)) << "not worth it";
}

std::string framed(int codec, std::uint32_t size, std::string_view bytes) {
  Bytes frame;
  ByteWriter out(frame);
  out.u8(static_cast<std::uint8_t>(codec));
  out.be(size);
  out.bytes(as_bytes(bytes));
  return std::string(as_text(frame));
}

class FoldedPuts : public PushTest {
 protected:
  // Of a body of five bytes.
  void puts(Script& link, std::uint16_t weight, const std::string& frame) {
    net::Output out;
    Bytes properties;
    ByteWriter writer(properties);
    queue::Properties().encode(writer);
    amqp::put_method(out, kPushChannel, PushWorld::put_of("orders", 1));
    amqp::put_content_header(out, kPushChannel, 5, properties, weight);
    amqp::put_body(out, kPushChannel, Slice::copy_of(frame), world.agent.context.limits.frame_max);
    link.feeds(out);
  }
};

TEST_F(FoldedPuts, AreTakenAsTheyWere) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  puts(link, amqp::kFoldedWeight, framed(0, 5, "hello"));
  world.agent.turn();
  PushWorld::expect_taken(link, "orders", {1});
  EXPECT_EQ(world.agent.get(*world.agent.find("orders"))->message->body.text(), "hello");
}

TEST_F(FoldedPuts, ThatCannotBeUnfoldedEndTheirConnection) {
  int pods = 0;
  const std::vector<std::pair<int, std::string>> bad{{1, "hello"},
                                                     {1, framed(0, 6, "longer")},
                                                     {1, framed(1, 5, "hello")},
                                                     {1, framed(9, 5, "hello")},
                                                     {2, framed(0, 5, "hello")}};
  for (const auto& [weight, frame] : bad) {
    Script link = world.open_link("pod-" + std::to_string(++pods));
    world.pushes(link, "orders");
    puts(link, static_cast<std::uint16_t>(weight), frame);
    EXPECT_NE(link.gets<amqp::ConnectionClose>(0).reply_code, 0) << frame;
    world.agent.turn();
  }
  EXPECT_EQ(world.ready("orders"), 0u);
}

class Unfolding : public testing::Test {
 protected:
  static void is_refused(const std::string& frame, std::size_t most = 10'000) {
    const auto piece = unfold(as_bytes(frame), most);
    ASSERT_FALSE(piece);
    EXPECT_EQ(piece.error().code, Errc::bad_frame);
  }
};

TEST_F(Unfolding, GivesBackWhatWasFolded) {
  const std::string text = text_of(5'000);
  spool::Compressor compressor;
  for (const spool::Codec codec : {spool::Codec::none, spool::Codec::lz4, spool::Codec::zstd}) {
    const auto stored = compressor.compress(codec, {}, Slice::copy_of(text));
    const auto piece =
        unfold(as_bytes(framed(static_cast<int>(codec), 5'000,
                               codec == spool::Codec::none ? text : stored.head.text())),
               5'000);
    ASSERT_TRUE(piece) << piece.error().detail;
    EXPECT_EQ(piece->text(), text);
  }
}

TEST_F(Unfolding, RefusesWhatAPeerCannotHaveFolded) {
  const std::string text = text_of(5'000);
  spool::Compressor compressor;
  const std::string folded(
      compressor.compress(spool::Codec::lz4, {}, Slice::copy_of(text)).head.text());
  is_refused("");
  is_refused(framed(1, 5'000, "").substr(0, 4));
  is_refused(framed(1, 5'000, ""));
  is_refused(framed(0, 5, "four"));
  is_refused(framed(3, 5'000, folded));
  is_refused(framed(2, 5'000, folded));
  is_refused(framed(1, 4'999, folded));
  is_refused(framed(1, 5'001, folded));
  is_refused(framed(1, 0, folded));
  is_refused(framed(1, 5'000, folded.substr(0, folded.size() / 2)));
  is_refused(framed(1, 5'000, folded), 4'999);
  is_refused(framed(1, 0xFFFFFFFF, folded), 1'000'000);
}

}  // namespace
}  // namespace pannier::forward
