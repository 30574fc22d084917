#include "cli/publish_batch.h"

#include <gtest/gtest.h>

namespace pannier::cli {
namespace {

TEST(PublishBatch, KeepsBodiesByteForByte) {
  PublishBatch batch;
  EXPECT_TRUE(batch.add("{\"a\": 1}", {"id-1", "", {{"k", "v\""}}}));
  EXPECT_TRUE(batch.add("\xff", {"", "", {}}));
  EXPECT_TRUE(batch.add("x", {"", "text/html", {}}));
  EXPECT_EQ(batch.text(),
            R"({"bodyText":"{\"a\": 1}","contentType":"application/json","id":"id-1",)"
            R"("headers":{"k":"v\""}})"
            "\n"
            R"({"bodyBase64":"/w==","contentType":"application/octet-stream"})"
            "\n"
            R"({"bodyText":"x","contentType":"text/html"})"
            "\n");
}

TEST(PublishBatch, HoldsNoMoreThanAnAgentTakes) {
  PublishBatch batch;
  std::size_t count = 0;
  while (batch.add("x", {})) ++count;
  EXPECT_EQ(count, PublishBatch::kMessagesMax);
  batch.clear();
  EXPECT_TRUE(batch.add(std::string(3u << 20, 'x'), {}));
  EXPECT_FALSE(batch.add(std::string(1u << 20, 'x'), {}));
  EXPECT_TRUE(batch.add("small", {}));
  batch.clear();
  EXPECT_TRUE(batch.add(std::string(5u << 20, 'x'), {})) << "the agent says no to it";
}

}  // namespace
}  // namespace pannier::cli
