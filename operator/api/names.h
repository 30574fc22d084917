// What Kubernetes lets things be called: names of objects, keys and values of labels.
//
// Plain values and pure functions; any thread.
#pragma once

#include <string_view>

#include "common/yaml_field.h"

namespace pannier::api {

bool is_dns_label(std::string_view text);      // RFC 1123: lower case letters, digits, -
bool is_dns_subdomain(std::string_view text);  // such labels with dots between
bool is_label_key(std::string_view text);      // "app", "example.com/app"; of annotations too
bool is_label_value(std::string_view text);    // letters, digits, -, _ and .
bool is_environment_name(std::string_view text);
bool is_port_name(std::string_view text);

inline constexpr TextRule kDnsLabelRule{
    "a name of lower case letters, digits and - (RFC 1123 label)", 63, is_dns_label, true};
inline constexpr TextRule kSubdomainRule{
    "a name of lower case letters, digits, - and . (RFC 1123 subdomain)", 253, is_dns_subdomain,
    true};
inline constexpr TextRule kLabelKeyRule{"a label's key such as app or example.com/app", 317,
                                        is_label_key, true};
inline constexpr TextRule kLabelValueRule{
    "a label's value (letters, digits, -, _ and .)", 63, is_label_value, false, false, true};

}  // namespace pannier::api
