// SpiffeId: who a certificate speaks for: "spiffe://TRUST/ns/N/sa/S/pod/UID".
//
// A value type; pure; any thread. The parse is strict: nothing is decoded, folded or left over, so
// that two texts never name one pod.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pannier::queue {

struct SpiffeId {
  std::string trust_domain;
  std::string namespace_name;
  std::string service_account;
  std::string pod_uid;
  bool operator==(const SpiffeId&) const = default;
};

std::optional<SpiffeId> parse_spiffe_id(std::string_view uri);

}  // namespace pannier::queue
