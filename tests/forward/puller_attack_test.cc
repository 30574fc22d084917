#include <gtest/gtest.h>

#include "tests/forward/pull_harness.h"

namespace pannier::forward {
namespace {

// A deliver with nothing but its first field.
struct Short {
  static constexpr amqp::MethodId kId = LinkDeliver::kId;
  static void fields(const Short&, auto&& visit) { visit(std::string_view("orders")); }
};

// Origins that do not keep to the contract: the link ends, and nothing else does.
class PullerAttack : public testing::Test {
 protected:
  void SetUp() override {
    agent.orders->add_consumer(taker);
    agent.go();
    ASSERT_TRUE(origin.is_pulled);
  }
  void TearDown() override { agent.orders->remove_consumer(taker); }
  void expect_cut() {
    agent.go();
    EXPECT_EQ(origin.dials, 1);
    EXPECT_FALSE(origin.is_pulled);
    agent.pass(std::chrono::seconds(1));
    EXPECT_EQ(origin.dials, 2) << "it is tried again";
  }

  MemoryDisk disk;
  PullHarness agent{disk};
  FakeOrigin& origin = agent.add_origin("a");
  Taker taker{4};
};

TEST_F(PullerAttack, AMessageBeyondAllCreditEndsTheLink) {
  const std::uint64_t most = origin.limit;
  for (std::uint64_t i = 1; i <= most + 1; ++i) origin.says_deliver(i, i, "x");
  expect_cut();
  EXPECT_LE(taker.taken, most);
}

TEST_F(PullerAttack, ADeliveryThatComesTwiceEndsTheLink) {
  ASSERT_GE(origin.limit, 2u);
  origin.says_deliver(1, 1, "x");
  origin.says_deliver(1, 1, "x");
  expect_cut();
  EXPECT_EQ(taker.taken, 1u);
}

TEST_F(PullerAttack, QueuesThatNobodyAskedForEndTheLink) {
  origin.says_deliver(1, 1, "x", "other");
  expect_cut();
  origin.says(LinkReady{"other", 1, 1, 1});
  agent.go();
  EXPECT_FALSE(origin.is_pulled);
}

TEST_F(PullerAttack, AnswersThatNobodyAskedForEndTheLink) {
  origin.says(LinkPullOk{"orders", {}, 3});
  expect_cut();
  origin.says(LinkSettled{1});
  agent.go();
  EXPECT_FALSE(origin.is_pulled);
}

TEST_F(PullerAttack, WhatOnlyAPullerSaysEndsTheLink) {
  origin.says(LinkCredit{"orders", 5, true});
  expect_cut();
}

TEST_F(PullerAttack, ADeliverThatIsCutShortEndsTheLink) {
  origin.says(Short{});
  Bytes properties(2);
  amqp::put_content_header(origin.out, kPullChannel, 0, properties);
  expect_cut();
}

TEST_F(PullerAttack, SomebodyWhoKnowsNothingOfLinksIsLeftAlone) {
  origin.knows_links = false;
  agent.dialer.cut(origin);
  agent.pass(std::chrono::seconds(2));
  EXPECT_FALSE(origin.is_pulled);
  EXPECT_LE(origin.dials, 8);
}

TEST_F(PullerAttack, AbsurdNumbersChangeNothing) {
  origin.says(LinkReady{"orders", ~0ull, ~0ull, ~0ull});
  agent.go();
  EXPECT_LE(origin.limit, 4u);
  origin.put_some(3);
  agent.go();
  EXPECT_EQ(taker.taken, 3u);
}

TEST_F(PullerAttack, RandomBytesNeitherCrashNorLeak) {
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    Bytes bytes(1 + random.below(60));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
    const bool is_framed = random.below(3) > 0;
    if (is_framed)
      amqp::put_frame(origin.out.owned(), amqp::FrameType::method, kPullChannel, [&] {
        ByteWriter out(origin.out.owned());
        out.be(kLinkClass);
        out.be(static_cast<std::uint16_t>(10 * random.below(7) + random.below(2)));
        out.bytes(bytes);
      });
    else
      origin.out.put(ByteView(bytes));
    agent.go();
    agent.pass(std::chrono::milliseconds(200));
  }
  EXPECT_LE(taker.taken, 4u);
}

}  // namespace
}  // namespace pannier::forward
