#include "sidecar/queue/dead_letter.h"

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

const Table& first_death(const Table& headers) {
  return *headers.find("x-death")->as_array()->values.at(0).as_table();
}

Properties decoded(const Message& message) { return *Properties::decode(message.properties()); }

TEST(DeadLetter, SaysWhereAndWhyTheMessageDied) {
  Properties properties;
  properties.expiration = "100";
  properties.headers.emplace();
  properties.headers->set("mine", 1);
  const MessagePtr made = message("x", "events", "a.b", properties);
  const DeadLetter letter =
      dead_letter_of(*made, "orders", {"dlx", {}}, Death::expired, 1'700'000'000'123);
  EXPECT_EQ(letter.routing_keys, std::vector<std::string>{"a.b"});
  EXPECT_EQ(letter.message.exchange(), "dlx");
  EXPECT_EQ(letter.message.routing_key(), "a.b");
  const Properties now = decoded(letter.message);
  EXPECT_FALSE(now.expiration);
  EXPECT_EQ(*now.headers->find("mine"), Value(1));
  EXPECT_EQ(*now.headers->find("x-first-death-queue"), Value(std::string("orders")));
  EXPECT_EQ(*now.headers->find("x-first-death-reason"), Value(std::string("expired")));
  EXPECT_EQ(*now.headers->find("x-first-death-exchange"), Value(std::string("events")));
  const Table& death = first_death(*now.headers);
  EXPECT_EQ(*death.find("count"), Value(std::int64_t{1}));
  EXPECT_EQ(*death.find("reason"), Value(std::string("expired")));
  EXPECT_EQ(*death.find("queue"), Value(std::string("orders")));
  EXPECT_EQ(*death.find("exchange"), Value(std::string("events")));
  EXPECT_EQ(*death.find("time"), Value(Timestamp{1'700'000'000}));
  EXPECT_EQ(*death.find("original-expiration"), Value(std::string("100")));
  EXPECT_EQ(death.find("routing-keys")->as_array()->values.size(), 1u);
}

TEST(DeadLetter, CountsDeathsOfOneKindAndKeepsTheFirst) {
  MessagePtr made = message("x", "", "orders");
  for (const Death why : {Death::rejected, Death::expired, Death::rejected})
    made = std::make_shared<const Message>(
        dead_letter_of(*made, "orders", {"", "orders"}, why, 1).message);
  const Properties now = decoded(*made);
  const Array& deaths = *now.headers->find("x-death")->as_array();
  ASSERT_EQ(deaths.values.size(), 2u);
  EXPECT_EQ(*deaths.values[0].as_table()->find("count"), Value(std::int64_t{2}));
  EXPECT_EQ(*deaths.values[0].as_table()->find("reason"), Value(std::string("rejected")));
  EXPECT_EQ(*deaths.values[1].as_table()->find("count"), Value(std::int64_t{1}));
  EXPECT_EQ(*now.headers->find("x-first-death-reason"), Value(std::string("rejected")));
}

TEST(DeadLetter, KnowsACircleThatNobodyHasRejected) {
  MessagePtr made = message("x", "", "a");
  made = std::make_shared<const Message>(
      dead_letter_of(*made, "a", {"", "b"}, Death::expired, 1).message);
  EXPECT_TRUE(is_cycle(*decoded(*made).headers, "a"));
  EXPECT_FALSE(is_cycle(*decoded(*made).headers, "b"));
  made = std::make_shared<const Message>(
      dead_letter_of(*made, "b", {"", "a"}, Death::rejected, 1).message);
  EXPECT_FALSE(is_cycle(*decoded(*made).headers, "a"));
}

TEST(DeadLetter, IsRoutedByTheKeysOfCcUnlessItHasAKeyOfItsOwn) {
  Properties properties;
  properties.headers.emplace();
  properties.headers->set("CC", Array{{Value(std::string("copy"))}});
  const MessagePtr made = message("x", "", "orders", properties);
  EXPECT_EQ(dead_letter_of(*made, "q", {"dlx", {}}, Death::rejected, 1).routing_keys,
            (std::vector<std::string>{"orders", "copy"}));
  const DeadLetter keyed = dead_letter_of(*made, "q", {"dlx", "dead"}, Death::rejected, 1);
  EXPECT_EQ(keyed.routing_keys, std::vector<std::string>{"dead"});
  EXPECT_EQ(decoded(keyed.message).headers->find("CC"), nullptr);
}

}  // namespace
}  // namespace pannier::queue
