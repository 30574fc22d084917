#include "sidecar/queue/consumer_list.h"

#include <gtest/gtest.h>

#include "tests/queue/queue_harness.h"

namespace pannier::queue {
namespace {

bool anybody(const Consumer& consumer) { return consumer.has_credit(); }

TEST(ConsumerList, TakesTurnsAmongEquals) {
  TestConsumer a(9), b(9), c(9);
  ConsumerList list;
  for (TestConsumer* each : {&a, &b, &c}) list.add(*each);
  EXPECT_EQ(list.next(anybody, false), &a);
  EXPECT_EQ(list.next(anybody, false), &b);
  EXPECT_TRUE(list.remove(a));
  EXPECT_EQ(list.next(anybody, false), &c);
  EXPECT_EQ(list.next(anybody, false), &b);
  EXPECT_FALSE(list.remove(a));
}

TEST(ConsumerList, AsksAHigherPriorityFirstAndLinksLast) {
  TestConsumer low(9), high(9), link(9);
  high.priority = 10;
  link.priority = 100;
  link.is_link = true;
  ConsumerList list;
  for (TestConsumer* each : {&link, &low, &high}) list.add(*each);
  EXPECT_EQ(list.next(anybody, false), &high);
  EXPECT_EQ(list.next(anybody, false), &high);
  high.credit = 0;
  EXPECT_EQ(list.next(anybody, false), &low);
  low.credit = 0;
  EXPECT_EQ(list.next(anybody, false), &link);
  link.credit = 0;
  EXPECT_EQ(list.next(anybody, false), nullptr);
}

TEST(ConsumerList, GivesASingleActiveConsumerEverythingUntilItGoes) {
  TestConsumer first(1), second(9);
  ConsumerList list;
  list.add(first);
  EXPECT_EQ(list.next(anybody, true), &first);
  second.priority = 10;
  list.add(second);
  EXPECT_EQ(list.next(anybody, true), &first);
  first.credit = 0;
  EXPECT_EQ(list.next(anybody, true), nullptr);
  list.remove(first);
  EXPECT_EQ(list.next(anybody, true), &second);
  EXPECT_EQ(list.active(), &second);
}

TEST(ConsumerList, GivesAwayAllOfThem) {
  TestConsumer a(1), b(1);
  b.is_link = true;
  ConsumerList list;
  list.add(a);
  list.add(b);
  EXPECT_EQ(list.size(), 2u);
  EXPECT_NE(list.pop(), nullptr);
  EXPECT_NE(list.pop(), nullptr);
  EXPECT_EQ(list.pop(), nullptr);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace pannier::queue
