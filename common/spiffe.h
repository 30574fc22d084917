// SpiffeId: who a pod is, as the one URI in its certificate:
// spiffe://<trust domain>/ns/<namespace>/sa/<service account>/pod/<pod UID>
//
// A value type and pure functions; any thread. An id has one text only: nothing is decoded, folded
// or left out, so that comparing texts compares pods. Errors are bad_argument.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace pannier {

struct SpiffeId {
  std::string trust_domain;
  std::string namespace_name;
  std::string service_account;
  std::string pod_uid;

  bool operator==(const SpiffeId&) const = default;
};

Result<SpiffeId> parse_spiffe_id(std::string_view uri);

// bad_argument for a field that parse_spiffe_id would refuse.
Result<std::string> to_uri(const SpiffeId& id);

}  // namespace pannier
