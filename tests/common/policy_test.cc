#include "common/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/content_hash.h"
#include "common/scrypt_text.h"
#include "tests/common/config_samples.h"

namespace pannier {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string policy_error(std::string_view text) {
  const auto result = parse_policy("namespace: shop\n" + std::string(text) + "\n", "policy.yaml");
  return result ? "no error" : result.error().detail;
}
std::string queue_error(std::string_view fields) {
  return policy_error("queues: [{uid: u1, name: orders, " + std::string(fields) + "}]");
}

TEST(Policy, ReadsAShortOneWithTheDefaultsOfTheDesign) {
  const auto policy =
      parse_policy("namespace: shop\nqueues: [{uid: u1, name: orders}]\n", "policy.yaml");
  ASSERT_TRUE(policy) << policy.error().detail;
  const PolicyQueue& queue = policy->queues[0];
  EXPECT_EQ(queue.durability, Durability::disk);
  EXPECT_EQ(queue.forward_mode, ForwardMode::peers);
  EXPECT_EQ(queue.storage.overflow, Overflow::reject_publish);
  EXPECT_EQ(queue.deletion_policy, DeletionPolicy::wait_until_empty);
  EXPECT_FALSE(queue.access);
  EXPECT_FALSE(queue.delivery.dedup);
  EXPECT_FALSE(queue.delivery.ack_timeout);
  EXPECT_EQ(queue.delivery.message_ttl.count(), 0);
}

TEST(Policy, ReadsBackWhatItWrites) {
  const std::string text = to_yaml(full_policy());
  const auto again = parse_policy(text, "policy.yaml", UnknownKeys::refuse);
  ASSERT_TRUE(again) << again.error().detail << "\n" << text;
  EXPECT_EQ(*again, full_policy());
}

TEST(Policy, TellsNoAccessListFromAnEmptyOne) {
  const auto policy = parse_policy(to_yaml(full_policy()), "policy.yaml");
  ASSERT_TRUE(policy->queues[0].access);
  EXPECT_TRUE(policy->queues[0].access->empty());
  EXPECT_EQ(queue_error("access:"),
            "policy.yaml:2:34: queues[0].access: expected a list, found nothing: write a list, [] "
            "for an empty one");
}

TEST(Policy, HasOneVersionInWhateverOrderItWasGathered) {
  const std::string version = content_hash(to_yaml(full_policy()));
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    Policy policy = full_policy();
    std::shuffle(policy.queues.begin(), policy.queues.end(), random);
    std::shuffle(policy.tombstones.begin(), policy.tombstones.end(), random);
    for (PolicyQueue& queue : policy.queues) {
      std::shuffle(queue.bindings.begin(), queue.bindings.end(), random);
      std::shuffle(queue.access->begin(), queue.access->end(), random);
      for (AccessRule& rule : *queue.access)
        std::shuffle(rule.verbs.begin(), rule.verbs.end(), random);
    }
    EXPECT_EQ(content_hash(to_yaml(policy)), version);
  }
  Policy other = full_policy();
  other.queues[0].generation = 2;
  EXPECT_NE(content_hash(to_yaml(other)), version);
  EXPECT_EQ(content_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Policy, IgnoresWhatANewerOperatorAddsUnlessAPersonWroteIt) {
  const std::string text = "namespace: shop\nqueues: [{uid: u1, name: orders, newer: {x: 1}}]\n";
  EXPECT_TRUE(parse_policy(text, "policy.yaml"));
  EXPECT_THAT(parse_policy(text, "policy.yaml", UnknownKeys::refuse).error().detail,
              StartsWith("policy.yaml:2:34: queues[0].newer: expected a known key"));
  EXPECT_EQ(parse_policy("schemaVersion: 2\n", "policy.yaml").error().code, Errc::wrong_version);
}

TEST(Policy, ReadsQueueNamesOfAnyAmqpKindUpTo255Bytes) {
  const auto name_error = [](const std::string& name) {
    return policy_error("queues: [{uid: u1, name: \"" + name + "\"}]");
  };
  EXPECT_EQ(name_error(std::string(255, 'x')), "no error");
  EXPECT_EQ(name_error("Größe / #1 日本"), "no error");
  EXPECT_THAT(name_error(std::string(256, 'x')),
              HasSubstr("expected at most 255 bytes, found 256"));
  EXPECT_THAT(name_error(""), HasSubstr("expected a queue's name"));
  EXPECT_THAT(name_error("a\\nb"),
              HasSubstr("expected a queue's name, found the text \"a\\x0ab\""));
}

TEST(Policy, RefusesWhatContradictsItself) {
  EXPECT_EQ(policy_error("queues: [{uid: u1, name: a}, {uid: u2, name: a}]"),
            "policy.yaml:2:9: queues: expected each queue name once, found \"a\" again: remove one "
            "of the two");
  EXPECT_THAT(policy_error("queues: [{uid: u1, name: a}]\ntombstones: [u1]"),
              HasSubstr("policy.yaml:3:13: tombstones: expected each queue UID once"));
  EXPECT_THAT(policy_error("queues: [{uid: u1, name: a}]\notherQueues: [a]"),
              HasSubstr("otherQueues: expected each queue name once"));
  EXPECT_THAT(
      queue_error("delivery: {deadLetter: {}}"),
      HasSubstr("queues[0].delivery.deadLetter.queue: expected either a queue or an exchange"));
  EXPECT_THAT(queue_error("delivery: {deadLetter: {queue: a, exchange: b}}"),
              HasSubstr("either a queue or an exchange"));
  EXPECT_THAT(queue_error("delivery: {backoff: {initial: 10s, max: 1s}}"),
              HasSubstr("backoff.max: expected at least initial"));
  EXPECT_THAT(queue_error("generation: 0"), HasSubstr("expected a whole number of at least 1"));
  EXPECT_THAT(queue_error("durability: disk"), HasSubstr("did you mean Disk?"));
  EXPECT_THAT(queue_error("access: [{subjects: [{kind: Group, name: a}], verbs: [Publish]}]"),
              HasSubstr("access[0].subjects[0].kind: expected one of ServiceAccount, User"));
}

TEST(Policy, RefusesAPasswordThatIsNoHashWithoutShowingIt) {
  const std::string error = policy_error("users: [{name: ops, passwords: [{hash: hunter2}]}]");
  EXPECT_EQ(error,
            "policy.yaml:2:40: users[0].passwords[0].hash: expected an scrypt hash such as "
            "$scrypt$ln=15,r=8,p=1$SALT$HASH, found something else (not shown here): correct it");
  const std::string hash(kHash);
  EXPECT_TRUE(is_scrypt_text(hash));
  EXPECT_EQ(parse_scrypt_text(hash)->cost_log2, 15u);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"ln=15", "ln=31"},
                                                        {"ln=15", "ln=015"},
                                                        {"r=8", "r=64"},
                                                        {"p=1", "p=99"},
                                                        {"p=1", "p=0"},
                                                        {"c2Fsd", ""},
                                                        {"$aGFz", "$aG=z"},
                                                        {"$scrypt", "$bcrypt"}}) {
    std::string bad = hash;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_FALSE(is_scrypt_text(bad)) << bad;
  }
  for (std::size_t size = 0; size < hash.size() - 1; ++size)
    (void)is_scrypt_text(hash.substr(0, size));
  const std::string three =
      "{hash: '" + hash + "'}, {hash: '" + hash + "'}, {hash: '" + hash + "'}";
  EXPECT_THAT(policy_error("users: [{name: ops, passwords: [" + three + "]}]"),
              HasSubstr("expected at most 2 items, found 3"));
}

TEST(Members, ReadsBackWhatItWritesInOneOrder) {
  const std::string text = to_yaml(full_members());
  const auto again = parse_members(text, "members.yaml", UnknownKeys::refuse);
  ASSERT_TRUE(again) << again.error().detail << "\n" << text;
  EXPECT_EQ(*again, full_members());
  Members turned = full_members();
  std::reverse(turned.agents.begin(), turned.agents.end());
  std::reverse(turned.queues.begin(), turned.queues.end());
  std::reverse(turned.queues[1].served_by.begin(), turned.queues[1].served_by.end());
  EXPECT_EQ(to_yaml(turned), text);
}

TEST(Members, RefusesAnAgentTwiceAndAPermissionForOneThatIsNotListed) {
  const std::string head =
      "namespace: shop\nagents:\n- {podUid: a, podName: p, address: 10.0.0.7, serviceAccount: s}\n";
  EXPECT_TRUE(parse_members(head, "m.yaml"));
  EXPECT_EQ(parse_members(head + "queues: [{uid: q, mayPull: [b]}]\n", "m.yaml").error().detail,
            "m.yaml:4:9: queues: expected pod UIDs of listed agents in mayPull, found \"b\": list "
            "that agent, or remove it here");
  EXPECT_THAT(
      parse_members(head + "- {podUid: a, podName: p, address: 10.0.0.7, serviceAccount: s}\n",
                    "m.yaml")
          .error()
          .detail,
      HasSubstr("agents: expected each pod UID once, found \"a\" again"));
  EXPECT_THAT(parse_members("namespace: shop\nagents: [{podUid: a, podName: p, address: host, "
                            "serviceAccount: s, spoolId: X}]\n",
                            "m.yaml")
                  .error()
                  .detail,
              testing::AllOf(HasSubstr("agents[0].address: expected an IP address"),
                             HasSubstr("agents[0].spoolId: expected a UUID in lower case")));
}

}  // namespace
}  // namespace pannier
