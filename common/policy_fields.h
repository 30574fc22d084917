// The descriptions of a queue's fields that its policy and the operator's MessageQueue share, for
// every Io of yaml_field.h.
//
// Function templates and constants; any thread; errors are the Io's.
#pragma once

#include <chrono>

#include "common/policy.h"

namespace pannier {

inline constexpr std::size_t kBindingsMax = 1'000;  // of one queue
inline constexpr std::size_t kHeadersMax = 64;      // of one binding
inline constexpr std::size_t kAccessRulesMax = 256;
inline constexpr std::size_t kSubjectsMax = 256;  // of one rule
inline constexpr DurationRange kAckTimeoutRange{std::chrono::milliseconds{100},
                                                std::chrono::hours{24 * 7}};

// An agent counts deliveries in 16 bits: a higher limit would never be reached.
inline constexpr IntegerRange kDeliveriesRange{0, 65'535};
inline constexpr IntegerRange kDedupIdsRange{1, 100'000'000};
inline constexpr DurationRange kDedupWindowRange{std::chrono::milliseconds{1}};

inline constexpr TextRule kUserNameRule{"a user's name", 255, is_amqp_name, true};

template <typename Io>
void binding_fields(Io& io, auto& binding) {
  io.text("exchange", binding.exchange, required(kAmqpNameRule));
  io.choice("type", binding.type, kExchangeTypeNames);
  io.text("routingKey", binding.routing_key, kAmqpNameRule);
  io.choice("match", binding.match, kHeaderMatchNames);
  io.list("headers", binding.headers, kHeadersMax, [](auto& in, auto& header) {
    in.text("name", header.name, required(kAmqpNameRule));
    in.text("value", header.value);
  });
}

// What the caller can honour of the compressions is its own business.
template <typename Io, std::size_t N>
void storage_fields(Io& io, auto& storage, const Named<Compression> (&compressions)[N]) {
  io.bytes("maxBytes", storage.bytes_max);
  io.integer("maxMessages", storage.messages_max);
  io.choice("overflow", storage.overflow, kOverflowNames);
  io.choice("compression", storage.compression, compressions);
}

template <typename Io>
void dead_letter_fields(Io& io, auto& target) {
  io.text("queue", target.queue, optional(kQueueNameRule));
  io.text("exchange", target.exchange, kAmqpNameRule);
  io.text("routingKey", target.routing_key, kAmqpNameRule);
  io.check(target.queue.empty() != target.exchange.empty(), "queue",
           "expected either a queue or an exchange, found both or neither: keep one");
  io.check(target.queue.empty() || target.routing_key.empty(), "routingKey",
           "expected no routing key beside a queue, found one: remove it");
}

template <typename Io>
void delivery_fields(Io& io, auto& delivery) {
  io.optional_duration("ackTimeout", delivery.ack_timeout, kAckTimeoutRange);
  io.integer("priorities", delivery.priorities, {0, 255});
  io.duration("messageTTL", delivery.message_ttl);
  io.integer("maxDeliveries", delivery.deliveries_max, kDeliveriesRange);
  io.section("backoff", [&](auto& in) {
    in.duration("initial", delivery.backoff.initial);
    in.duration("max", delivery.backoff.max);
    in.check(delivery.backoff.initial <= delivery.backoff.max, "max",
             "expected at least initial, found less: raise it");
  });
  io.optional_section("deadLetter", delivery.dead_letter,
                      [](auto& in, auto& target) { dead_letter_fields(in, target); });
  io.boolean("singleActiveConsumer", delivery.single_active_consumer);
  io.choice("groupBy", delivery.group_by, kGroupByNames);
  io.optional_section("dedup", delivery.dedup, [](auto& in, auto& dedup) {
    in.choice("by", dedup.by, kDedupByNames);
    in.duration("window", dedup.window, kDedupWindowRange);
    in.integer("maxIds", dedup.ids_max, kDedupIdsRange);
  });
  io.duration("expires", delivery.expires);
}

template <typename Io>
void access_fields(Io& io, auto& rule) {
  io.list("subjects", rule.subjects, kSubjectsMax, [](auto& in, auto& subject) {
    in.choice("kind", subject.kind, kSubjectKindNames);
    in.text("name", subject.name, kUserNameRule);
  });
  io.choice_list("verbs", rule.verbs, kVerbNames);
}

}  // namespace pannier
