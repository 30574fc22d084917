#include "common/policy.h"

#include <algorithm>
#include <set>

#include "common/policy_fields.h"
#include "common/scrypt_text.h"
#include "common/yaml_map.h"
#include "common/yaml_writer.h"

namespace pannier {
namespace {

constexpr YamlLimits kPolicyLimits{32u << 20, 4'000'000, 32, 1};
constexpr std::size_t kOtherQueuesMax = 100'000;
constexpr std::size_t kTombstonesMax = 100'000;
constexpr std::size_t kUsersMax = 1'000;
constexpr std::size_t kPasswordsMax = 2;
constexpr std::size_t kTokenIssuersMax = 8;

constexpr TextRule kHashRule{"an scrypt hash such as $scrypt$ln=15,r=8,p=1$SALT$HASH", 512,
                             is_scrypt_text, true, true};
constexpr TextRule kIssuerRule{"an issuer", 2'048, is_amqp_name, true};
constexpr TextRule kJwksRule{"a JSON Web Key Set", 262'144, nullptr, true, true};
constexpr TextRule kTrustBundleRule{"certificates in PEM", 1'048'576, nullptr, false, true};

template <typename Io>
void queue_fields(Io& io, auto& queue) {
  io.text("uid", queue.uid, kUidRule);
  io.integer("generation", queue.generation, {1});
  io.text("name", queue.name, kQueueNameRule);
  io.choice("durability", queue.durability, kDurabilityNames);
  io.section("storage", [&](auto& in) { storage_fields(in, queue.storage, kCompressionNames); });
  io.section("delivery", [&](auto& in) { delivery_fields(in, queue.delivery); });
  io.list("bindings", queue.bindings, kBindingsMax,
          [](auto& in, auto& binding) { binding_fields(in, binding); });
  io.section("forward", [&](auto& in) {
    in.choice("mode", queue.forward_mode, kForwardModeNames);
    in.text("hostsClass", queue.hosts_class, optional(kObjectNameRule));
  });
  io.optional_list("access", queue.access, kAccessRulesMax,
                   [](auto& in, auto& rule) { access_fields(in, rule); });
  io.boolean("paused", queue.paused);
  io.boolean("ending", queue.ending);
  io.choice("deletionPolicy", queue.deletion_policy, kDeletionPolicyNames);
}

template <typename Io>
void user_fields(Io& io, auto& user) {
  io.text("name", user.name, kUserNameRule);
  io.list("passwords", user.passwords, kPasswordsMax, [](auto& in, auto& password) {
    in.text("hash", password.hash, kHashRule);
    in.optional_timestamp("validUntil", password.valid_until);
  });
}

// Each queue has one name and one UID, and is not deleted at the same time.
void check_unique(YamlMap& io, const Policy& policy) {
  std::set<std::string_view> names, uids, users;
  const auto once = [&](std::set<std::string_view>& seen, const std::string& value,
                        std::string_view key, std::string_view what) {
    io.check(value.empty() || seen.insert(value).second, key,
             "expected each " + std::string(what) + " once, found " + quoted_for_people(value) +
                 " again: remove one of the two");
  };
  for (const PolicyQueue& queue : policy.queues) {
    once(names, queue.name, "queues", "queue name");
    once(uids, queue.uid, "queues", "queue UID");
  }
  for (const std::string& name : policy.other_queues)
    once(names, name, "otherQueues", "queue name");
  for (const std::string& uid : policy.tombstones) once(uids, uid, "tombstones", "queue UID");
  for (const PolicyUser& user : policy.users) once(users, user.name, "users", "user");
}
void check_unique(YamlMapWriter&, const Policy&) {}

template <typename Io>
void policy_fields(Io& io, auto& policy) {
  io.integer("schemaVersion", policy.schema_version, {1, kPolicySchemaVersion});
  io.text("namespace", policy.namespace_name, kNamespaceRule);
  io.choice("clientTopology", policy.client_topology, kClientTopologyNames);
  io.list("queues", policy.queues, kPolicyQueuesMax,
          [](auto& in, auto& queue) { queue_fields(in, queue); });
  io.text_list("otherQueues", policy.other_queues, kOtherQueuesMax, kQueueNameRule);
  io.text_list("tombstones", policy.tombstones, kTombstonesMax, kUidRule);
  io.list("users", policy.users, kUsersMax, [](auto& in, auto& user) { user_fields(in, user); });
  io.list("tokenIssuers", policy.token_issuers, kTokenIssuersMax, [](auto& in, auto& issuer) {
    in.text("issuer", issuer.issuer, kIssuerRule);
    in.text("jwks", issuer.jwks, kJwksRule);
  });
  io.text("trustBundle", policy.trust_bundle, kTrustBundleRule);
  check_unique(io, policy);
}

template <typename T>
void sort_list(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
}

}  // namespace

Result<Policy> parse_policy(std::string_view text, std::string_view file, UnknownKeys unknown) {
  return read_document<Policy>(text, file, kPolicyLimits, unknown, kPolicySchemaVersion,
                               [](YamlMap& io, Policy& policy) { policy_fields(io, policy); });
}

void sort(Policy& policy) {
  for (PolicyQueue& queue : policy.queues) {
    for (QueueBinding& binding : queue.bindings) sort_list(binding.headers);
    sort_list(queue.bindings);
    if (!queue.access) continue;
    for (AccessRule& rule : *queue.access) {
      sort_list(rule.subjects);
      sort_list(rule.verbs);
    }
    sort_list(*queue.access);
  }
  std::sort(policy.queues.begin(), policy.queues.end(),
            [](const PolicyQueue& a, const PolicyQueue& b) {
              return a.name != b.name ? a.name < b.name : a.uid < b.uid;
            });
  sort_list(policy.other_queues);
  sort_list(policy.tombstones);
  for (PolicyUser& user : policy.users) sort_list(user.passwords);
  std::sort(policy.users.begin(), policy.users.end(),
            [](const PolicyUser& a, const PolicyUser& b) { return a.name < b.name; });
  sort_list(policy.token_issuers);
}

std::string to_yaml(Policy policy) {
  sort(policy);
  std::string text;
  YamlMapWriter io(text);
  policy_fields(io, std::as_const(policy));
  return text;
}

}  // namespace pannier
