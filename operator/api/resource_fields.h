// The fields of our three resources' specs, each described once, for every Io of yaml_field.h: the
// readers, the writers, and the tests that compare the descriptions with crds/*.yaml.
//
// Function templates and constants; any thread; errors are the Io's. What is not built is not here:
// neither its field nor its value. A text for a check is what the CRD's rule says too.
#pragma once

#include <type_traits>

#include "common/policy_fields.h"
#include "operator/api/agent_class.h"
#include "operator/api/message_queue.h"
#include "operator/api/message_queue_user.h"
#include "operator/api/names.h"

namespace pannier::api {

inline constexpr std::size_t kMatchLabelsMax = 64;
inline constexpr std::size_t kMatchExpressionsMax = 64;
inline constexpr std::size_t kExpressionValuesMax = 64;
inline constexpr std::size_t kImagePullSecretsMax = 16;
inline constexpr std::size_t kAllowedNamespacesMax = 1'000;
// 90 % of it hold the four segments that a spool needs.
inline constexpr ByteRange kSpoolSizeRange{128ull << 20, 1ull << 50};

// The values that are built, of those that a policy knows.
inline constexpr Named<Durability> kQueueDurabilityNames[] = {{"Memory", Durability::memory},
                                                              {"Disk", Durability::disk}};
inline constexpr Named<ForwardMode> kQueueForwardModeNames[] = {{"Local", ForwardMode::local},
                                                                {"Peers", ForwardMode::peers}};
inline constexpr Named<ClientTopology> kClassTopologyNames[] = {{"None", ClientTopology::none},
                                                                {"Local", ClientTopology::local}};
inline constexpr Named<bool> kSpoolVolumeNames[] = {{"EmptyDir", false}, {"Claim", true}};

inline constexpr Named<std::string_view> kPullPolicyNames[] = {
    {"Always", "Always"}, {"IfNotPresent", "IfNotPresent"}, {"Never", "Never"}};

bool is_image_name(std::string_view text);
// Whether each listener has a port of its own.
bool are_distinct(const AgentPorts& ports);

inline constexpr TextRule kImageRule{"an image such as registry.example/pannier-agent:1.0", 1'024,
                                     is_image_name};

template <typename Io>
void selector_fields(Io& io, auto& selector) {
  io.text_map("matchLabels", selector.match_labels, kMatchLabelsMax, kLabelKeyRule,
              kLabelValueRule);
  io.list("matchExpressions", selector.match_expressions, kMatchExpressionsMax,
          [](auto& in, auto& expression) {
            in.text("key", expression.key, kLabelKeyRule);
            in.choice("operator", expression.op, kLabelOperatorNames);
            in.text_list("values", expression.values, kExpressionValuesMax, kLabelValueRule);
            const bool takes_values =
                expression.op == LabelOperator::in || expression.op == LabelOperator::not_in;
            in.check(takes_values != expression.values.empty(), "values",
                     "expected values with In and NotIn, and none with Exists and DoesNotExist, "
                     "found otherwise: correct one of the two");
          });
}

// The exchanges that every agent has, and the type that each of them is.
constexpr bool is_bindable(std::string_view exchange, ExchangeType type) {
  if (!exchange.starts_with("amq.")) return true;
  if (exchange == "amq.headers" || exchange == "amq.match") return type == ExchangeType::headers;
  const std::string_view name = exchange.substr(4);
  return name != "headers" && name == name_in(kExchangeTypeNames, type);
}

// What can be right only where one agent sees all of a queue's messages.
template <typename Io>
void one_owner_checks(Io& io, const auto& delivery, ForwardMode mode) {
  const bool has_one_owner = mode == ForwardMode::local;
  io.check(has_one_owner || !delivery.single_active_consumer, "singleActiveConsumer",
           "expected false with forward.mode Peers, where each agent delivers its own messages, "
           "found true: set forward.mode to Local, or remove it");
  io.check(has_one_owner || delivery.group_by == GroupBy::none, "groupBy",
           "expected None with forward.mode Peers, where messages of one group may be on several "
           "agents, found another one: set forward.mode to Local, or remove it");
  io.check(has_one_owner || !delivery.dedup, "dedup",
           "expected none with forward.mode Peers, where no agent knows what was published to the "
           "others, found some: set forward.mode to Local, or remove it");
}

// `object_name`: the queue's name where the spec has none.
template <typename Io>
void message_queue_fields(Io& io, auto& spec, std::string_view object_name) {
  io.text("queueName", spec.queue_name, optional(kQueueNameRule));
  io.section("agents", [&](auto& agents) {
    agents.section("selector", [&](auto& in) { selector_fields(in, spec.agents); });
  });
  io.list("bindings", spec.bindings, kBindingsMax, [](auto& in, auto& binding) {
    binding_fields(in, binding);
    in.check(is_bindable(binding.exchange, binding.type), "exchange",
             "expected an exchange of your own, or one of amq.direct, amq.fanout, amq.topic, "
             "amq.headers and amq.match with its own type, found another one with amq.: rename it");
  });
  io.choice("durability", spec.durability, kQueueDurabilityNames);
  io.section("storage", [&](auto& in) { storage_fields(in, spec.storage, kCompressionNames); });
  io.section("forward",
             [&](auto& in) { in.choice("mode", spec.forward_mode, kQueueForwardModeNames); });
  io.section("delivery", [&](auto& in) {
    delivery_fields(in, spec.delivery);
    one_owner_checks(in, spec.delivery, spec.forward_mode);
    const std::string_view own = spec.queue_name.empty() ? object_name : spec.queue_name;
    const auto& dead = spec.delivery.dead_letter;
    in.check(!dead || dead->queue.empty() || dead->queue != own, "deadLetter",
             "expected another queue for dead letters, found this one: name another queue");
  });
  io.optional_list("access", spec.access, kAccessRulesMax,
                   [](auto& in, auto& rule) { access_fields(in, rule); });
  io.boolean("paused", spec.paused);
  io.choice("deletionPolicy", spec.deletion_policy, kDeletionPolicyNames);
}

template <typename Io>
void agent_ports_fields(Io& io, auto& ports) {
  constexpr IntegerRange kPortRange{1, 65'535};
  io.integer("amqps", ports.amqps, kPortRange);
  io.integer("https", ports.https, kPortRange);
  io.integer("peer", ports.peer, kPortRange);
  io.integer("admin", ports.admin, kPortRange);
  io.integer("amqp", ports.amqp, kPortRange);
  io.integer("http", ports.http, kPortRange);
  io.check(are_distinct(ports), "amqps",
           "expected a port of its own for each listener, found one twice: change one");
}

template <typename Io>
void agent_class_fields(Io& io, auto& spec) {
  io.text("image", spec.image, kImageRule);
  std::string_view pull_policy = spec.image_pull_policy;
  io.choice("imagePullPolicy", pull_policy, kPullPolicyNames);
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(spec)>>)
    if (pull_policy != spec.image_pull_policy) spec.image_pull_policy = pull_policy;
  io.list("imagePullSecrets", spec.image_pull_secrets, kImagePullSecretsMax,
          [](auto& in, auto& name) { in.text("name", name, kSubdomainRule); });
  io.section("spool", [&](auto& in) {
    in.choice("volume", spec.spool.is_claim, kSpoolVolumeNames);
    in.bytes("size", spec.spool.size, kSpoolSizeRange);
    in.text("storageClassName", spec.spool.storage_class_name, optional(kSubdomainRule));
    in.check(spec.spool.is_claim || spec.spool.storage_class_name.empty(), "storageClassName",
             "expected a storage class with volume Claim only, found one with EmptyDir: remove it");
  });
  io.section("ports", [&](auto& in) { agent_ports_fields(in, spec.ports); });
  io.boolean("plaintextLoopback", spec.plaintext_loopback);
  io.choice("clientTopology", spec.client_topology, kClassTopologyNames);
  io.text_list("allowedNamespaces", spec.allowed_namespaces, kAllowedNamespacesMax, kDnsLabelRule);
  io.choice("logLevel", spec.log_level, kLogLevelNames);
}

template <typename Io>
void message_queue_user_fields(Io& io, auto& spec) {
  io.text("userName", spec.user_name, optional(kUserNameRule));
  io.text("secretName", spec.secret_name, optional(kSubdomainRule));
}

}  // namespace pannier::api
