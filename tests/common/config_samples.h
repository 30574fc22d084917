// Documents with every field set to something other than its default, for the tests of the
// contract.
#pragma once

#include <string>
#include <string_view>

#include "common/agent_config.h"
#include "common/members.h"
#include "common/policy.h"

namespace pannier {

inline constexpr std::string_view kHash =
    "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

inline AgentConfig full_config() {
  AgentConfig config;
  config.class_name = "large";
  config.identity = {"shop",     "checkout-0", "6f1c8a52-0d7c-4a8e-9a4e-2b6f3c1d5e70",
                     "checkout", "demo.local", "/etc/pod"};
  config.listeners.amqps = {true, {"127.1.2.3"}, 5671};
  config.listeners.https = {false, {"127.1.2.3"}, 8443};
  config.listeners.peer = {true, {"127.1.2.3"}, 7671};
  config.listeners.admin = {true, {"127.1.2.3", "::1"}, 9471};
  config.listeners.admin_plaintext = true;
  config.listeners.admin_metrics_token = true;
  config.listeners.amqp = {true, {"127.0.0.1"}, 15672};
  config.listeners.http = {true, {"::1"}, 18000};
  config.listeners.control_socket = "/run/c.sock";
  config.folders = {"/run/app", "/run/agent", "/data/spool"};
  config.local = LocalFiles{"/p.yaml", "/m.yaml", "/tls.crt", "/tls.key", "/ca.crt"};
  config.spool = {10ull << 30, 32ull << 20, 1ull << 30, AgentEncryption{"/keys", true}};
  AgentLimits& limits = config.limits;
  limits = {1,
            2,
            3,
            4'096,
            128ull << 20,
            5,
            6,
            7,
            8,
            65'536,
            9,
            300ull << 20,
            2ull << 20,
            3ull << 20,
            4ull << 20,
            128ull << 20,
            std::chrono::milliseconds{1'500},
            std::chrono::seconds{90}};
  config.client_topology = ClientTopology::everywhere;
  config.log_level = LogLevel::debug;
  config.drain_budget = std::chrono::seconds{61};
  return config;
}

inline PolicyQueue full_queue() {
  PolicyQueue queue;
  queue.uid = "0b0e6a5c-1111-4222-8333-444455556666";
  queue.generation = 7;
  queue.name = "orders é 'x' #1";
  queue.durability = Durability::memory;
  queue.storage = {5ull << 30, 17, Overflow::drop_head, Compression::zstd};
  QueueDelivery& delivery = queue.delivery;
  delivery.ack_timeout = std::chrono::seconds{90};
  delivery.priorities = 3;
  delivery.message_ttl = std::chrono::hours{24};
  delivery.deliveries_max = 4;
  delivery.backoff = {std::chrono::milliseconds{250}, std::chrono::minutes{10}};
  delivery.dead_letter = DeadLetter{"", "dlx", "orders.dead"};
  delivery.single_active_consumer = true;
  delivery.group_by = GroupBy::header;
  delivery.dedup = Dedup{DedupBy::producer_sequence, std::chrono::minutes{9}, 99};
  delivery.expires = std::chrono::hours{1};
  queue.bindings = {
      {"events", ExchangeType::topic, "order.*", HeaderMatch::all, {}},
      {"h", ExchangeType::headers, "", HeaderMatch::any, {{"kind", "a"}, {"size", "12"}}}};
  queue.forward_mode = ForwardMode::hosts;
  queue.hosts_class = "large";
  queue.access = std::vector<AccessRule>{
      {{{SubjectKind::service_account, "checkout"}}, {Verb::publish}},
      {{{SubjectKind::user, "ops"}}, {Verb::publish, Verb::consume, Verb::manage}}};
  queue.paused = true;
  queue.ending = true;
  queue.deletion_policy = DeletionPolicy::delete_at_once;
  return queue;
}

inline Policy full_policy() {
  Policy policy;
  policy.namespace_name = "shop";
  policy.client_topology = ClientTopology::local;
  PolicyQueue plain;
  plain.uid = "1c";
  plain.name = "a";
  plain.access.emplace();
  policy.queues = {plain, full_queue()};
  policy.other_queues = {"elsewhere"};
  policy.tombstones = {"dead-1", "dead-2"};
  policy.users = {{"ops",
                   {{std::string(kHash), {}},
                    {std::string(kHash), parse_timestamp("2026-12-01T00:00:00Z").value()}}}};
  policy.token_issuers = {
      {"https://kubernetes.default.svc", R"({"keys":[{"kid":"a","kty":"RSA"}]})"}};
  policy.trust_bundle = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  return policy;
}

inline Members full_members() {
  Members members;
  members.namespace_name = "shop";
  MemberAgent a{"aaaa",     "checkout-0", "6f1c8a52-0d7c-4a8e-9a4e-2b6f3c1d5e70",
                "10.0.0.7", 7671,         "checkout",
                true,       false,        parse_timestamp("2026-11-22T10:00:00Z").value()};
  MemberAgent b{"bbbb", "pannier-hosts-0", "", "fd00::7", 7672, "pannier-hosts", false, true, {}};
  members.agents = {a, b};
  members.queues = {{"q1", {"aaaa", "bbbb"}, {"bbbb"}, {"aaaa"}}, {"q2", {}, {}, {}}};
  return members;
}

}  // namespace pannier
