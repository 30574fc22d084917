#include "sidecar/forward/reply_names.h"

#include <gtest/gtest.h>

#include "sidecar/queue/properties.h"

namespace pannier::forward {
namespace {

std::string name_of(std::size_t number) { return "reply-" + std::to_string(number); }

TEST(ReplyNames, KnowsWhoAskedLastAndWhoWasAsked) {
  ReplyNames names;
  names.note("a", "r");
  names.note("b", "r");
  names.note("b", "s");
  EXPECT_EQ(*names.find("r"), "b");
  EXPECT_TRUE(names.knows("a", "r"));
  EXPECT_FALSE(names.knows("a", "s"));
  EXPECT_EQ(names.find("t"), nullptr);
  names.note("a", "r");
  EXPECT_EQ(*names.find("r"), "a");
  EXPECT_EQ(names.size(), 3u);
}

TEST(ReplyNames, ForgetsOfEachAgentWhatWasSeenLongestAgo) {
  ReplyNames names;
  for (std::size_t i = 0; i < kReplyNamesPerLink; ++i) names.note("a", name_of(i));
  names.note("b", "other");
  names.note("a", name_of(0));  // used again
  names.note("a", "new");
  EXPECT_EQ(names.size(), kReplyNamesPerLink + 1);
  EXPECT_TRUE(names.knows("a", name_of(0)));
  EXPECT_FALSE(names.knows("a", name_of(1)));
  EXPECT_EQ(names.find(name_of(1)), nullptr);
  EXPECT_TRUE(names.knows("b", "other"));
}

TEST(ReplyNames, TakesFromWhoHasMostWhenThereAreTooManyInAll) {
  ReplyNames names;
  const std::size_t pods = kReplyNamesMax / kReplyNamesPerLink;
  for (std::size_t pod = 0; pod < pods; ++pod)
    for (std::size_t i = 0; i < kReplyNamesPerLink; ++i)
      names.note("pod-" + std::to_string(pod), name_of(i));
  EXPECT_EQ(names.size(), kReplyNamesMax);
  names.note("late", "r");
  EXPECT_EQ(names.size(), kReplyNamesMax);
  EXPECT_TRUE(names.knows("late", "r"));
}

TEST(ReplyNames, FindsTheReplyToBehindAnyOtherProperties) {
  queue::Properties properties;
  const auto found = [&properties] {
    Bytes bytes;
    ByteWriter writer(bytes);
    properties.encode(writer);
    return std::string(reply_to_in(bytes));
  };
  EXPECT_EQ(found(), "");
  properties.reply_to = "r";
  properties.message_id = "m";
  EXPECT_EQ(found(), "r");
  properties.content_type = "text/plain";
  properties.content_encoding = "utf-8";
  properties.headers.emplace();
  properties.headers->set("key", std::string("value"));
  properties.delivery_mode = 2;
  properties.priority = 3;
  properties.correlation_id = "c";
  EXPECT_EQ(found(), "r");
  EXPECT_EQ(reply_to_in({}), "");
  const std::array<std::byte, 4> cut{std::byte{2}, std::byte{0}, std::byte{9}, std::byte{'r'}};
  EXPECT_EQ(reply_to_in(cut), "");
}

}  // namespace
}  // namespace pannier::forward
