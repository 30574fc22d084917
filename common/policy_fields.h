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
void access_fields(Io& io, auto& rule) {
  io.list("subjects", rule.subjects, kSubjectsMax, [](auto& in, auto& subject) {
    in.choice("kind", subject.kind, kSubjectKindNames);
    in.text("name", subject.name, kUserNameRule);
  });
  io.choice_list("verbs", rule.verbs, kVerbNames);
}

}  // namespace pannier
