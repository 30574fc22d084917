#include "cli/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/view_fixture.h"

namespace pannier::cli {
namespace {

using testing::HasSubstr;

TEST(View, AMessageQueueIsFoundByEitherName) {
  QueueObject object = object_of("orders-v2");
  object.queue_name = "shop/orders";
  const View view = view_of({}, {object});
  EXPECT_EQ(find_queue(view, "shop/orders")->object->name, "orders-v2");
  EXPECT_EQ(find_queue(view, "orders-v2")->name, "shop/orders");
  const auto missing = find_queue(view, "order");
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().detail, HasSubstr("there are shop/orders"));
}

TEST(View, OneNameOfTwoUidsIsTwoQueues) {
  const View view = view_of({agent_of("a", kSevenOrders),
                             agent_of("b", R"({"name": "orders", "uid": "old", "ready": 1})")},
                            {object_of("orders")});
  ASSERT_EQ(queues_of(view).size(), 2u);
  EXPECT_EQ(queues_of(view)[0].uid, "old");
  EXPECT_EQ(*queues_of(view)[1].sum(&QueueStatus::ready), 7u);
}

TEST(View, ASilentAgentThatTheSelectorLeavesOutHoldsNothing) {
  QueueObject object = object_of("orders");
  object.selector = {{"app", "a"}};
  const View view = view_of({silent_agent("a"), silent_agent("b")}, {object});
  ASSERT_EQ(queues_of(view)[0].silent.size(), 1u);
  EXPECT_EQ(queues_of(view)[0].silent[0]->pod, "a");
}

TEST(View, PublishersGetTheFirstThatServesAndReceiversTheFullest) {
  View view =
      view_of({silent_agent("s"), agent_of("a", kSevenOrders), agent_of("b", kThirtyOrders)},
              {object_of("orders")});
  EXPECT_EQ((*choose_agent(view, {}, "orders", false))->pod, "a");
  EXPECT_EQ((*choose_agent(view, {}, "orders", true))->pod, "b");
  view.agents[1].status->phase = "draining";
  EXPECT_EQ((*choose_agent(view, {}, "orders", false))->pod, "b");
  EXPECT_EQ(choose_agent(view, {}, "nope", false).error().code, Errc::not_found);
}

TEST(View, NobodyWhoCouldAnswerIsAnErrorThatNamesThem) {
  const View view = view_of({silent_agent("s")}, {object_of("orders")});
  const auto chosen = choose_agent(view, {}, "orders", false);
  EXPECT_EQ(chosen.error().code, Errc::closed);
  EXPECT_THAT(chosen.error().detail, HasSubstr("there are s"));
}

}  // namespace
}  // namespace pannier::cli
