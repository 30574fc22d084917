#include "cli/message_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pannier::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const Timestamp kNow = *parse_timestamp("2026-11-22T10:01:00Z");

ShownMessage shown(const std::string& members) {
  const auto messages = parse_messages("{\"messages\": [{" + members + "}]}", "shop-0");
  EXPECT_TRUE(messages);
  return messages->at(0);
}

TEST(MessageText, ABodyIsShownAsTheTextThatItIs) {
  EXPECT_EQ(shown(R"("bodyText": "hello")").body, "hello");
  EXPECT_EQ(shown(R"("bodyText": "")").body, "(empty)");
  EXPECT_EQ(shown(R"("body": {"a": [1, "x"]})").body, R"({"a":[1,"x"]})");
  EXPECT_EQ(shown(R"("bodyBase64": "aGVsbG8=")").body, "hello");
  EXPECT_EQ(shown(R"("bodyBase64": "//4=")").body, "(base64) //4=");
  EXPECT_EQ(shown(R"("bodyBase64": "AAA=")").body, "(base64) AAA=");
  EXPECT_EQ(shown(R"("bodySize": 300000)").body, "(293Ki bytes, too large to be shown)");
}

TEST(MessageText, AHostileBodyDrivesNoTerminal) {
  EXPECT_EQ(shown(R"("bodyText": "\u001b[2J\u009b\u202e")").body, "\\x1b[2J\\u{9b}\\u{202e}");
  EXPECT_EQ(shown(R"("body": "\u009b")").body, "\"\\u{9b}\"");
  const ShownMessage message = shown(R"("id": "\u001b]0;x", "body": "\u009b\u202e")");
  EXPECT_THAT(message.line, HasSubstr(R"(\u009b\u202e)"));
  EXPECT_THAT(messages_table({message}, true, 0, kNow), Not(HasSubstr("\x1b")));
}

TEST(MessageText, ATableHasOneLineAMessage) {
  const std::vector<ShownMessage> messages{
      shown(R"("id": "m-1", "deliveryCount": 2, "contentType": "text/plain",
               "enqueuedAt": "2026-11-22T10:00:00.500Z", "bodyText": "one\ntwo")"),
      shown(R"("bodyText": "a long body")")};
  EXPECT_EQ(messages_table(messages, false, 9, kNow),
            "ID    AGE   DELIVERIES   TYPE         BODY\n"
            "m-1   60s            2   text/plain   one\\ntwo\n"
            "-       -            0   -            a long...\n");
}

TEST(MessageText, AReceiptIsNotShown) {
  const ShownMessage message = shown(R"("receipt": "r", "id": "x", "bodyText": "b")");
  EXPECT_EQ(message.receipt, "r");
  EXPECT_EQ(message.line, "{\"agent\":\"shop-0\",\"id\":\"x\",\"bodyText\":\"b\"}\n");
}

TEST(MessageText, WhatIsNoListOfMessagesIsAnError) {
  for (const char* text : {"", "{}", "[]", "{\"messages\": 3}", "{\"messages\": [3, null]}"})
    EXPECT_FALSE(parse_messages(text, "a")) << text;
}

}  // namespace
}  // namespace pannier::cli
