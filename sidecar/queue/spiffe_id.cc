#include "sidecar/queue/spiffe_id.h"

#include <algorithm>

#include "common/config_text.h"

namespace pannier::queue {
namespace {

constexpr std::size_t kTrustDomainMax = 255;

bool is_trust_domain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

bool take(std::string_view& rest, std::string_view prefix) {
  if (!rest.starts_with(prefix)) return false;
  rest.remove_prefix(prefix.size());
  return true;
}

// Up to the next slash.
template <typename Fits>
bool take_part(std::string_view& rest, std::string& part, std::size_t size_max, Fits fits) {
  const std::string_view found = rest.substr(0, rest.find('/'));
  if (found.empty() || found.size() > size_max || !fits(found)) return false;
  rest.remove_prefix(found.size());
  part = found;
  return true;
}

}  // namespace

std::optional<SpiffeId> parse_spiffe_id(std::string_view uri) {
  SpiffeId id;
  const bool whole = take(uri, "spiffe://") &&
                     take_part(uri, id.trust_domain, kTrustDomainMax, is_trust_domain) &&
                     take(uri, "/ns/") &&
                     take_part(uri, id.namespace_name, kNamespaceRule.bytes_max, is_dns_name) &&
                     take(uri, "/sa/") &&
                     take_part(uri, id.service_account, kObjectNameRule.bytes_max, is_dns_name) &&
                     take(uri, "/pod/") &&
                     take_part(uri, id.pod_uid, kUidRule.bytes_max, is_identifier) && uri.empty();
  if (!whole) return std::nullopt;
  return id;
}

}  // namespace pannier::queue
