// Policy and members documents, and who gets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/content_hash.h"
#include "common/password_hash.h"
#include "common/random.h"
#include "tests/operator/world.h"

namespace pannier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Texts = std::vector<std::string>;

kube::Json only_app(const std::string& app) {
  return {{"agents", {{"selector", {{"matchLabels", {{"app", app}}}}}}}};
}
kube::Json access(const std::string& account, const std::string& verb) {
  return {{{"subjects", {{{"kind", "ServiceAccount"}, {"name", account}}}}, {"verbs", {verb}}}};
}

struct DocumentsTest : testing::Test {
  World world;

  std::string uid_of(const std::string& pod) { return world.agents.at(pod).pod_uid; }
  const MemberQueue* queue_in(const Members& members, const std::string& queue) {
    for (const MemberQueue& each : members.queues)
      if (each.uid == world.uid(queue)) return &each;
    return nullptr;
  }
  Texts agents_in(const Members& members) {
    Texts uids;
    for (const MemberAgent& each : members.agents) uids.push_back(each.pod_uid);
    return uids;
  }
};

TEST_F(DocumentsTest, APolicyIsWhatTheObjectsSayOfThatPod) {
  world.add_pod("a");
  world.add_pod("b", "default", "bank");
  world.add_queue(
      "orders",
      {{"agents", {{"selector", {{"matchLabels", {{"app", "shop"}}}}}}},
       {"queueName", "shop.orders"},
       {"durability", "Memory"},
       {"storage", {{"maxBytes", "1Mi"}, {"overflow", "DropHead"}, {"compression", "LZ4"}}},
       {"delivery",
        {{"ackTimeout", "90s"},
         {"priorities", 3},
         {"messageTTL", "24h"},
         {"maxDeliveries", 7},
         {"backoff", {{"initial", "2s"}, {"max", "1m"}}},
         {"deadLetter", {{"queue", "dead"}}},
         {"singleActiveConsumer", true},
         {"groupBy", "Header"},
         {"dedup", {{"by", "ProducerSequence"}, {"maxIds", 9}}},
         {"expires", "2h"}}},
       {"bindings", {{{"exchange", "events"}, {"routingKey", "k"}}}},
       {"forward", {{"mode", "Local"}}},
       {"access", access("billing", "Consume")},
       {"deletionPolicy", "Delete"}});
  world.add_queue("paused");
  world.annotate("paused", "pannier.dev/paused", "true");
  world.settle();

  const Policy policy = world.policy("a");
  Policy expected;
  expected.namespace_name = kShop;
  expected.trust_bundle = "PEM";
  PolicyQueue orders;
  orders.uid = world.uid("orders");
  orders.name = "shop.orders";
  orders.durability = Durability::memory;
  orders.storage.bytes_max = 1u << 20;
  orders.storage.overflow = Overflow::drop_head;
  orders.storage.compression = Compression::lz4;
  orders.delivery = {std::chrono::seconds{90},
                     3,
                     std::chrono::hours{24},
                     7,
                     {std::chrono::seconds{2}, std::chrono::seconds{60}},
                     DeadLetter{"dead", "", ""},
                     true,
                     GroupBy::header,
                     Dedup{DedupBy::producer_sequence, std::chrono::minutes{5}, 9},
                     std::chrono::hours{2}};
  orders.bindings = {{"events", ExchangeType::direct, "k", HeaderMatch::all, {}}};
  orders.forward_mode = ForwardMode::local;
  orders.access = {{{{SubjectKind::service_account, "billing"}}, {Verb::consume}}};
  orders.deletion_policy = DeletionPolicy::delete_at_once;
  PolicyQueue paused;
  paused.uid = world.uid("paused");
  paused.name = "paused";
  paused.paused = true;
  expected.queues = {orders, paused};
  sort(expected);
  EXPECT_EQ(to_yaml(policy), to_yaml(expected));
  EXPECT_EQ(policy, expected);

  EXPECT_THAT(world.policy("b").other_queues, ElementsAre("shop.orders"));
  ASSERT_EQ(world.policy("b").queues.size(), 1u);
  EXPECT_TRUE(world.policy("b").queues[0].paused);
}

TEST_F(DocumentsTest, GenerationsAreThoseOfTheObjects) {
  world.add_pod("a");
  world.add_queue("orders");
  world.settle();
  world.add_queue("orders", {{"paused", true}});
  world.settle();
  EXPECT_EQ(world.policy("a").queues.at(0).generation, 2u);
  world.agents["a"].queues.begin()->second.ready = 1;
  world.look("a");
  world.begin_delete("orders");
  world.settle();
  EXPECT_EQ(world.policy("a").queues.at(0).generation, 3u);
  EXPECT_TRUE(world.policy("a").queues.at(0).ending);
}

TEST_F(DocumentsTest, AgentsThatAreDrainingOrSilentGetTheirDocuments) {
  world.add_pod("a");
  world.add_pod("b");
  world.settle();
  world.agents["b"].phase = "draining";
  world.look("b");
  world.clock.advance(std::chrono::minutes{5});
  world.add_queue("orders");
  world.settle({"a"});
  EXPECT_EQ(world.policy("a").queues.size(), 1u);
  EXPECT_EQ(world.policy("b").queues.size(), 1u);
}

TEST_F(DocumentsTest, DocumentsAreForgottenWithTheirPodAndToldOnlyWhenTheyChange) {
  Texts told;
  world.board.listen([&](const std::string& uid, const AgentDocuments& documents) {
    EXPECT_EQ(world.board.find(uid), documents);  // no lock is held
    EXPECT_EQ(documents.policy_version, content_hash(documents.policy));
    told.push_back(uid);
  });
  world.add_pod("a");
  world.add_pod("b");
  world.render();
  world.render();
  EXPECT_THAT(told, UnorderedElementsAre(uid_of("a"), uid_of("b")));
  const std::string gone = uid_of("b");
  world.remove_pod("b");
  world.render();
  EXPECT_FALSE(world.board.find(gone));
  EXPECT_TRUE(world.board.find(uid_of("a")));

  world.api.change(World::pod_key("a"), [](kube::Json& pod) { pod["spec"]["containers"] = 7; });
  world.render();
  EXPECT_TRUE(world.board.find(uid_of("a"))) << "its pod cannot be read, but is there";
}

TEST_F(DocumentsTest, MembersAreThoseWithAQueueInCommon) {
  world.add_pod("a", "checkout");
  world.add_pod("b", "billing");
  world.add_pod("c", "other", "bank");
  world.add_queue("orders", only_app("shop"));
  world.add_queue("audit", only_app("bank"));
  world.settle();
  world.settle();
  const Members members = world.members("a");
  EXPECT_THAT(agents_in(members), UnorderedElementsAre(uid_of("a"), uid_of("b")));
  EXPECT_EQ(members.namespace_name, kShop);
  const auto b = std::ranges::find(members.agents, uid_of("b"), &MemberAgent::pod_uid);
  EXPECT_EQ(b->pod_name, "b");
  EXPECT_EQ(b->address, "10.0.0.2");
  EXPECT_EQ(b->port, 7671);
  EXPECT_EQ(b->service_account, "billing");
  EXPECT_EQ(b->spool_id, "3f2b8c1e-0000-4000-8000-000000000001");
  EXPECT_FALSE(b->draining);
  ASSERT_EQ(members.queues.size(), 1u);
  const MemberQueue& queue = members.queues[0];
  EXPECT_THAT(queue.served_by, UnorderedElementsAre(uid_of("a"), uid_of("b")));
  EXPECT_THAT(queue.may_pull, UnorderedElementsAre(uid_of("a"), uid_of("b")));
  EXPECT_THAT(queue.may_receive, ElementsAre(uid_of("b")));
  EXPECT_THAT(agents_in(world.members("c")), ElementsAre(uid_of("c")));
}

TEST_F(DocumentsTest, HandOffGoesToTheSameAccountElseToThoseWhoMayConsume) {
  world.add_pod("a1", "checkout");
  world.add_pod("a2", "checkout");
  world.add_pod("b", "billing");
  world.add_pod("c", "audit");
  world.add_queue("orders", {{"access", access("billing", "Consume")}});
  world.settle();
  const auto receivers = [&](const std::string& pod) {
    return queue_in(world.members(pod), "orders")->may_receive;
  };
  EXPECT_THAT(receivers("a1"), ElementsAre(uid_of("a2")));
  EXPECT_THAT(receivers("b"), IsEmpty());
  EXPECT_THAT(receivers("c"), ElementsAre(uid_of("b")));
  EXPECT_THAT(queue_in(world.members("a1"), "orders")->may_pull, ElementsAre(uid_of("b")));

  world.agents["a2"].phase = "draining";
  world.settle();
  EXPECT_THAT(receivers("a1"), ElementsAre(uid_of("b")));
  const auto members = world.members("a1");
  EXPECT_THAT(queue_in(members, "orders")->served_by,
              testing::Contains(uid_of("a2")));  // it may still be pulled from
  EXPECT_TRUE(std::ranges::find(members.agents, uid_of("a2"), &MemberAgent::pod_uid)->draining);
}

TEST_F(DocumentsTest, ALocalQueueIsInNobodysMembers) {
  world.add_pod("a");
  world.add_pod("b");
  world.add_queue("mine", {{"forward", {{"mode", "Local"}}}});
  world.settle();
  EXPECT_TRUE(world.members("a").queues.empty());
  EXPECT_THAT(agents_in(world.members("a")), ElementsAre(uid_of("a")));
}

TEST_F(DocumentsTest, APodWithoutAnAddressIsNobodysPeerAndOneThatNeverSpokeHasNoSpoolId) {
  world.add_pod("a");
  world.add_pod("b");
  world.add_queue("orders");
  world.api.change(World::pod_key("b"), [](kube::Json& pod) { pod["status"].erase("podIP"); });
  world.settle({"a", "b"});
  const Members members = world.members("a");
  EXPECT_THAT(agents_in(members), ElementsAre(uid_of("a")));
  EXPECT_EQ(members.agents[0].spool_id, "");
  EXPECT_THAT(queue_in(members, "orders")->served_by, ElementsAre(uid_of("a")));
  EXPECT_THAT(agents_in(world.members("b")), ElementsAre(uid_of("a")));
}

TEST_F(DocumentsTest, AnAgentThatFallsSilentChangesNobodysDocuments) {
  world.add_pod("a");
  world.add_pod("b");
  world.add_queue("orders");
  world.agents["b"].phase = "draining";
  world.settle();
  const Members before = world.members("a");
  ASSERT_NE(before.agents[1].spool_id, "");
  world.clock.advance(std::chrono::minutes{1});
  world.render();
  EXPECT_EQ(world.members("a"), before);
}

TEST_F(DocumentsTest, AnEndingQueueIsStillPulled) {
  world.add_pod("a");
  world.add_pod("b");
  world.add_queue("orders");
  world.settle();
  world.agents["a"].queues.begin()->second.ready = 2;
  world.look("a");
  world.begin_delete("orders");
  world.settle();
  EXPECT_THAT(queue_in(world.members("a"), "orders")->may_pull,
              UnorderedElementsAre(uid_of("a"), uid_of("b")));
}

// Whatever the order in which things are gathered.
TEST_F(DocumentsTest, TextsDependOnWhatThereIsAndNotOnItsOrder) {
  for (const char* const name : {"a", "b", "c", "d"}) world.add_pod(name);
  for (const char* const name : {"x", "y", "z"})
    world.add_queue(name, {{"access", {access("p", "Consume")[0], access("b", "Publish")[0]}}});
  world.settle();
  NamespaceView view = world.view();
  const auto texts = [&](const NamespaceView& of) {
    Texts all;
    for (const char* const name : {"a", "b", "c", "d"}) {
      all.push_back(to_yaml(render_policy(of, *world.agent_in(of, name), "PEM")));
      all.push_back(to_yaml(render_members(of, *world.agent_in(of, name))));
    }
    return all;
  };
  const Texts before = texts(view);
  Random random(7);
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = view.agents.size(); i > 1; --i)
      std::swap(view.agents[i - 1], view.agents[random.below(i)]);
    for (std::size_t i = view.queues.size(); i > 1; --i)
      std::swap(view.queues[i - 1], view.queues[random.below(i)]);
    for (ViewedQueue& queue : view.queues)
      std::reverse(queue.queue.spec.access->begin(), queue.queue.spec.access->end());
    ASSERT_EQ(texts(view), before);
  }
}

TEST(PasswordHashesTest, AreTheSameInEveryOperatorAndTellPasswordsApart) {
  PasswordHashes one, other;
  const std::string hash = one.hash_of("uid-1", "secret");
  EXPECT_EQ(other.hash_of("uid-1", "secret"), hash);
  EXPECT_EQ(one.hash_of("uid-1", "secret"), hash);
  EXPECT_TRUE(matches_password(hash, "secret"));
  EXPECT_FALSE(matches_password(hash, "Secret"));
  const std::string changed = one.hash_of("uid-1", "changed");
  EXPECT_TRUE(matches_password(changed, "changed"));
  // The salt is public: it may say who, and nothing of the password.
  const auto salt = [](const std::string& text) { return text.substr(0, text.rfind('$')); };
  EXPECT_EQ(salt(changed), salt(hash));
  EXPECT_NE(salt(one.hash_of("uid-2", "secret")), salt(hash));
}

}  // namespace
}  // namespace pannier
