// What queues ask of compression, and what lies in the spool then.
#include "sidecar/queue/codec.h"

#include <gmock/gmock.h>

#include "common/random.h"
#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

using testing::ElementsAre;

const std::string kText = [] {
  std::string text;
  while (text.size() < 16'000) text += "{\"order\":" + std::to_string(text.size()) + "},";
  return text;
}();

class CodecTest : public testing::Test {
 protected:
  void apply(Compression plain, Compression lz4, Compression zstd) {
    Policy policy;
    for (const auto& [name, compression] :
         {std::pair{"plain", plain}, {"fast", lz4}, {"small", zstd}}) {
      PolicyQueue queue;
      queue.name = name;
      queue.uid = std::string("uid-") + name;
      queue.generation = ++generation_;
      queue.storage.compression = compression;
      queue.delivery.dead_letter.emplace().queue = "plain";
      policy.queues.push_back(queue);
    }
    ASSERT_TRUE(agent_.registry->apply(policy));
  }
  void apply() { apply(Compression::none, Compression::lz4, Compression::zstd); }
  // How much more of the spool is alive.
  template <typename Do>
  std::uint64_t grows_by(Do&& act) {
    agent_.settle_down();
    const std::uint64_t before = agent_.spool->status().live_bytes;
    act();
    agent_.settle_down();
    return agent_.spool->status().live_bytes - before;
  }
  MemoryDisk disk_;
  QueueHarness agent_{disk_};
  std::uint64_t generation_ = 0;
};

TEST_F(CodecTest, WhatIsPublishedLiesThereAsItsQueueAsks) {
  apply();
  const auto plain = grows_by([&] { agent_.publish("plain", kText); });
  const auto fast = grows_by([&] { agent_.publish("fast", kText); });
  const auto small = grows_by([&] { agent_.publish("small", kText); });
  EXPECT_GT(plain, kText.size());
  EXPECT_LT(fast, kText.size() / 2);
  EXPECT_LT(small, fast);
  for (const char* name : {"plain", "fast", "small"})
    EXPECT_EQ(agent_.get(*agent_.find(name))->message->body.text(), kText);
}

TEST_F(CodecTest, AMessageForSeveralQueuesIsCompressedIfAnyAsksAndAsSmallAsAnyAsks) {
  apply();
  std::vector<QueuePtr> queues{agent_.find("plain"), agent_.find("fast")};
  EXPECT_EQ(codec_for(queues), spool::Codec::lz4);
  EXPECT_LT(grows_by([&] { EXPECT_TRUE(agent_.registry->publish_to(queues, message(kText))); }),
            kText.size() / 2);
  queues.push_back(agent_.find("small"));
  EXPECT_EQ(codec_for(queues), spool::Codec::zstd);
  EXPECT_EQ(codec_for(std::vector{agent_.find("plain")}), spool::Codec::none);
}

TEST_F(CodecTest, BatchesAndTransactionsAreCompressedToo) {
  apply();
  const QueuePtr fast = agent_.find("fast");
  const std::vector<MessagePtr> batch{message(kText), message(kText)};
  EXPECT_LT(grows_by([&] { EXPECT_TRUE(agent_.registry->publish_batch(fast, batch)); }),
            kText.size());
  Transaction transaction;
  transaction.publishes.push_back({{fast}, message(kText)});
  transaction.publishes.push_back({{agent_.find("plain")}, message(kText)});
  const auto both = grows_by([&] { EXPECT_TRUE(agent_.registry->commit(transaction)); });
  EXPECT_GT(both, kText.size());
  EXPECT_LT(both, 2 * kText.size()) << "each message as its own queue asks";
}

TEST_F(CodecTest, ADeadLetterStaysCompressedInAQueueThatDoesNotAskForIt) {
  apply();
  agent_.publish("fast", kText);
  const auto got = agent_.get(*agent_.find("fast"));
  ASSERT_TRUE(got);
  const auto grown = grows_by([&] {
    EXPECT_TRUE(agent_.find("fast")->discard(got->receipt));
    agent_.turn();
  });
  EXPECT_LT(static_cast<std::int64_t>(grown), static_cast<std::int64_t>(kText.size() / 2));
  EXPECT_EQ(agent_.get(*agent_.find("plain"))->message->body.text(), kText);
}

TEST_F(CodecTest, ASettingChangesWithMessagesInTheQueue) {
  apply();
  agent_.publish("fast", kText);
  apply(Compression::none, Compression::none, Compression::none);
  EXPECT_GT(grows_by([&] { agent_.publish("fast", kText); }), kText.size());
  apply(Compression::none, Compression::zstd, Compression::none);
  EXPECT_LT(grows_by([&] { agent_.publish("fast", kText); }), kText.size() / 2);
  const QueuePtr fast = agent_.find("fast");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(agent_.get(*fast, true)->message->body.text(), kText);
}

TEST_F(CodecTest, WhatDoesNotGetSmallerLiesThereAsItIs) {
  apply();
  Bytes noise(4'000);
  fill_random(noise);
  const std::string body(as_text(noise));
  EXPECT_GT(grows_by([&] { agent_.publish("small", body); }), body.size());
  EXPECT_EQ(agent_.get(*agent_.find("small"))->message->body.text(), body);
}

}  // namespace
}  // namespace pannier::queue
