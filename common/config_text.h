// The kinds of text that our documents hold, as rules for their fields, and the limits they share.
//
// Plain values and pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/yaml_field.h"

namespace pannier {

inline constexpr std::size_t kQueueNameBytesMax = 255;

bool is_dns_name(std::string_view text);       // lower case letters, digits, - and .
bool is_identifier(std::string_view text);     // letters, digits and - : a UID, a UUID
bool is_uuid(std::string_view text);           // lower case, 8-4-4-4-12
bool is_absolute_path(std::string_view text);  // starts with /, no NUL
bool is_https_url(std::string_view text);
bool is_amqp_name(
    std::string_view text);  // UTF-8 without control characters; its size is the rule's

inline constexpr TextRule kNamespaceRule{"a namespace's name", 63, is_dns_name, true};
inline constexpr TextRule kObjectNameRule{"a Kubernetes name", 253, is_dns_name, true};
inline constexpr TextRule kUidRule{"a UID (letters, digits and -)", 64, is_identifier, true};
inline constexpr TextRule kUuidRule{"a UUID in lower case", 36, is_uuid, true};
inline constexpr TextRule kPathRule{"an absolute path", 4'095, is_absolute_path};
inline constexpr TextRule kQueueNameRule{"a queue's name", kQueueNameBytesMax, is_amqp_name, true};
inline constexpr TextRule kAmqpNameRule{"an AMQP name", kQueueNameBytesMax, is_amqp_name};

constexpr TextRule optional(TextRule rule) {
  rule.required = false;
  return rule;
}
constexpr TextRule required(TextRule rule) {
  rule.required = true;
  return rule;
}

// What clients may declare, and whether it spreads to the namespace's agents.
enum class ClientTopology : std::uint8_t { none, local, everywhere };
inline constexpr Named<ClientTopology> kClientTopologyNames[] = {
    {"None", ClientTopology::none},
    {"Local", ClientTopology::local},
    {"Namespace", ClientTopology::everywhere},
};

}  // namespace pannier
