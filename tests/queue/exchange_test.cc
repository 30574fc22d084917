#include "sidecar/queue/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pannier::queue {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Exchange exchange(ExchangeType type) {
  ExchangeSettings settings;
  settings.name = "x";
  settings.type = type;
  return Exchange(settings);
}

Binding to(std::string queue, std::string key, Table arguments = {}) {
  return {
      {Destination::Kind::queue, std::move(queue)}, std::move(key), std::move(arguments), false};
}

std::set<std::string> matches(const Exchange& from, std::string_view key,
                              const Table* headers = nullptr) {
  std::set<std::string> names;
  from.match(
      key, [headers] { return headers; },
      [&](const Destination& destination) { names.insert(destination.name); });
  return names;
}

TEST(Exchange, DirectMatchesTheKeyItself) {
  Exchange direct = exchange(ExchangeType::direct);
  direct.bind(to("q1", "red"));
  direct.bind(to("q2", "red"));
  direct.bind(to("q3", "blue"));
  EXPECT_THAT(matches(direct, "red"), ElementsAre("q1", "q2"));
  EXPECT_THAT(matches(direct, "green"), IsEmpty());
}

TEST(Exchange, FanoutMatchesEverything) {
  Exchange fanout = exchange(ExchangeType::fanout);
  fanout.bind(to("q1", "red"));
  fanout.bind(to("q2", ""));
  EXPECT_THAT(matches(fanout, "whatever"), ElementsAre("q1", "q2"));
}

TEST(Exchange, BindsOnceHoweverOftenItIsAsked) {
  Exchange direct = exchange(ExchangeType::direct);
  EXPECT_TRUE(direct.bind(to("q1", "red")));
  EXPECT_FALSE(direct.bind(to("q1", "red")));
  EXPECT_TRUE(direct.unbind(to("q1", "red")));
  EXPECT_FALSE(direct.unbind(to("q1", "red")));
  EXPECT_THAT(matches(direct, "red"), IsEmpty());
}

struct TopicCase {
  const char* pattern;
  const char* key;
  bool matches;
  friend void PrintTo(const TopicCase& of, std::ostream* to) {
    *to << of.pattern << ", " << of.key;
  }
};

class Topic : public testing::TestWithParam<TopicCase> {};

TEST_P(Topic, MatchesWordsAsItsPatternSays) {
  Exchange topic = exchange(ExchangeType::topic);
  topic.bind(to("q", GetParam().pattern));
  EXPECT_EQ(!matches(topic, GetParam().key).empty(), GetParam().matches)
      << GetParam().pattern << " on " << GetParam().key;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, Topic,
    testing::Values(
        TopicCase{"order.*", "order.created", true}, TopicCase{"order.*", "order", false},
        TopicCase{"order.*", "order.created.eu", false}, TopicCase{"order.#", "order", true},
        TopicCase{"order.#", "order.created.eu", true}, TopicCase{"#", "", true},
        TopicCase{"#", "a.b.c", true}, TopicCase{"*", "", false}, TopicCase{"*", "a.b", false},
        TopicCase{"#.b.#", "a.b.c", true}, TopicCase{"#.b.#", "b", true},
        TopicCase{"#.b.#", "a.c", false}, TopicCase{"a.#.z", "a.z", true},
        TopicCase{"a.#.z", "a.b.c.z", true}, TopicCase{"a.#.z", "a.b.c", false},
        TopicCase{"*.*.#", "a", false}, TopicCase{"*.*.#", "a.b", true}, TopicCase{"#.#", "", true},
        TopicCase{"a..b", "a..b", true}, TopicCase{"a.*.b", "a..b", true},
        TopicCase{"a", "A", false}));

TEST(Exchange, TopicMatchingStaysCheapForHostilePatterns) {
  std::string pattern = "#";
  std::string key = "a";
  for (int i = 0; i < 60; ++i) {
    pattern += ".a.#";
    key += ".a";
  }
  pattern += ".b";
  Exchange topic = exchange(ExchangeType::topic);
  topic.bind(to("q", pattern));
  EXPECT_THAT(matches(topic, key), IsEmpty());  // ends at all: no exponential search
}

TEST(Exchange, HeadersMatchAllOrAnyOfTheArguments) {
  Exchange headers = exchange(ExchangeType::headers);
  Table all;
  all.set("x-match", std::string("all"));
  all.set("colour", std::string("red"));
  all.set("size", std::int32_t{5});
  headers.bind(to("all", "", all));
  Table any = all;
  any.set("x-match", std::string("any"));
  headers.bind(to("any", "", any));
  Table message;
  message.set("colour", std::string("red"));
  EXPECT_THAT(matches(headers, "", &message), ElementsAre("any"));
  message.set("size", std::int64_t{5});
  EXPECT_THAT(matches(headers, "", &message), ElementsAre("all", "any"));
  EXPECT_THAT(matches(headers, "", nullptr), IsEmpty());
}

TEST(Exchange, HeadersMatchByWhatTheyAreWorth) {
  const auto match = [](Value header, Value argument) {
    Table headers;
    Table arguments;
    headers.set("h", std::move(header));
    arguments.set("h", std::move(argument));
    return headers_match(arguments, &headers);
  };
  const ByteArray five{{std::byte{'5'}}};
  EXPECT_TRUE(match(std::int32_t{5}, 5.0));
  EXPECT_TRUE(match(5.0F, Timestamp{5}));
  EXPECT_TRUE(match(std::string("5"), five));
  EXPECT_FALSE(match(std::int32_t{5}, std::string("5")));
  EXPECT_FALSE(match(std::int32_t{1}, true));
  EXPECT_FALSE(match(std::int64_t{-1}, Timestamp{~0ULL}));
}

TEST(Exchange, HeadersLeaveOutArgumentsInXUnlessAskedForThem) {
  Table arguments;
  arguments.set("x-match", std::string("all"));
  arguments.set("x-colour", std::string("red"));
  Table message;
  EXPECT_TRUE(headers_match(arguments, &message));
  arguments.set("x-match", std::string("all-with-x"));
  EXPECT_FALSE(headers_match(arguments, &message));
  message.set("x-colour", std::string("red"));
  EXPECT_TRUE(headers_match(arguments, &message));
}

}  // namespace
}  // namespace pannier::queue
