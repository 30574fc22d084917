#include "cli/agent_status.h"

#include <gtest/gtest.h>

namespace pannier::cli {
namespace {

TEST(AgentStatus, ReadsWhatAnAgentSays) {
  const auto status = parse_agent_status(R"({"phase": "serving", "confirmed": 5,
    "pod": {"name": "shop-0", "uid": "u"}, "namespace": "shop", "new": [1],
    "queues": [{"name": "orders", "uid": "q", "generation": 3, "ready": 7, "unacked": 1,
                "oldestMessageTime": "2026-11-22T10:00:00.123Z"}, {"name": "b", "delayed": 2}],
    "spool": {"bytes": 10, "max": 20, "full": true},
    "certificates": [{"expiresAt": "2026-11-24T10:00:00.000Z"},
                     {"expiresAt": "2026-11-23T10:00:00Z"}]})");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->pod, "shop-0");
  EXPECT_EQ(status->messages(), 10u);
  ASSERT_NE(status->find("orders"), nullptr);
  EXPECT_EQ(timestamp_text(*status->find("orders")->oldest), "2026-11-22T10:00:00Z");
  EXPECT_EQ(timestamp_text(*status->certificate_expires), "2026-11-23T10:00:00Z");
  EXPECT_TRUE(status->is_spool_full);
  EXPECT_EQ(status->find("orderS"), nullptr);
}

TEST(AgentStatus, TakesNothingForGranted) {
  for (const char* text : {"", "null", "[]", "{}", "{\"queues\": 3}", "{\"queues\": {}}", "{"})
    EXPECT_FALSE(parse_agent_status(text)) << text;
  const auto status = parse_agent_status(
      R"({"queues": [null, 3, {"name": 4, "ready": -1, "unacked": "x", "oldestMessageTime": "Z"}],
          "spool": [], "pod": "x", "certificates": {"a": 1}})");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->queues.size(), 3u);
  EXPECT_EQ(status->messages(), 0u);
  std::string deep = "{\"queues\": ";
  deep += std::string(100'000, '[');
  EXPECT_FALSE(parse_agent_status(deep));
}

}  // namespace
}  // namespace pannier::cli
